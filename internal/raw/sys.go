package raw

// Sys names a system call independently of the platform, so that code which
// lowers attributes to system calls compiles everywhere.
type Sys uint8

// The system calls that a child may perform.
const (
	_ Sys = iota
	Capget
	Capset
	Chdir
	Chroot
	Close
	CloseRange
	Dup3
	Execve
	ExitGroup
	Fchdir
	Fcntl
	Futex
	Getgid
	Getpgid
	Getpid
	Getppid
	Getuid
	Ioctl
	Keyctl
	Mount
	Openat
	Personality
	Prctl
	Prlimit64
	Ptrace
	Read
	RtSigaction
	RtSigprocmask
	Setgroups
	Setpgid
	Setpriority
	Setresgid
	Setresuid
	Setsid
	Tkill
	Umask
	Unshare
	Write
	numSys
)
