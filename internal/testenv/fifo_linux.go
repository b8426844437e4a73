package testenv

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// LineFrom is the line that somebody writes to a FIFO, without its end. Reading it like a
// file would last for ever where nobody comes.
func LineFrom(t testing.TB, fifo string) string {
	t.Helper()
	f, err := os.OpenFile(fifo, os.O_RDWR, 0) // at once, and there is no end before a line
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SetReadDeadline(time.Now().Add(Patience)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		t.Fatalf("nobody writes a line to %s: %v", fifo, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// OpenWriter opens a FIFO for writing once somebody reads it or is about to. The usual open
// would last for ever where nobody comes.
func OpenWriter(fifo string) (f *os.File, err error) {
	if !Soon(func() bool {
		f, err = os.OpenFile(fifo, os.O_WRONLY|unix.O_NONBLOCK, 0)
		return !errors.Is(err, unix.ENXIO)
	}) {
		return nil, fmt.Errorf("nobody reads: %w", err)
	}
	return f, err
}
