//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

// Everything from the program on is the program's, whatever it looks like.
func TestArgumentsPassThrough(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-x", "--stdin", "no"},
		{"--", "--help"},
		{"", "--", "-v", ""},
		{" --help ", "--"},
		{"--version"},
		{"--complete", "bash"},
		{"help", "completion", "bash"},
		{"-", "--", "--", "-h"},
		{"--help"},
	} {
		for _, before := range [][]string{{}, {"--"}, {"--setsid"}, {"--chdir", "/", "--"}} {
			line := append(append(before[:len(before):len(before)], testenv.Self(t), as("args")), args...)
			want := strings.Builder{}
			for _, a := range args {
				want.WriteString("\"" + a + "\"\n")
			}
			if got := must(t, line...); got != want.String() {
				t.Errorf("%q: got %q", line, got)
			}
		}
	}
}

// Words that mean something to the library are programs like others.
func TestProgramsWithNamesOfCommands(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"help", "h", "completion", "__complete", "version", "-x", "--help"} {
		writeFile(t, filepath.Join(dir, name), "#!/bin/sh\necho \"I am $1\"\n", 0o755)
		var lines [][]string
		if !strings.HasPrefix(name, "-") {
			lines = append(lines, []string{name, name}, []string{"--setsid", name, name})
		}
		for _, line := range append(lines, []string{"--", name, name}) {
			cmd := spawnCmd(t, line...)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			if got := ok(t, cmd); got != "I am "+name+"\n" {
				t.Errorf("%q: got %q", line, got)
			}
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, line := range [][]string{{"--help"}, {"--help", "ls"}, {"--umask", "9", "--help"}} {
		out := must(t, line...)
		for _, want := range []string{"Usage: spawn", "--keep-fd N ", "Exit status:", "Examples:"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q: no %q in %q", line, want, out)
			}
		}
		for _, l := range strings.Split(out, "\n") {
			if len(l) > 90 || strings.TrimRight(l, " ") != l {
				t.Errorf("%q: line too long, or blanks at its end: %q", line, l)
			}
		}
	}
	if out := must(t, "-h", "--umask", "9"); strings.Count(out, "\n") > 24 || !strings.Contains(out, "-u, --user") {
		t.Errorf("-h is no screen: %q", out)
	}
	for _, flag := range []string{"-h", "--help", "--version", "--completion=bash"} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			break // not every system has it
		}
		cmd := spawnCmd(t, flag)
		cmd.Stdout = full
		_ = cmd.Run()
		full.Close()
		if got := cmd.ProcessState.ExitCode(); got != statusError {
			t.Errorf("%s to a full file: status %d", flag, got)
		}
	}
	if out := must(t, "--version"); !strings.HasPrefix(out, "spawn version ") {
		t.Errorf("--version: %q", out)
	}
}

func TestMistakes(t *testing.T) {
	for _, line := range [][]string{
		{},
		{"--"},
		{"--setsid"},
		{"--bogus", "true"},
		{"--bogus=1", "true"},
		{"-x", "true"},
		{"-nice=5", "-bogus", "true"},
		{"--setsid=foo", "true"},
		{"--append", "true"},
		{"--setsid", "--detach-tty", "true"},
		{"--append", "--stderr", "stdout", "true"},
		{"--setgroups", "deny", "true"},
		{"--map-helpers", "true"},
		{"--init", "true"},
		{"--init", "--unshare", "pid", "true"},
		{"--init", "--exec", "--new", "pid", "true"},
		{"--map-auto", "--uid-map", "0:0:1", "true"},
		{"--optional", "", "true"},
		{"--optional", "user", "true"},
		{"--nice", "1", "--optional", "nice,", "true"},
		{"--nice", "1", "--optional", "add-nice", "true"},
		{"--optional", "nice", "true"},
		{"--sched", "batch", "--util", "0:1024", "--optional", "sched", "true"},
		{"--landlock", "--landlock-best-effort", "--optional", "landlock", "--new", "mount", "--mount-proc", "true"},
		{"--exec", "--nice", "1", "--optional", "nice", "true"},
		{"--numa", "bind", "true"},
		{"--allow-tcp", "--allow-bind", "1", "true"},
		{"--umask"},
		{"--umask", "8", "true"},
		{"--umask", "1000", "true"},
		{"--umask", "-1", "true"},
		{"--nice", "20", "true"},
		{"--nice", "x", "true"},
		{"--add-nice", "40", "true"},
		{"--add-nice", "1", "--nice", "1", "true"},
		{"--unset-env", "A=b", "true"},
		{"--unset-env", "", "true"},
		{"--map-self", "--map-root", "true"},
		{"--env", "A", "true"},
		{"--env", "=A", "true"},
		{"--fd", "3", "true"},
		{"--fd", "3=:r", "true"},
		{"--fd", "3=/dev/null", "true"},
		{"--fd", "3=/dev/null:x", "true"},
		{"--fd", "-3=/dev/null:r", "true"},
		{"--fd", "3=/dev/null:r", "--fd", "3=/dev/null:r", "true"},
		{"--fd", "0=/dev/null:r", "--stdin", "/dev/null", "true"},
		{"--fd", "2=/dev/null:w", "--stderr", "stdout", "true"},
		{"--keep-fd", "x", "true"},
		{"--keep-fd", "3", "true"},
		{"--keep-fd", "999999999", "true"},
		{"--keep-fd", "1", "--stdout", "/dev/null", "true"},
		{"--rlimit", "nofile", "true"},
		{"--rlimit", "nofile=", "true"},
		{"--rlimit", "nofile=1K", "true"},
		{"--rlimit", "nofile=1:", "true"},
		{"--rlimit", "nofile=2:1", "true"},
		{"--rlimit", "as=K", "true"},
		{"--rlimit", "as=99999999999T", "true"},
		{"--rlimit", "bogus=1", "true"},
		{"--rlimit", "nofile=1", "--rlimit", "nofile=1", "true"},
		{"--timeout", "", "true"},
		{"--timeout", "1x", "true"},
		{"--timeout", "nan", "true"},
		{"--timeout", "-1s", "true"},
		{"--timeout", "5 s", "true"},
		{"--kill-after", "5", "true"},
		{"--stop-signal", "INT", "true"},
		{"--timeout", "5", "--stop-signal", "bogus", "true"},
		{"--preserve-status", "true"},
		{"--user", "", "true"},
		{"--user", "no-such-user", "true"},
		{"--user", "0:no-such-group", "true"},
		{"--user", "4294967295:0", "true"},
		{"--stdin", "", "true"},
		{"--stdout=", "true"},
		{"--stdin", "/nonexistent/file", "true"},
		{"--stdout", "/", "true"},
		{"--chdir", "/nonexistent", "true"},
		{"--chdir", "/nonexistent", "--explain", "--completion", "bogus"},
	} {
		fails(t, statusError, line...)
	}
}

// Bad values are reported with the flag as it was written.
func TestMessageNamesTheFlag(t *testing.T) {
	if got := fails(t, statusError, "--umask", "99", "true"); !strings.Contains(got, `--umask "99": `) {
		t.Errorf("got %q", got)
	}
	for flag, line := range map[string][]string{
		"--user-env: needs": {"--user-env", "true"},
		"--nic: ":           {"--nic", "5", "true"},
		"-bogus: ":          {"-bogus=5", "true"},
		"--umaks: no such flag; did you mean --umask?": {"--umaks=022", "true"},
		"--stop: no such flag":                         {"--stop", "true"},
		`--setsid "foo": `:                             {"--setsid=foo", "true"},
		"--umask: ":                                    {"--umask"},
		"--detach-tty: ":                               {"--setsid", "--detach-tty", "true"},
		"--append: needs":                              {"--append", "true"},
		"--setgroups: ":                                {"--setgroups", "deny", "true"},
		"--map-helpers: ":                              {"--map-helpers", "true"},
		"--init: needs":                                {"--init", "--new", "uts", "true"},
		"--map-auto: contradicts":                      {"--map-auto", "--gid-map", "0:0:1", "true"},
		"--optional nice: needs --nice":                {"--add-nice", "1", "--optional", "nice", "true"},
		`--optional "user": "user" is none of nice, `:  {"--user", "0", "--optional", "user", "true"},
		"--allow-tcp: ":                                {"--allow-tcp", "--allow-connect", "1", "true"},
		"--deny-udp: ":                                 {"--deny-udp", "--allow-udp-bind", "0", "true"},
		"--deny-pathname-unix: ":                       {"--deny-pathname-unix", "--allow-unix", "/", "true"},
		"--landlock-quiet: needs":                      {"--landlock-quiet", "/", "true"},
		"--allow-read: ":                               {"--allow-read", "/nonexistent", "true"},
		`--user "nosuch": `:                            {"--user", "nosuch", "--user-env", "true"},
	} {
		if got := fails(t, statusError, line...); !strings.Contains(got, "spawn: "+flag) {
			t.Errorf("%q: got %q", line, got)
		}
	}
	if hasEngine() {
		for _, line := range [][]string{{"--foreground", "true"}, {"--ctty", "0", "true"}, {"--mount", "type=proc,target=/proc", "true"}, {"--map-root", "true"}} {
			if got := fails(t, statusError, line...); strings.Contains(got, "attr.") || !strings.Contains(got, line[0]) && line[0] != "--map-root" {
				t.Errorf("%q: got %q", line, got)
			}
		}
	}
	if got := fails(t, statusError, "--securebits", "x", "true"); strings.Contains(got, "keep_caps") {
		t.Errorf("got %q", got)
	}
	if got := fails(t, statusError, "--chdir", "/non\nexistent", "true"); !strings.Contains(got, "chdir") {
		t.Errorf("got %q", got)
	}
}
