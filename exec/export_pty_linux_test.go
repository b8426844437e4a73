//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// OpenByName makes a terminal and opens its other end by its name, and then a file that
// is another one. It returns the name.
func OpenByName() (name string, err error) {
	master, tty, err := openPTY(&PTY{})
	if err != nil {
		return "", err
	}
	defer master.Close()
	defer tty.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return "", err
	}
	fd, err := highfd.OpenTerminal(tty.Name(), n, unix.O_RDWR|unix.O_NOCTTY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if !highfd.Same(fd, int(tty.Fd())) {
		return "", errors.New("another file")
	}
	if _, err := highfd.OpenTerminal(os.DevNull, n, unix.O_RDWR); err != unix.ENOTTY {
		return "", fmt.Errorf("the null device: %w", err)
	}
	return tty.Name(), nil
}
