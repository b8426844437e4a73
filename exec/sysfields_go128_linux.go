//go:build go1.28 && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import "syscall"

// newSysFields are the fields that hardening has.
var newSysFields = []string{"NoNewPrivs", "UseLandlock", "LandlockFD", "LandlockFlags"}

func hardeningOf(sys *syscall.SysProcAttr) hardening {
	return hardening{
		NoNewPrivs: sys.NoNewPrivs, UseLandlock: sys.UseLandlock, LandlockFD: sys.LandlockFD, LandlockFlags: sys.LandlockFlags,
	}
}
