package spawn

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/safespawn/spawn/internal/highfd"
)

// peakRSS is the most that the process with a pid has had. One that has ended has no
// memory any more.
func peakRSS(pid int) (int64, error) {
	if own, err := os.Readlink("/proc/self"); err != nil || own != strconv.Itoa(os.Getpid()) {
		return 0, fmt.Errorf("spawn: Process.PeakRSS: %w", &UnsupportedError{What: "a /proc of this process's pid namespace"})
	}
	status, err := highfd.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("spawn: Process.PeakRSS: %w", err)
	}
	_, rest, has := bytes.Cut(status, []byte("\nVmHWM:"))
	if !has {
		return 0, os.ErrProcessDone
	}
	line, _, _ := bytes.Cut(rest, []byte(" kB\n"))
	kib, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("spawn: Process.PeakRSS: %w", err)
	}
	return kib << 10, nil
}
