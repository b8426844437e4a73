package raw

import "golang.org/x/sys/unix"

// sysTable gives each Sys its number on this architecture, its name and the
// number of its arguments.
var sysTable = [numSys]struct {
	nr    uint32
	name  string
	nargs int
}{
	Capget:        {unix.SYS_CAPGET, "capget", 2},
	Capset:        {unix.SYS_CAPSET, "capset", 2},
	Chdir:         {unix.SYS_CHDIR, "chdir", 1},
	Chroot:        {unix.SYS_CHROOT, "chroot", 1},
	SysClone:      {unix.SYS_CLONE, "clone", 5},
	Clone3:        {unix.SYS_CLONE3, "clone3", 2},
	Close:         {unix.SYS_CLOSE, "close", 1},
	CloseRange:    {unix.SYS_CLOSE_RANGE, "close_range", 3},
	Dup3:          {unix.SYS_DUP3, "dup3", 3},
	Execve:        {unix.SYS_EXECVE, "execve", 3},
	Execveat:      {unix.SYS_EXECVEAT, "execveat", 5},
	ExitGroup:     {unix.SYS_EXIT_GROUP, "exit_group", 1},
	Fchdir:        {unix.SYS_FCHDIR, "fchdir", 1},
	Fcntl:         {unix.SYS_FCNTL, "fcntl", 3},
	Futex:         {unix.SYS_FUTEX, "futex", 6},
	Getdents64:    {unix.SYS_GETDENTS64, "getdents64", 3},
	Getpgid:       {unix.SYS_GETPGID, "getpgid", 1},
	Getpid:        {unix.SYS_GETPID, "getpid", 0},
	Getppid:       {unix.SYS_GETPPID, "getppid", 0},
	Getresgid:     {sysGetresgid, "getresgid", 3},
	Getresuid:     {sysGetresuid, "getresuid", 3},
	Ioctl:         {unix.SYS_IOCTL, "ioctl", 3},
	Landlock:      {unix.SYS_LANDLOCK_RESTRICT_SELF, "landlock_restrict_self", 2},
	Keyctl:        {unix.SYS_KEYCTL, "keyctl", 5},
	Lseek:         {unix.SYS_LSEEK, "lseek", 3},
	Mkdirat:       {unix.SYS_MKDIRAT, "mkdirat", 3},
	Mknodat:       {unix.SYS_MKNODAT, "mknodat", 4},
	Mount:         {unix.SYS_MOUNT, "mount", 5},
	Nanosleep:     {unix.SYS_NANOSLEEP, "nanosleep", 2},
	MountSetattr:  {unix.SYS_MOUNT_SETATTR, "mount_setattr", 5},
	MoveMount:     {unix.SYS_MOVE_MOUNT, "move_mount", 5},
	OpenTree:      {unix.SYS_OPEN_TREE, "open_tree", 3},
	Openat:        {unix.SYS_OPENAT, "openat", 4},
	Readlinkat:    {unix.SYS_READLINKAT, "readlinkat", 4},
	Openat2:       {unix.SYS_OPENAT2, "openat2", 4},
	Symlinkat:     {unix.SYS_SYMLINKAT, "symlinkat", 3},
	PidfdOpen:     {unix.SYS_PIDFD_OPEN, "pidfd_open", 2},
	PivotRoot:     {unix.SYS_PIVOT_ROOT, "pivot_root", 2},
	Personality:   {unix.SYS_PERSONALITY, "personality", 1},
	Prctl:         {unix.SYS_PRCTL, "prctl", 5},
	Prlimit64:     {unix.SYS_PRLIMIT64, "prlimit64", 4},
	Ptrace:        {unix.SYS_PTRACE, "ptrace", 4},
	Read:          {unix.SYS_READ, "read", 3},
	RtSigaction:   {unix.SYS_RT_SIGACTION, "rt_sigaction", 4},
	RtSigprocmask: {unix.SYS_RT_SIGPROCMASK, "rt_sigprocmask", 4},
	Seccomp:       {unix.SYS_SECCOMP, "seccomp", 3},
	Setgroups:     {sysSetgroups, "setgroups", 2},
	Setdomainname: {unix.SYS_SETDOMAINNAME, "setdomainname", 2},
	Sethostname:   {unix.SYS_SETHOSTNAME, "sethostname", 2},
	Setns:         {unix.SYS_SETNS, "setns", 2},
	Setpgid:       {unix.SYS_SETPGID, "setpgid", 2},
	Setpriority:   {unix.SYS_SETPRIORITY, "setpriority", 3},
	Setresgid:     {sysSetresgid, "setresgid", 3},
	Setresuid:     {sysSetresuid, "setresuid", 3},
	Setsid:        {unix.SYS_SETSID, "setsid", 0},
	Tkill:         {unix.SYS_TKILL, "tkill", 2},
	Umask:         {unix.SYS_UMASK, "umask", 1},
	Umount2:       {unix.SYS_UMOUNT2, "umount2", 2},
	Unshare:       {unix.SYS_UNSHARE, "unshare", 1},
	Socket:        {unix.SYS_SOCKET, "socket", 3},
	SysWait4:      {unix.SYS_WAIT4, "wait4", 4},
	SysWaitid:     {unix.SYS_WAITID, "waitid", 5},
	Write:         {unix.SYS_WRITE, "write", 3},

	IoprioSet:         {unix.SYS_IOPRIO_SET, "ioprio_set", 3},
	PidfdGetfd:        {unix.SYS_PIDFD_GETFD, "pidfd_getfd", 3},
	PidfdSendSignal:   {unix.SYS_PIDFD_SEND_SIGNAL, "pidfd_send_signal", 4},
	LandlockRule:      {unix.SYS_LANDLOCK_ADD_RULE, "landlock_add_rule", 4},
	LandlockRuleset:   {unix.SYS_LANDLOCK_CREATE_RULESET, "landlock_create_ruleset", 3},
	ClockGettime:      {unix.SYS_CLOCK_GETTIME, "clock_gettime", 2},
	SchedSetaffinity:  {unix.SYS_SCHED_SETAFFINITY, "sched_setaffinity", 3},
	SchedSetattr:      {unix.SYS_SCHED_SETATTR, "sched_setattr", 3},
	SchedSetscheduler: {unix.SYS_SCHED_SETSCHEDULER, "sched_setscheduler", 3},
	SchedYield:        {unix.SYS_SCHED_YIELD, "sched_yield", 0},
	SetMempolicy:      {unix.SYS_SET_MEMPOLICY, "set_mempolicy", 3},
}

// Number is the call's number on this architecture.
func (s Sys) Number() int { return int(sysTable[s].nr) }

// Name is the call's name as in its man page.
func (s Sys) Name() string { return sysTable[s].name }

// Args is how many arguments the call takes.
func (s Sys) Args() int { return sysTable[s].nargs }
