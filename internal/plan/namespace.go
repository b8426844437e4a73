package plan

// CLONE_* flags of linux/sched.h.
const (
	CloneNewTime   = 0x80
	CloneNewNS     = 0x20000
	CloneNewCgroup = 0x2000000
	CloneNewUTS    = 0x4000000
	CloneNewIPC    = 0x8000000
	CloneNewUser   = 0x10000000
	CloneNewPID    = 0x20000000
	CloneNewNet    = 0x40000000
)

// NamespaceKinds are the kinds of namespaces, in the order of their flags: the name of
// each in /proc/PID/ns, and what a kernel needs to have it, since which version.
var NamespaceKinds = [...]struct {
	Flag         uint64
	Name         string
	Needs, Since string
}{
	{CloneNewTime, "time", "CONFIG_TIME_NS", "5.6"},
	{CloneNewNS, "mnt", "mount namespaces", ""},
	{CloneNewCgroup, "cgroup", "CONFIG_CGROUPS", "4.6"},
	{CloneNewUTS, "uts", "CONFIG_UTS_NS", ""},
	{CloneNewIPC, "ipc", "CONFIG_IPC_NS", ""},
	{CloneNewUser, "user", "CONFIG_USER_NS", "3.8"},
	{CloneNewPID, "pid", "CONFIG_PID_NS", ""},
	{CloneNewNet, "net", "CONFIG_NET_NS", ""},
}

// LastSignal is the last of Linux's signals.
const LastSignal = 64
