package unix

const (
	O_RDONLY   = 0
	O_CLOEXEC  = 0x80000
	F_SETFD    = 2
	FD_CLOEXEC = 1
)

func FcntlInt(fd uintptr, cmd, arg int) (int, error)       { return 0, nil }
func Open(path string, mode int, perm uint32) (int, error) { return 0, nil }
func Dup(fd int) (int, error)                              { return 0, nil }
