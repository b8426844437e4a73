package attrs

import (
	"os/exec" // want `import of os/exec can be`
	"syscall"
)

func chroot() {
	c := exec.Command("ls")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Chroot: "/"} // want `Chroot of SysProcAttr is not known`
}
