package main

import (
	"cmp"
	"errors"
	"strings"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// flagOf is the flag of each attribute, for messages of the library.
var flagOf = map[string]string{
	"AmbientCaps": "--cap-ambient", "AppArmorProfile": "--apparmor-profile", "CPUAffinity": "--cpus",
	"Capabilities": "--caps or --cap-*", "Cgroup": "--cgroup", "ChildSubreaper": "--subreaper", "Chroot": "--chroot",
	"ControllingTTY": "--ctty", "CoreSched": "--core-sched", "CoredumpFilter": "--coredump-filter", "Credential": "--user",
	"DetachTTY": "--detach-tty", "Digest": "--sha256", "DieWithParent": "--die-with-parent", "Domainname": "--domainname", "Foreground": "--foreground", "Hostname": "--hostname",
	"IDMap": "--uid-map and --gid-map", "InheritIgnored": "--sig-default", "IDs": "--groups, --ruid and the like", "IOPrio": "--ioprio",
	"JoinNamespace": "--join", "Landlock": "--landlock", "MemoryDenyWriteExec": "--deny-write-exec",
	"MergePages": "--merge-pages", "Mounts": "--mount", "NUMAPolicy": "--numa",
	"Namespaces": "--new", "Nice": "--nice", "NoFile": "--rlimit", "NoFilePolicy": "--rlimit",
	"NoHugePages": "--no-huge-pages", "NoNewPrivs": "--no-new-privs", "OOMScoreAdj": "--oom-score-adj",
	"ParentDeathSignal": "--parent-death", "Personality": "--personality", "PivotRoot": "--pivot-root",
	"ResetIDs": "--reset-ids", "Rlimit": "--rlimit", "RlimitToHard": "--rlimit",
	"SELinuxContext": "--selinux-context", "SchedPolicy": "--sched", "Seccomp": "--seccomp", "SecureBits": "--securebits",
	"SessionKeyring": "--keyring", "Setpgid": "--setpgid", "Setsid": "--setsid", "SigDefault": "--sig-default",
	"SigIgnore": "--sig-ignore", "SigMask": "--sig-block", "StartSuspended": "--stopped", "TimerSlack": "--timer-slack",
	"Tree.Attr": "--tree", "Umask": "--umask", "Unshare": "--unshare",
}

// flagFor is the flag of an attribute, or where it has none its name.
func flagFor(name string) string { return cmp.Or(flagOf[name], "attr."+name) }

// inFlags is an error, with flags for attributes.
func inFlags(err error) string {
	var conflict *attr.ConflictError
	var need *attr.NeedError
	var lack *spawn.UnsupportedError
	switch {
	case errors.As(err, &conflict) && conflict.A == conflict.B:
		return flagFor(conflict.A) + " twice: " + conflict.Why
	case errors.As(err, &conflict):
		return flagFor(conflict.A) + " contradicts " + flagFor(conflict.B) + ": " + conflict.Why
	case errors.As(err, &need):
		return flagFor(need.Attr) + " needs " + needed(need)
	case errors.As(err, &lack):
		if what, ok := strings.CutPrefix(lack.What, "attr."); ok {
			name, how, _ := strings.Cut(what, " ")
			return strings.TrimRight(flagFor(name)+" "+how, " ") + " needs " + lack.Since
		}
	}
	return err.Error()
}

// needed is what an attribute needs, as a flag of namespaces where it is about one.
func needed(need *attr.NeedError) string {
	flags := make([]string, len(need.Of))
	for i, of := range need.Of {
		flags[i] = flagFor(of)
	}
	text := strings.Join(flags, " or ")
	switch need.Namespace {
	case "":
		return text
	case "mnt":
		return text + " with mount"
	}
	return text + " with " + need.Namespace
}
