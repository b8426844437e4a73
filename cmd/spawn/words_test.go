//go:build unix

package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// foreign is what no user of a command knows: identifiers of Go, and numbers where there are
// names.
var foreign = regexp.MustCompile(`attr\.|spawn\.[A-Z]|Spec|Limits|lookup\.|%!|[{}]|0x|<nil>|\bexec: "`)

// worded wants a message to begin with a flag of the line, and to have words of users.
func worded(t *testing.T, line []string, message string) {
	t.Helper()
	flag, _, _ := strings.Cut(message, " ")
	if !slices.Contains(line, strings.TrimSuffix(flag, ":")) || foreign.MatchString(message) {
		t.Errorf("%q: %s", line, message)
	}
}

// hostile is a name that would clear a screen, name its window, begin a line and turn a text
// round.
const hostile = "\x1b[2J\x1b]0;x\a\r\n\x9b2J\u009b2J\u202e\x7f"

// TestHostileWords wants a terminal to get only what can be printed of a name.
func TestHostileWords(t *testing.T) {
	dir := t.TempDir()
	script := writeFile(t, filepath.Join(dir, hostile), "#!/nonexistent/"+strings.ReplaceAll(hostile, "\n", "")+"\n", 0o755)
	lines := [][]string{
		{hostile}, {"./" + hostile}, {script}, {"--" + hostile}, {"-" + hostile}, {"--verbose", "--argv0", hostile, "true", hostile},
		{"--explain", "--chdir", hostile, "--argv0", hostile, "/" + hostile, hostile}, {"--tree", "--verbose", "sh", "-c", "exit 0", hostile},
		{"--verbose", script}, {"--setsid=" + hostile, "true"},
	}
	for _, f := range (&options{}).flags() {
		if takesValue(f) && !f.Hidden {
			lines = append(lines, []string{"--" + f.Name, hostile, "true"}, []string{"--" + f.Name, script, "true"})
		}
	}
	for _, line := range lines {
		r := try(t, line...)
		for text := range strings.SplitSeq(r.out+r.errOut, "\n") {
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return c != '\t' && !unicode.IsPrint(c) }) {
				t.Errorf("%q: %q", line, text)
			}
		}
		if r.status == statusError && strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("%q: %q", line, r.errOut)
		}
	}
}

// refusedLater is the flags with values that are refused only when the start is made or
// tried, each with such a value. %s is a directory with a file in it that is called "file".
var refusedLater = map[string][]string{
	"stdin":            {"/nonexistent"},
	"stdout":           {"/", "/nonexistent/x"},
	"stderr":           {"/"},
	"fd":               {"3=/nonexistent:r", "99999999=/dev/null:r"},
	"keep-fd":          {"77"},
	"chdir":            {"/nonexistent", "%s/file"},
	"setpgid":          {"4194304"}, // the first number that is none of a process: in a container 1 may be of this session
	"cpus":             {"60000"},
	"numa":             {"bind:900"},
	"rlimit":           {"nofile=99999999999"},
	"sig-ignore":       {"KILL"},
	"sig-default":      {"STOP"},
	"user":             {"no-such-user", "0:no-such-group", "54321"},
	"groups":           {"no-such-group"},
	"seccomp":          {"/nonexistent", "/", "%s/file"},
	"allow-read":       {"/nonexistent"},
	"allow-write":      {"/nonexistent"},
	"allow-exec":       {"/nonexistent"},
	"selinux-context":  {"a"},
	"apparmor-profile": {"a"},
	"sha256":           {strings.Repeat("0a", 32), strings.Repeat("0", 64)},
	"join":             {"net=/nonexistent", "net=%s/file", "999999999:net"},
	"cgroup":           {"/nonexistent", "%s", "%s/file"},
	"chroot":           {"/nonexistent", "%s/file"},
	"pivot-root":       {"/nonexistent"},
	"mount":            {"type=proc,target=/nonexistent"},
	"hostname":         {"a"},
	"domainname":       {"a"},
	"pidfile":          {"/nonexistent/x", "/"},
	"status-fd":        {"77"},
	"limit-cpu":        {"1e9"},
	"ctty":             {"0", "0:steal"},
	"uid-map":          {"0:0:1"},
	"gid-map":          {"0:0:1"},
	"setgroups":        {"allow"},
}

// anyValue is the flags that can be given any value, and why.
var anyValue = map[string]string{
	"argv0": "a program may have any name",
}

// TestBadValues wants each flag to refuse a bad value by its name, in words of users.
func TestBadValues(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "x\n", 0o644)
	for _, f := range (&options{}).flags() {
		if !takesValue(f) && !mayHaveValue(f) {
			continue
		}
		refused := 0
		for _, value := range []string{"", "x y", "-1", "/", "99999999999999999999999"} {
			o, done, err := parse([]string{"--" + f.Name + "=" + value, "--", "true"})
			if err != nil && done {
				refused++
				worded(t, []string{"--" + f.Name}, o.from.message(err))
			}
		}
		if !hasEngine() {
			continue // package os does not tell which step has failed
		}
		for _, value := range refusedLater[f.Name] {
			refused++
			value = strings.ReplaceAll(value, "%s", dir)
			line := []string{"--" + f.Name, value}
			worded(t, line, strings.TrimPrefix(fails(t, statusError, append(line, "true")...), "spawn: "))
		}
		if (refused == 0) != (anyValue[f.Name] != "") {
			t.Errorf("--%s: refused %d values", f.Name, refused)
		}
	}
}
