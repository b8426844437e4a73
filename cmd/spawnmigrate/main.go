// Command spawnmigrate lists what breaks or changes in a program whose import of os/exec
// becomes github.com/safespawn/spawn/exec.
//
//	spawnmigrate ./...                                # list
//	spawnmigrate -fix ./...                           # change imports where nothing is in the way
//	spawnmigrate -fix -diff ./...                     # show the change
//	go vet -vettool=$(which spawnmigrate) ./...       # list, as vet does
//
// A package's imports stay as they are if it gives a *os/exec.Cmd to a foreign module, or
// gets one from there, and if its own exported names have one. With -api, the latter are
// changed too. A module counts as foreign if it is not that of the package, and not one of
// -own. See docs/migrating.md of the library.
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"

	"github.com/safespawn/spawn/cmd/spawnmigrate/migrate"
)

func main() { multichecker.Main(migrate.Analyzer) }
