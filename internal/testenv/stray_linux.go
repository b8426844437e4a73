package testenv

import (
	"testing"

	"golang.org/x/sys/unix"
)

// StrayClose closes a descriptor of somebody else, by mistake, and sees to it that the
// next that is opened has its number.
func StrayClose(t testing.TB, fd int) {
	t.Helper()
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	for n := -1; n != fd; {
		var err error
		if n, err = unix.Dup(1); err != nil {
			t.Fatal(err)
		}
		if n != fd {
			t.Cleanup(func() { unix.Close(n) })
		}
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
}
