//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec

import "os"

// nullSource is the null device as a standard input.
func (s *streams) nullSource() (*os.File, error) { return s.null(os.O_RDONLY) }

// nullSink is the null device as a standard output.
func (s *streams) nullSink() (*os.File, error) { return s.null(os.O_WRONLY) }

func (s *streams) null(flag int) (*os.File, error) {
	f, err := os.OpenFile(os.DevNull, flag, 0)
	if err == nil {
		s.child = append(s.child, f)
	}
	return f, err
}
