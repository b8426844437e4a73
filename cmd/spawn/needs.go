package main

// need is what an attribute, or a use of it, needs.
type need struct {
	For       string `json:"for,omitempty"`
	Linux     string `json:"linux,omitempty"` // the first version, or an option of the kernel
	Privilege string `json:"privilege,omitempty"`
}

// needs is what attributes need, as docs/attributes.md has it. An attribute that is not
// there needs nothing.
var needs = map[string][]need{
	"AmbientCaps":         {{"", "4.3", "the capabilities"}},
	"AppArmorProfile":     {{"", "AppArmor", "the own profile must allow it"}},
	"Capabilities":        {{"", "4.3, ambient", "bounding: CAP_SETPCAP"}},
	"Cgroup":              {{"", "5.7, else a write to cgroup.procs", "write to cgroup.procs"}},
	"ChildSubreaper":      {{"", "3.4", ""}},
	"Chroot":              {{"", "", "CAP_SYS_CHROOT"}},
	"ControllingTTY":      {{"", "", "CAP_SYS_ADMIN, to steal one"}},
	"CoreSched":           {{"", "5.14, CONFIG_SCHED_CORE", ""}},
	"Credential":          {{"", "", "CAP_SETUID, CAP_SETGID"}},
	"DieWithParent":       {{"", "3.19", "CAP_SYS_ADMIN or a delegated control group (5.14), for the descendants"}},
	"Digest":              {{"", "3.19", ""}},
	"Domainname":          {{"", "", "CAP_SYS_ADMIN"}},
	"Hostname":            {{"", "", "CAP_SYS_ADMIN"}},
	"IDMap":               {{"", "3.8", "other ids: CAP_SETUID, CAP_SETGID, or --map-helpers"}},
	"IDs":                 {{"", "", "other ids: CAP_SETUID, CAP_SETGID"}},
	"IOPrio":              {{"", "", "real time: CAP_SYS_ADMIN, from 5.14 on CAP_SYS_NICE"}},
	"JoinNamespace":       {{"", "pidfd: 5.8", "CAP_SYS_ADMIN"}},
	"Landlock":            {{"", "5.13; rules: 6.10, of signals and abstract sockets 6.12, the log 6.15, pathname sockets 7.1, UDP and quiet 7.2", "CAP_SYS_ADMIN, or --no-new-privs"}},
	"Loopback":            {{"", "CONFIG_INET", "CAP_NET_ADMIN, or a user namespace with it"}},
	"MemoryDenyWriteExec": {{"", "6.3", ""}},
	"MergePages":          {{"", "6.7, CONFIG_KSM", ""}},
	"Mounts":              {{"", "", "CAP_SYS_ADMIN"}},
	"NUMAPolicy":          {{"", "CONFIG_NUMA", ""}},
	"Namespaces":          {{"", "user: 3.8, cgroup: 4.6, time: 6.2", "CAP_SYS_ADMIN, or a user namespace with it"}},
	"NewRoot":             {{"", "Bind: 5.12", "CAP_SYS_ADMIN, CAP_SYS_CHROOT"}},
	"Nice":                {{"", "", "to lower it: CAP_SYS_NICE or RLIMIT_NICE"}},
	"NoFile":              {{"", "", "to raise a hard limit: CAP_SYS_RESOURCE"}},
	"NoFilePolicy":        {{"", "", "to raise a hard limit: CAP_SYS_RESOURCE"}},
	"NoHugePages":         {{"", "3.15", ""}},
	"NoNewPrivs":          {{"", "3.5", ""}},
	"OOMScoreAdj":         {{"", "", "to lower it: CAP_SYS_RESOURCE"}},
	"PivotRoot":           {{"", "", "CAP_SYS_ADMIN"}},
	"Ptrace":              {{"", "3.11", "to be allowed to trace"}},
	"Rlimit":              {{"", "", "to raise a hard limit: CAP_SYS_RESOURCE"}},
	"SELinuxContext":      {{"", "SELinux", "setexec and transition, by its policy"}},
	"SchedPolicy":         {{"", "", "FIFO and RR: CAP_SYS_NICE or RLIMIT_RTPRIO"}, {"deadline", "3.14", "CAP_SYS_NICE, and all CPUs allowed"}, {"utilisation", "5.3, CONFIG_UCLAMP_TASK", ""}},
	"Seccomp":             {{"", "3.17; listener: 5.6", "CAP_SYS_ADMIN, or --no-new-privs; listener: to trace the child"}},
	"SecureBits":          {{"", "", "CAP_SETPCAP"}},
	"SessionKeyring":      {{"", "CONFIG_KEYS", ""}},
	"StartSuspended":      {{"", "3.11", "to be allowed to trace"}},
	"TimeOffsets":         {{"", "6.2", "CAP_SYS_TIME"}},
	"Unshare":             {{"", "user: 3.8, cgroup: 4.6, time: 6.2", "CAP_SYS_ADMIN, or a user namespace with it"}},
	"Tree.Attr":           {{"", "", "write access to the own control group, or CAP_SYS_ADMIN for a pid namespace"}},
}
