package errs

import (
	"errors"
	"io/fs"
	"os"
	"os/exec" // want `import of os/exec can be`
	"syscall"
)

func start() bool {
	c := exec.Command("ls")
	err := c.Start()
	if err.(*fs.PathError).Err == syscall.ENOENT { // want `use errors.Is$`
		return true
	}
	var pe *os.PathError
	if errors.As(err, &pe) && syscall.EACCES != pe.Err { // want `use errors.Is$`
		return true
	}
	switch pe.Err { // want `use errors.Is$`
	case syscall.ENOEXEC:
	}
	if errno, ok := pe.Err.(syscall.Errno); ok { // want `use errors.Is$`
		return errno == syscall.EPERM
	}
	switch err.(type) {
	case *os.SyscallError: // want `use errors.As$`
	case *exec.ExitError:
	}
	if _, ok := c.Wait().(*exec.ExitError); ok {
		return false
	}
	if err := c.Wait(); err != nil && err.Error() == "exec: Wait was already called" { // want `a second Wait`
		return true
	}
	_, other := os.Open("x")
	return os.IsNotExist(err) || os.IsNotExist(other) || errors.Is(err, fs.ErrNotExist) // want `os.IsNotExist does not unwrap`
}

func missing(err error) bool {
	pe, ok := err.(*fs.PathError)
	return ok && pe.Err == syscall.ENOENT // want `use errors.Is if the error can be that of a Cmd`
}

func unrelated() bool {
	_, err := os.Open("x")
	return err.(*fs.PathError).Err == syscall.ENOENT
}
