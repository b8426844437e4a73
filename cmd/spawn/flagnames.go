package main

import (
	"cmp"
	"regexp"
	"strings"
)

// flagOf is the flag of each attribute, for messages of the library.
var flagOf = map[string]string{
	"AmbientCaps": "--cap-ambient", "AppArmorProfile": "--apparmor-profile", "CPUAffinity": "--cpus",
	"Capabilities": "--caps or --cap-*", "Cgroup": "--cgroup", "ChildSubreaper": "--subreaper", "Chroot": "--chroot",
	"ControllingFD": "--ctty", "CoreSched": "--core-sched", "CoredumpFilter": "--coredump-filter", "Credential": "--user",
	"DetachTTY": "--detach-tty", "Domainname": "--domainname", "Foreground": "--foreground", "Hostname": "--hostname",
	"IDMap": "--uid-map and --gid-map", "InheritIgnored": "--sig-default", "IDs": "--groups, --ruid and the like", "IOPrio": "--ioprio",
	"JoinNamespace": "--join", "Landlock": "--landlock", "MemoryDenyWriteExec": "--deny-write-exec",
	"MergePages": "--merge-pages", "Mounts": "--mount", "NUMAPolicy": "--numa", "NewLandlock": "--landlock",
	"Namespaces": "--new", "Nice": "--nice", "NoFile": "--rlimit", "NoFilePolicy": "--rlimit",
	"NoHugePages": "--no-huge-pages", "NoNewPrivs": "--no-new-privs", "OOMScoreAdj": "--oom-score-adj",
	"ParentDeathSignal": "--parent-death", "Personality": "--personality", "PivotRoot": "--pivot-root",
	"ResetIDs": "--reset-ids", "Rlimit": "--rlimit", "RlimitToHard": "--rlimit", "LookupCredential": "--user", "LookupEnv": "--user-env",
	"SELinuxContext": "--selinux-context", "SchedPolicy": "--sched", "Seccomp": "--seccomp", "SecureBits": "--securebits",
	"SessionKeyring": "--keyring", "Setpgid": "--setpgid", "Setsid": "--setsid", "SigDefault": "--sig-default",
	"SigIgnore": "--sig-ignore", "SigMask": "--sig-block", "StartSuspended": "--stopped", "TimerSlack": "--timer-slack",
	"Umask": "--umask", "Unshare": "--unshare",
}

var (
	attributeName = regexp.MustCompile(`\battr\.\w+`)
	cloneFlag     = regexp.MustCompile(`\bCLONE_NEW[A-Z]+`)
)

// inFlags puts flags for attributes into a message, and names for namespaces.
func inFlags(s string) string {
	s = attributeName.ReplaceAllStringFunc(s, func(name string) string {
		return cmp.Or(flagOf[strings.TrimPrefix(name, "attr.")], name)
	})
	return cloneFlag.ReplaceAllStringFunc(s, func(name string) string {
		if name == "CLONE_NEWNS" {
			return "mount"
		}
		return strings.ToLower(strings.TrimPrefix(name, "CLONE_NEW"))
	})
}
