// The checker for a change from os/exec to package exec, apart from the library so that
// nothing it needs gets into the go.sum of those who import the library.
module github.com/safespawn/spawn/cmd/spawnmigrate

go 1.26.0

require golang.org/x/tools v0.51.0

require (
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/sync v0.23.0 // indirect
)
