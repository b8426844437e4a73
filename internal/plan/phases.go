package plan

// Phase is a place in the order of the child's work.
type Phase uint8

// The phases, in order; Phases says what they are.
const (
	Relay Phase = iota
	FileTable
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
	Relay: {"DieWithParent, a tree in a pid namespace, or OOMScoreAdj with InheritAll or with IDMap for Namespaces: a first child makes the child, and sleeps until execve",
		"setns puts only the children of its caller into a pid namespace. A score is a child's own only while the maker of the child sleeps, and the parent must not sleep"},
	FileTable: {"A file table of its own, with only the needed descriptors",
		"Before that, a change to a descriptor would change the parent's, too"},
	Signals: {"Signal dispositions: InheritIgnored, SigDefault, SigIgnore",
		"No signal is delivered before the mask is set"},
	Session: {"Setsid, or Setpgid and then Foreground",
		"Only the leader of a session gets a controlling terminal, and Tcsetpgrp is about the new group"},
	Cgroup: {"Joining a cgroup, if the child can't be made in it",
		"The cgroup limits the CPUs and is the root of a new cgroup namespace, and joining it needs the parent's privilege"},
	HostFiles: {"Spec.PIDVariable, OOMScoreAdj, CoredumpFilter, SELinuxContext, AppArmorProfile",
		"Their files are in /proc. Another root directory may lack /proc, and once the ids have changed the files belong to root"},
	RaiseLimits: {"Limits that are raised",
		"In later steps RLIMIT_NICE and RLIMIT_RTPRIO can take the place of privilege"},
	Affinity: {"CPUAffinity",
		"The kernel allows SchedDeadline only to a process that may run on all CPUs"},
	Raise: {"SchedPolicy, Nice, NUMAPolicy, IOPrio, CoreSched",
		"Other namespaces and credentials take the privilege away"},
	Hide: {"Clearing the dumpable flag, and again after each step that may set it",
		"From the next step on, processes that can't reach the parent could reach the child, which shares the parent's memory"},
	JoinNamespaces: {"JoinNamespace",
		"In a user namespace of its own, which is made next, the child has no rights over other namespaces"},
	Namespaces: {"Unshare with its IDMap, TimeOffsets; all mounts become private",
		"Mounts and names that are made from here on are the child's own"},
	Mounts: {"Mounts",
		"The new root might not contain their sources"},
	Root: {"PivotRoot, Chroot or NewRoot; Hostname, Domainname, Loopback",
		"Other credentials take the privilege away"},
	KeepCaps: {"The bounding set; the permitted capabilities are marked to survive the change of ids",
		"The change of ids takes away CAP_SETPCAP, and all capabilities without the mark"},
	Credentials: {"Groups, gid, uid",
		"The uid comes last, because its change takes away the privilege for all three"},
	Capabilities: {"Ambient capabilities",
		"The change of the uid clears them"},
	SecureBits: {"SecureBits",
		"They may forbid ambient capabilities, and they need CAP_SETPCAP, which the next step may drop"},
	DropCaps: {"The other capability sets",
		"File actions can do no more than the program"},
	AfterCredentials: {"ParentDeathSignal, SessionKeyring",
		"The change of ids clears the signal, and decides whose keyring it is"},
	Umask: {"Umask",
		"It applies to the files that the file actions make"},
	Files: {"File actions, in the order of the calls",
		"They have the root, the credentials and the umask of the program"},
	Terminal: {"Spec.File, at an unused number; DetachTTY, then ControllingTTY",
		"The descriptors are in their places, and that of the terminal is still open"},
	CloseRest: {"Closing the descriptors that the program does not get; with Landlock this comes after the Landlock step. With InChild, making its ruleset",
		"From here on the child needs no descriptor but the ruleset's"},
	Lower: {"Limits that are lowered, including NoFile; TimerSlack, Personality, ChildSubreaper, MemoryDenyWriteExec, NoHugePages, MergePages",
		"A lower RLIMIT_NOFILE would hinder the file actions, and a lower RLIMIT_NPROC before the change of the uid makes execve fail"},
	NoNewPrivs: {"NoNewPrivs",
		"Without privilege, Landlock and Seccomp need it"},
	Landlock: {"Landlock",
		"Only the program's path is still to be opened"},
	Ptrace: {"Ptrace, StartSuspended",
		"The filter of Seccomp may forbid it"},
	Mask: {"The signal mask; a traced child gets it after execve, from this process",
		"With SIGTTOU unblocked a Tcsetpgrp from the background would stop the child, and the filter may forbid this call, too"},
	Seccomp: {"Seccomp; with a Listener the child waits until this process has taken it",
		"The filter may forbid every call but execve"},
	Exec: {"execve, of the file that was verified with Digest",
		"Then the program runs"},
}
