//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !(386 || arm) && !android && !spawn_forkexec

package faults_test

import "golang.org/x/sys/unix"

const sysFstatat = unix.SYS_NEWFSTATAT
