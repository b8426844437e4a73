package attr

import "syscall"

// IDMapEntry maps Size ids: those from ContainerID on, inside the namespace, to
// those from HostID on, outside.
type IDMapEntry = syscall.SysProcIDMap
