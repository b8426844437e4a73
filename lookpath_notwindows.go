//go:build !windows

package spawn

import (
	"io/fs"
	"strings"
	"syscall"
)

func hasDirectory(name string) bool { return strings.Contains(name, "/") }

func sameKey(a, b string) bool { return a == b }

// byMode looks at the mode of a file alone.
func byMode(mode fs.FileMode) error {
	if mode&0o111 == 0 {
		return syscall.EACCES
	}
	return nil
}

// candidates are the files that a name may stand for in a directory.
func candidates(dir, name string, _ []string) []string { return []string{from(dir, name)} }
