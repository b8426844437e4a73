package main

import (
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/safespawn/spawn/internal/names"
)

// pathFlags are the flags whose values are paths, and of which files.
var pathFlags = map[string]func(path string) bool{
	"stdin": anyFile, "stdout": anyFile, "pidfile": anyFile, "seccomp": anyFile,
	"allow-read": anyFile, "allow-write": anyFile, "allow-exec": anyFile, "allow-unix": anyFile, "landlock-quiet": anyFile,
	"chdir": isDir, "cgroup": isDir, "chroot": isDir, "pivot-root": isDir, "bind": anyFile, "ro-bind": anyFile, "dev-bind": anyFile,
}

// bindFlags are those whose paths end at a colon.
var bindFlags = map[string]bool{"bind": true, "ro-bind": true, "dev-bind": true}

// filesToBind are files as FILE of FILE[:PATH]. What PATH can be is not known.
func filesToBind(text string, tilde bool, want func(path string) bool) []completion {
	name, _, two := cutName(text)
	if two {
		return nil
	}
	list := files(name, tilde, want)
	for i := range list {
		list[i].word = strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(list[i].word)
	}
	return list
}

// valueFlags are the flags whose values are known, and what can begin with a text.
var valueFlags = map[string]func(text string) []completion{
	"stderr":          func(text string) []completion { return append(files(text, false, anyFile), words("stdout")...) },
	"fd":              completeFD,
	"env":             func(string) []completion { return keys(environmentNames()) },
	"unset-env":       one(environmentNames),
	"umask":           one(func() []string { return []string{"022", "027", "077"} }),
	"sig-default":     several(signalSet),
	"sig-ignore":      several(signalSet),
	"sig-block":       several(signalSet),
	"parent-death":    one(signals),
	"stop-signal":     one(signals),
	"sched":           func(string) []completion { return policyNames() },
	"cpus":            several(cpuNames),
	"ioprio":          one(func() []string { return ioClasses }),
	"numa":            one(func() []string { return namesOf(numaModes) }),
	"rlimit":          completeLimit,
	"user":            completeUser,
	"groups":          several(groupNames),
	"caps":            several(capabilityNames),
	"cap-effective":   several(capabilityNames),
	"cap-permitted":   several(capabilityNames),
	"cap-inheritable": several(capabilityNames),
	"cap-ambient":     several(capabilityNames),
	"cap-bounding":    several(capabilityNames),
	"securebits":      several(secureBits),
	"coredump-filter": several(func() []string { return append(namesOf(mappings), "none") }),
	"new":             several(func() []string { return namesOf(namespaces) }),
	"unshare":         several(func() []string { return namesOf(slices.Concat(namespaces, unshareable)) }),
	"join":            completeJoin,
	"persist":         completePersist,
	"setgroups":       one(func() []string { return []string{"allow", "deny"} }),
	"mount":           completeMount,
	"optional":        several(func() []string { return mayLack }),
	"stats":           one(formats),
	"explain":         one(formats),
	"completion":      one(func() []string { return []string{"bash", "zsh", "fish"} }),
}

func formats() []string { return []string{string(asText), string(asJSON)} }

func words(list ...string) []completion {
	all := make([]completion, len(list))
	for i, word := range list {
		all[i].word = word
	}
	return all
}

// keys are words after which a value follows.
func keys(list []string) []completion {
	all := make([]completion, len(list))
	for i, word := range list {
		all[i] = completion{word: word + "=", open: true}
	}
	return all
}

// one completes a word of a list.
func one(list func() []string) func(string) []completion {
	return func(string) []completion { return words(list()...) }
}

// several completes the last element of a list with commas, with words that are not
// in it yet.
func several(list func() []string) func(string) []completion {
	return func(text string) []completion {
		before := text[:strings.LastIndexByte(text, ',')+1]
		given := strings.Split(before, ",")
		all := slices.DeleteFunc(words(list()...), func(c completion) bool { return slices.Contains(given, c.word) })
		return after(before, all)
	}
}

// after puts a text before all words.
func after(text string, list []completion) []completion {
	for i := range list {
		list[i].word = text + list[i].word
	}
	return list
}

func namesOf(table []named) []string {
	list := make([]string, len(table))
	for i, n := range table {
		list[i] = n.name
	}
	return list
}

// signals are the names of all signals.
func signals() []string {
	var list []string
	for n := 1; n < 65; n++ {
		name := names.Signal(syscall.Signal(n))
		if names.SignalNumber(name) != 0 {
			list = append(list, strings.TrimPrefix(name, "SIG"))
		}
	}
	return list
}

func signalSet() []string { return append(signals(), "all", "none") }

func policyNames() (list []completion) {
	for _, name := range namesOf(policies) {
		switch name {
		case "fifo", "rr", "deadline":
			list = append(list, completion{word: name + ":", open: true})
		default:
			list = append(list, completion{word: name})
		}
	}
	return list
}

func capabilityNames() []string {
	list := make([]string, 0, len(names.Capabilities)+2)
	for _, name := range names.Capabilities {
		list = append(list, strings.ToLower(name))
	}
	return append(list, "all", "none")
}

// secureBits are all but keep_caps, which execve clears.
func secureBits() []string {
	return slices.DeleteFunc(names.OfSecureBits(math.MaxUint), func(name string) bool { return name == "keep_caps" })
}

// cpuNames are the processors of this machine, as the range and one by one.
func cpuNames() []string {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil
	}
	list := []string{strings.TrimSpace(string(text))}
	entries, _ := os.ReadDir("/sys/devices/system/cpu")
	for _, e := range entries {
		name, isCPU := strings.CutPrefix(e.Name(), "cpu")
		if _, err := strconv.Atoi(name); isCPU && err == nil {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// environmentNames are those of the variables of this process.
func environmentNames() []string {
	var list []string
	for _, v := range os.Environ() {
		if name, _, ok := strings.Cut(v, "="); ok && name != "" {
			list = append(list, name)
		}
	}
	return list
}

// accounts are the names in a file as passwd(5).
func accounts(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(line, ":")
		if ok && name != "" && !strings.ContainsAny(name, "+#, ") {
			list = append(list, name)
		}
	}
	return list
}

func groupNames() []string { return accounts("/etc/group") }

func completeUser(text string) []completion {
	if user, _, with := strings.Cut(text, ":"); with {
		return after(user+":", words(groupNames()...))
	}
	return words(accounts("/etc/passwd")...)
}

func completeLimit(text string) []completion {
	if name, _, with := strings.Cut(text, "="); with {
		values := []string{"hard", "unlimited"}
		if name == "nofile" {
			values = append(values, "original", "current")
		}
		return after(name+"=", words(values...))
	}
	var list []string
	for _, r := range names.Resources {
		list = append(list, strings.ToLower(r.Name))
	}
	return keys(list)
}

// completeFD completes the file of N=FILE:MODE, and the mode after a colon.
func completeFD(text string) []completion {
	number, rest, with := strings.Cut(text, "=")
	if !with {
		return nil
	}
	if colon := strings.LastIndexByte(rest, ':'); colon > 0 {
		return after(number+"="+rest[:colon+1], words("r", "w", "rw", "a"))
	}
	list := files(rest, false, anyFile)
	for i := range list {
		list[i].open = true
	}
	return after(number+"=", list)
}

func completeJoin(text string) []completion {
	pid, list, ofProcess := strings.Cut(text, ":")
	if !ofProcess || strings.Contains(pid, "=") {
		return completePersist(text)
	}
	return after(pid+":", several(func() []string { return append(namesOf(namespaces), "all") })(list))
}

func completePersist(text string) []completion {
	if kind, file, with := strings.Cut(text, "="); with {
		return after(kind+"=", files(file, false, anyFile))
	}
	return keys(namesOf(namespaces))
}

func completeMount(text string) []completion {
	at := strings.LastIndexByte(text, ',') + 1
	before, last := text[:at], text[at:]
	key, value, with := strings.Cut(last, "=")
	switch {
	case with && (key == "source" || key == "target"):
		list := slices.DeleteFunc(files(value, false, anyFile), func(c completion) bool { return strings.Contains(c.word, ",") })
		return after(before+key+"=", list)
	case with && key == "type":
		return after(before+key+"=", words("proc", "tmpfs", "sysfs", "devpts", "overlay"))
	case with:
		return nil
	}
	options := slices.Concat(namesOf(mountOptions), namesOf(mountClears), namesOf(propagations))
	return after(before, append(keys([]string{"type", "source", "target"}), words(options...)...))
}
