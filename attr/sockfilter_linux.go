package attr

import "golang.org/x/sys/unix"

// SockFilter is one instruction of classic BPF.
type SockFilter = unix.SockFilter
