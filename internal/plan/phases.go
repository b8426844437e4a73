package plan

// Phase is a place in the order of the child's work.
type Phase uint8

// The phases, in order; Phases says what they are.
const (
	FileTable Phase = iota
	Signals
	Session
	Cgroup
	HostFiles
	RaiseLimits
	Affinity
	Raise
	Hide
	JoinNamespaces
	Namespaces
	Mounts
	Root
	KeepCaps
	Credentials
	Capabilities
	SecureBits
	DropCaps
	AfterCredentials
	Umask
	Files
	Terminal
	CloseRest
	Lower
	NoNewPrivs
	Landlock
	Ptrace
	Mask
	Seccomp
	Exec
	numPhases
)

// Phases is what the child does in each phase, and why there and not earlier or
// later. The list in the documentation of package spawn is this one; a test
// compares them.
var Phases = [numPhases]struct{ Does, Why string }{
	FileTable: {"A file table of its own, with only what is needed",
		"Until then, to change a descriptor would be to change the parent's"},
	Signals: {"Signal dispositions: InheritIgnored, SigDefault, SigIgnore",
		"No signal is let through before the mask is set"},
	Session: {"Setsid, or Setpgid and then Foreground",
		"Only the leader of a session gets a controlling terminal, and Tcsetpgrp is about the new group"},
	Cgroup: {"Joining a cgroup, where the child can't be made in it",
		"It limits the CPUs, is the root of a new cgroup namespace, and takes the parent's privilege"},
	HostFiles: {"OOMScoreAdj, CoredumpFilter, SELinuxContext, AppArmorProfile",
		"Their files are in /proc, which another root directory may lack, and belong to root once the ids have changed"},
	RaiseLimits: {"Limits that are raised",
		"RLIMIT_NICE and RLIMIT_RTPRIO stand in for privilege further down"},
	Affinity: {"CPUAffinity",
		"SchedDeadline takes only who may run on all CPUs"},
	Raise: {"SchedPolicy, Nice, NUMAPolicy, IOPrio, CoreSched",
		"Other namespaces and credentials take the privilege away"},
	Hide: {"The dumpable flag is cleared, and again after the steps that may set it",
		"From the next step on others may reach the child who may not reach its parent, whose memory it shares"},
	JoinNamespaces: {"JoinNamespace",
		"In a user namespace of its own, which is made next, the child has no rights to others"},
	Namespaces: {"Unshare with its IDMap; its mounts are made private",
		"What is mounted and named from here on is the child's own"},
	Mounts: {"Mounts",
		"Their sources may be out of reach from the new root"},
	Root: {"PivotRoot or Chroot; Hostname, Domainname",
		"Other credentials take the privilege away"},
	KeepCaps: {"The bounding set; what is permitted is to be kept over the change of ids",
		"That change takes away CAP_SETPCAP, and what is not to be kept"},
	Credentials: {"Groups, gid, uid",
		"The uid is the last, as it takes the privilege for all three away"},
	Capabilities: {"Ambient capabilities",
		"The change of uid clears them"},
	SecureBits: {"SecureBits",
		"They may forbid ambient capabilities, and need CAP_SETPCAP, which goes next"},
	DropCaps: {"What is left of the capability sets",
		"File actions can do no more than the program"},
	AfterCredentials: {"ParentDeathSignal, SessionKeyring",
		"The change of ids clears the signal, and says whose keyring it is"},
	Umask: {"Umask",
		"Files that the actions make get it"},
	Files: {"File actions, in the order of the calls",
		"They have the root, the credentials and the umask of the program"},
	Terminal: {"DetachTTY, then ControllingTTY or ControllingFD",
		"Descriptors are in their places, and the terminal's own is still open"},
	CloseRest: {"Closing what is not the program's; with Landlock, after that",
		"From here on no descriptor is needed but the ruleset"},
	Lower: {"Limits that are lowered, NoFile among them; TimerSlack, Personality, ChildSubreaper, MemoryDenyWriteExec, NoHugePages, MergePages",
		"RLIMIT_NOFILE would hinder the file actions, and RLIMIT_NPROC before the uid makes execve fail"},
	NoNewPrivs: {"NoNewPrivs",
		"Without privilege, Landlock and Seccomp need it"},
	Landlock: {"Landlock",
		"The last path but the program's has been opened"},
	Ptrace: {"Ptrace, StartSuspended",
		"The filter may forbid it"},
	Mask: {"The signal mask; a traced child gets it after execve, from this process",
		"SIGTTOU would stop a Tcsetpgrp from the background, and the filter may forbid this call, too"},
	Seccomp: {"Seccomp",
		"The filter may forbid all but execve"},
	Exec: {"execve",
		"Then the program runs"},
}
