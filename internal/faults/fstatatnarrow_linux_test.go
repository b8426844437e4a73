//go:build (386 || arm) && !android && !spawn_forkexec

package faults_test

import "golang.org/x/sys/unix"

const sysFstatat = unix.SYS_FSTATAT64
