package raw

// Sys names a system call independently of the platform, so that code which
// lowers attributes to system calls compiles everywhere.
type Sys uint8

// The system calls that a child may perform.
const (
	_ Sys = iota
	Chdir
	Chroot
	Close
	CloseRange
	Dup3
	Execve
	ExitGroup
	Fchdir
	Fcntl
	Getgid
	Getpgid
	Getuid
	Ioctl
	Openat
	Prctl
	Prlimit64
	RtSigaction
	RtSigprocmask
	Setgroups
	Setpgid
	Setpriority
	Setresgid
	Setresuid
	Setsid
	Umask
	Write
	numSys
)
