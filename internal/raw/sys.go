package raw

// Sys names a system call independently of the platform, so that code which
// lowers attributes to system calls compiles everywhere.
type Sys uint8

// The system calls that a child may perform, those of probes included.
const (
	_ Sys = iota
	Capget
	Capset
	Chdir
	Chroot
	ClockGettime
	SysClone
	Clone3
	Close
	CloseRange
	Dup3
	Execve
	Execveat
	ExitGroup
	Fchdir
	Fcntl
	Futex
	Getdents64
	Getpgid
	Getpid
	Getppid
	Getresgid
	Getresuid
	Ioctl
	IoprioSet
	Landlock     // landlock_restrict_self
	LandlockRule // landlock_add_rule
	LandlockRuleset
	Keyctl
	Lseek
	Mkdirat
	Mknodat
	Mount
	MountSetattr
	MoveMount
	Nanosleep
	Openat
	Openat2
	OpenTree
	PidfdGetfd
	PidfdSendSignal
	PivotRoot
	Personality
	PidfdOpen
	Prctl
	Prlimit64
	Ptrace
	Read
	Readlinkat
	RtSigaction
	RtSigprocmask
	SchedSetaffinity
	SchedSetattr
	SchedSetscheduler
	SchedYield
	SetMempolicy
	Seccomp
	Setgroups
	Setdomainname
	Sethostname
	Socket
	Setns
	Setpgid
	Setpriority
	Setresgid
	Setresuid
	Setsid
	Tkill
	Umask
	Umount2
	Unshare
	Symlinkat
	SysWait4
	SysWaitid
	Write
	numSys
)
