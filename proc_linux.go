//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"bytes"
	"strconv"
	"syscall"

	"github.com/safespawn/spawn/internal/highfd"
)

// tableSize is above all open descriptors of this process: the kernel's own
// size of the table, or else the limit.
func tableSize() int {
	if n, ok := procNumber("/proc/self/status", "FDSize"); ok && n > 0 {
		return n
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err == nil && l.Max < 1<<20 {
		return int(l.Max)
	}
	return 1 << 20
}

// procNumber is the number that a file of /proc has after a name, which must not
// be in its first line.
func procNumber(path, name string) (n int, ok bool) {
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
