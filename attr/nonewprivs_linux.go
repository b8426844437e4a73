package attr

import "golang.org/x/sys/unix"

// hasNoNewPrivs reports whether the calling thread has no_new_privs.
func hasNoNewPrivs() bool {
	n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return err == nil && n == 1
}
