//go:build !linux

package spawn

import "fmt"

func peakRSS(int) (int64, error) {
	return 0, fmt.Errorf("spawn: Process.PeakRSS: %w", &UnsupportedError{What: "/proc/PID/status, which Linux has"})
}
