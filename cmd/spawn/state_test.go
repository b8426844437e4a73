//go:build unix

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestChdir(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "prog"), "#!/bin/sh\npwd -P\n", 0o755)
	// Files are the caller's, a relative program is found in the new directory.
	cmd := spawnCmd(t, "--stdout", "out", "--chdir", dir, "./prog")
	ok(t, cmd)
	if got := readFile(t, filepath.Join(cmd.Dir, "out")); got != dir+"\n" {
		t.Errorf("got %q, want %q", got, dir)
	}
	fails(t, statusNotFound, "./prog")
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{nil, "HOME=/h\nX=1"},
		{[]string{"--env", "A=b,c=d", "--env", "B="}, "A=b,c=d\nB=\nHOME=/h\nX=1"},
		{[]string{"--env", "X=2", "--env=X=3"}, "HOME=/h\nX=3"},
		{[]string{"--clear-env"}, ""},
		{[]string{"--env", "A= b ", "--clear-env"}, "A= b "},
		{[]string{"--env", "PATH=/nowhere:/usr/bin:/bin"}, "HOME=/h\nPATH=/nowhere:/usr/bin:/bin\nX=1"},
		{[]string{"--unset-env", "X", "--unset-env", "none"}, "HOME=/h"},
		{[]string{"--unset-env", "X", "--env", "X=4"}, "HOME=/h\nX=4"},
	} {
		cmd := spawnCmd(t, append(c.flags, "env")...)
		cmd.Env = []string{"X=1", "HOME=/h", "PATH=" + os.Getenv("PATH")}
		lines := strings.Split(strings.TrimSuffix(ok(t, cmd), "\n"), "\n")
		lines = slices.DeleteFunc(lines, func(s string) bool {
			return s == "PATH="+os.Getenv("PATH") || strings.HasPrefix(s, "PWD=")
		})
		slices.Sort(lines)
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%q: got %q, want %q", c.flags, got, c.want)
		}
	}
}

func TestUmask(t *testing.T) {
	needEngine(t, "--umask", "27")
	if got := must(t, "--umask", "027", "sh", "-c", "umask"); got != "0027\n" {
		t.Errorf("got %q", got)
	}
	cmd := spawnCmd(t, "--umask", "0", "--stdout", "out", "true")
	ok(t, cmd)
	st, err := os.Stat(filepath.Join(cmd.Dir, "out"))
	if err != nil || st.Mode().Perm() != 0o666 {
		t.Errorf("mode of a new file: %v, %v", st.Mode(), err)
	}
}

func TestNice(t *testing.T) {
	needEngine(t, "--nice", "19")
	if got := must(t, "--nice", "19", "nice"); got != "19\n" {
		t.Errorf("got %q", got)
	}
	if os.Geteuid() != 0 {
		fails(t, statusError, "--nice", "-20", "nice")
	} else if got := must(t, "--nice", "-5", "nice"); got != "-5\n" {
		t.Errorf("got %q", got)
	}
}

func TestAddNice(t *testing.T) {
	needEngine(t, "--add-nice", "1")
	now := must(t, "nice")
	if got, want := must(t, "--add-nice", "3", "nice"), must(t, "nice", "-n", "3", "nice"); got != want {
		t.Errorf("from %q: got %q, want %q", now, got, want)
	}
	if got := must(t, "--add-nice", "39", "nice"); got != "19\n" {
		t.Errorf("got %q", got)
	}
}

func TestArgv0(t *testing.T) {
	for _, name := range []string{"other", "-sh", ""} {
		line := []string{"--argv0", name, "sh", "-c", "tr '\\0' '|' </proc/$$/cmdline"}
		if got := must(t, line...); !strings.HasPrefix(got, name+"|-c|") {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func TestRlimit(t *testing.T) {
	needEngine(t, "--rlimit", "core=0")
	for _, c := range []struct {
		flags []string
		shell string
		want  string
	}{
		{[]string{"--rlimit", "nofile=99"}, "ulimit -Sn; ulimit -Hn", "99\n99\n"},
		{[]string{"--rlimit", "nofile=50:60"}, "ulimit -Sn; ulimit -Hn", "50\n60\n"},
		{[]string{"--rlimit", "core=0"}, "ulimit -Sc; ulimit -Hc", "0\n0\n"},
		{[]string{"--rlimit", "as=1G:2g"}, "ulimit -Sv; ulimit -Hv", "1048576\n2097152\n"},
		{[]string{"--rlimit", "cpu=77", "--rlimit", "stack=8M"}, "ulimit -t; ulimit -s", "77\n8192\n"},
		{[]string{"--rlimit", "fsize=4k:1T"}, "ulimit -Sf; ulimit -Hf", "8\n2147483648\n"},
	} {
		if got := must(t, append(c.flags, "sh", "-c", c.shell)...); got != c.want {
			t.Errorf("%q: got %q, want %q", c.flags, got, c.want)
		}
	}
	if os.Geteuid() == 0 {
		if got := must(t, "--rlimit", "data=unlimited", "sh", "-c", "ulimit -Hd"); got != "unlimited\n" {
			t.Errorf("got %q", got)
		}
	}
}

func TestSetsid(t *testing.T) {
	// Field 6 of stat(5) is the session; the shell's own pid is the same then.
	script := `read -r pid comm state ppid pgrp session rest </proc/$$/stat; echo $((session == $$))`
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		testenv.Skip(t, "no /proc")
	}
	if got := must(t, "--setsid", "sh", "-c", script); got != "1\n" {
		t.Errorf("with --setsid: %q", got)
	}
	if got := must(t, "sh", "-c", script); got != "0\n" {
		t.Errorf("without --setsid: %q", got)
	}
}
