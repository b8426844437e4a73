//go:build !go1.28 && (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import "syscall"

var newSysFields []string

func hardeningOf(*syscall.SysProcAttr) hardening { return hardening{} }
