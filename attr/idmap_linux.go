package attr

import "syscall"

// IDMapEntry is a range of ids.
type IDMapEntry = syscall.SysProcIDMap
