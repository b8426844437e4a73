package raw

import "golang.org/x/sys/unix"

//lint:ignore U1000 the assembly uses it
const sysPoll = unix.SYS_PPOLL
