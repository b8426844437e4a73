package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// peerRow is a row of the table of docs/command.md: two launchers for one program.
type peerRow struct{ peer, ours, program, needs string }

// peerRows reads the table.
func peerRows(t *testing.T) (rows []peerRow) {
	t.Helper()
	text := strings.ReplaceAll(readFile(t, "../../docs/command.md"), "\r\n", "\n")
	for _, m := range peerLine.FindAllStringSubmatch(text, -1) {
		rows = append(rows, peerRow{m[1], m[2], m[3], strings.TrimSpace(m[4])})
	}
	if n := strings.Count(text, "` | `spawn"); n != len(rows) || n < 60 {
		t.Fatalf("%d rows read of %d", len(rows), n)
	}
	return rows
}

// noOption is what an older peer says of an option.
var noOption = regexp.MustCompile(`(unrecognized|invalid|unknown) option|Unknown option`)

// TestPeers runs each row of the table of docs/command.md, and compares.
func TestPeers(t *testing.T) {
	if !hasEngine() {
		testenv.Skip(t, "needs the engine")
	}
	dir := t.TempDir()
	if err := os.Symlink(testenv.Self(t), filepath.Join(dir, "spawn")); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+dir+":/usr/sbin:/usr/bin:/sbin:/bin", fmt.Sprint("PID=", elsewhere(t)), "LC_ALL=C")
	rows := peerRows(t)
	t.Run("rows", func(t *testing.T) { // whose end the process of $PID has to wait for
		for _, row := range rows {
			t.Run(row.peer, func(t *testing.T) {
				t.Parallel()
				row.compare(t, env)
			})
		}
	})
}

// compare wants both to do the same, or where the peer may not do it neither. A peer may
// also go on without a word.
func (row peerRow) compare(t *testing.T, env []string) {
	name, _, _ := strings.Cut(row.peer, " ")
	if _, err := exec.LookPath(name); err != nil {
		testenv.Skip(t, "no "+name)
	}
	if _, err := os.Stat("/run/systemd/system"); name == "systemd-run" && err != nil {
		testenv.Skip(t, "no systemd")
	}
	if strings.Contains(row.ours, "--join $PID:") {
		testenv.NeedCall(t, "pidfd_open", unix.SYS_PIDFD_OPEN)
	}
	if strings.Contains(row.ours, "--exec") {
		needExec(t)
	}
	if name == "bwrap" { // which makes a namespace, whatever is asked of it
		inside(t, "mount")
	}
	run := func(launcher string) result {
		cmd := exec.Command("/bin/sh", "-c", launcher+" "+row.program)
		cmd.Env, cmd.Dir = env, "/"
		return finish(t, cmd)
	}
	peer := run(row.peer)
	if noOption.MatchString(peer.errOut) {
		testenv.Skip(t, "an older "+name)
	}
	if peer.status == statusSignal+int(unix.SIGSEGV) { // setpriv --reset-env, for a user without an entry
		testenv.Skip(t, name+" crashes")
	}
	ours := run(row.ours)
	refused := row.needs != "" && (peer.status != 0 || os.Geteuid() != 0 && strings.HasSuffix(row.needs, "goes on without"))
	switch {
	case refused && ours.status == 0:
		t.Errorf("%s does what %s does not:\n%+v\n%+v", row.ours, row.peer, ours, peer)
	case refused:
	case ours.status != peer.status || ours.out != peer.out:
		t.Errorf("%s %s\n%s: %+v\n%s: %+v", row.ours, row.program, row.peer, peer, row.ours, ours)
	}
}

// elsewhere is a process that is in namespaces of its own where there can be some, until
// the end of the test.
func elsewhere(t *testing.T) int {
	t.Helper()
	flags := []string{}
	if os.Geteuid() == 0 {
		flags = []string{"--new", "uts,ipc,pid,net,mount", "--hostname", "spawn-elsewhere", "--mount", "type=proc,target=/proc"}
	}
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := spawnCmd(t, append(flags, "sh", "-c", "echo; read x")...)
	cmd.Stdin = in
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	cmd.Args = append([]string{"spawn", "--pidfile", file}, cmd.Args[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		w.Close()
		_ = cmd.Wait() // read fails
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return os.Getpid() // no namespaces
	}
	var pid int
	testenv.Eventually(t, "a pid", func() bool {
		n, _ := fmt.Sscan(readFile(t, file), &pid)
		return n == 1
	})
	return pid
}

// optionLine is an option in the help of a peer, with its letter.
var optionLine = regexp.MustCompile(`(?m)^ *(?:(-\w)(?:, | +\[?=?[^ ]* *, ))?\s*(--[a-z][a-z0-9-]*)`)

// known are the versions of the peers that docs/command.md knows all options of.
var known = regexp.MustCompile(`coreutils\) 9\.1\n|util-linux 2\.38\.1\n|bubblewrap 0\.8\.0\n|systemd 252 `)

// TestPeersOptions wants each option of a peer in a row of docs/command.md, or in a text that
// says what is different or why there is no row. A peer of another version may have more.
func TestPeersOptions(t *testing.T) {
	text := readFile(t, "../../docs/command.md")
	for _, peer := range []string{"env", "nice", "timeout", "setpriv", "prlimit", "unshare", "nsenter", "bwrap", "systemd-run"} {
		help, err := exec.Command(peer, "--help").Output()
		if err != nil {
			t.Log("not here:", peer)
			continue
		}
		version, _ := exec.Command(peer, "--version").Output()
		complain := t.Errorf
		if !known.Match(version) {
			complain = t.Logf
		}
		about, word := "", regexp.MustCompile(`(^|\W)`+peer+`\W`)
		for paragraph := range strings.SplitSeq(regexp.MustCompile(`\n(\||- |\n)`).ReplaceAllString(text, "\x00$1"), "\x00") {
			if word.MatchString(paragraph) {
				about += paragraph + "\n"
			}
		}
		for _, m := range optionLine.FindAllStringSubmatch(string(help), -1) {
			letter, name := m[1], m[2]
			has := func(option string) bool {
				return option != "" && regexp.MustCompile(`(^|[ \x60(])`+option+`($|[^a-z0-9-])`).MatchString(about)
			}
			if name != "--help" && name != "--version" && !has(name) && !has(letter) {
				complain("%s %s %s: nothing about it in docs/command.md", peer, letter, name)
			}
		}
	}
}
