//go:build (amd64 || arm64) && !android

package kernel

import (
	"bytes"
	"strconv"

	"github.com/safespawn/spawn/internal/highfd"
)

// Number is the number that a file of /proc has after a name, which must not
// be in its first line.
func Number(path, name string) (n int, ok bool) {
	text, err := highfd.ReadFile(path)
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(text, []byte("\n"+name+":"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err = strconv.Atoi(string(bytes.TrimSpace(line)))
	return n, err == nil
}
