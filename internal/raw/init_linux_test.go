//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

//go:embed init_linux_*.s
var initSources embed.FS

func TestInitLabelsAreTheSame(t *testing.T) {
	first := source(t, initSources, "init", "amd64")
	numbers := regexp.MustCompile(`\$-?const_(sys\w+|initGate|initKill\w*|prSet\w+)`)
	want, calls := labels(first), numbers.FindAllString(first, -1)
	if len(want) < 2 || len(calls) < 10 {
		t.Errorf("labels %v, calls %v", want, calls)
	}
	for arch := range initMnemonics {
		s := source(t, initSources, "init", arch)
		if got := labels(s); !slices.Equal(got, want) {
			t.Errorf("labels differ:\n%v\n%v", want, got)
		}
		// The same calls in the same order, with the same numbers.
		if got := numbers.FindAllString(s, -1); !sameButForPlace(calls, got) {
			t.Errorf("calls differ:\n%v\n%v", calls, got)
		}
	}
	if files, err := initSources.ReadDir("."); err != nil || len(files) != len(initMnemonics) {
		t.Errorf("%d files for %d architectures, %v", len(files), len(initMnemonics), err)
	}
}

// sameButForPlace reports whether two lists have the same calls in the same order, and
// the same numbers.
func sameButForPlace(a, b []string) bool {
	calls := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !strings.HasPrefix(s, "$const_sys") })
	}
	return slices.Equal(calls(a), calls(b)) && slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// initMnemonics are all instructions of the init: none of them needs to know where it is
// in memory, but for jumps, and nothing is called.
var initMnemonics = map[string]string{
	"386":     "INT LEAL MOVL MOVB XORL CMPL JE JNE JMP",
	"amd64":   "SYSCALL LEAQ MOVQ MOVL MOVB XORL SHLQ CMPQ JE JNE JMP",
	"arm":     "SVC SUB ADD MOVW MOVB MVN CMN CMP B.EQ B.NE B",
	"arm64":   "SVC SUB ADD MOVD MOVB ORR LSL CMN BEQ CMP BNE JMP",
	"loong64": "SYSCALL NOOP ADDV MOVV MOVW MOVB SLLV BEQ BNE JMP",
	"ppc64le": "SC ADD OR XOR NEG MOVD MOVB RLDICR CMP BEQ BNE BNSO BR",
	"riscv64": "ECALL ADDI ADD MOV MOVB SLLI BEQ BNE JMP",
	"s390x":   "SYSALL MOVD MOVH MOVB STH STC CMP BEQ BNE BR",
}

// The whole program lies between its first byte and its mark, jumps within itself, and
// touches no memory but its stack.
func TestInitCodeStandsAlone(t *testing.T) {
	for arch, allowed := range initMnemonics {
		t.Run(arch, func(t *testing.T) {
			c := contracts[arch]
			code := codeOf(userFunctions(t, arch), `^(github\.com/safespawn/spawn/internal/raw\.)?initCode$`)
			end := slices.IndexFunc(code, func(i instruction) bool { return !slices.Contains(strings.Fields(allowed), i.mnemonic) })
			if end < 30 {
				t.Fatalf("%d instructions are allowed, of %d: %v", end, len(code), code[max(end, 0):])
			}
			if rest := len(code) - end; rest > 16 {
				t.Errorf("%d instructions after the end: %v", rest, code[end:])
			}
			calls, first, last := 0, code[0].addr, code[end-1].addr
			for _, i := range code[:end] {
				text := i.String()
				switch {
				case i.String() == c.syscall:
					calls++
				case slices.Contains(c.jumps, i.mnemonic):
					if to, ok := c.target(i.addr, i.operands[len(i.operands)-1]); !ok || to < first || to > last {
						t.Errorf("%v leaves the program", i)
					}
					continue
				case strings.Contains(text, "SB") || strings.Contains(text, "(PC)") || strings.Contains(text, "(IP)"):
					t.Errorf("%v depends on where it is", i)
				}
				for _, m := range memory.FindAllString(text, -1) {
					if !slices.Contains([]string{"(SP)", "(RSP)", "(X2)", "(BX)", "(DI)", "(R13)", "(R8)", "(R19)", "(X19)", "(R3)", "(R23)", "(R1)", "(R15)", "(R0)", "(R9)"}, m) {
						t.Errorf("%v touches other memory than the stack", i)
					}
				}
			}
			if calls != 8 {
				t.Errorf("%d system calls, want 8", calls)
			}
			if i := code[end-1]; i.mnemonic != c.jumps[0] {
				t.Errorf("%v: the program may fall through", i)
			}
		})
	}
	if n := len(InitCode()); n < 100 || n > 400 {
		t.Errorf("the code has %d bytes", n)
	}
}

// TestInitWaitsForItsParent runs the code as a program, with pipes as its descriptors: it
// does nothing before its gate opens, and then waits until the other end of the first hangs
// up. Then it writes to the second.
func TestInitWaitsForItsParent(t *testing.T) {
	parent, kill, gate := pipe(t), pipe(t), pipe(t)
	pid := startInit(t, parent[0], kill[1], gate[0], func(*Builder) {})
	text := func(name string) string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		return string(b)
	}
	status := func() string { return text("status") }
	wait := func(what string, f func() bool) {
		t.Helper()
		for !f() {
			var x Exit
			if errno := waitPid(pid, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, &x); !refused(errno) && (errno != 0 || x.PID != 0) {
				t.Fatalf("it has ended with %#x, and is not %s", x.Status, what)
			}
			runtime.Gosched()
		}
	}
	wait("named", func() bool { return strings.HasPrefix(status(), "Name:\twatcher\n") })
	wait("without a mask", func() bool { return strings.Contains(status(), "SigBlk:\t0000000000000000\n") })
	if _, err := gate[1].Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	gone := func() bool { _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/2", pid)); return err != nil }
	wait("past its gate", gone)
	parent[1].Close()
	var got [8]byte
	if n, err := kill[0].Read(got[:]); err != nil || string(got[:n]) != "1" {
		t.Errorf("it has written %q, %v", got[:n], err)
	}
	var x Exit
	if errno := waitPid(pid, unix.WEXITED, &x); errno != 0 || !x.Status.Exited() || x.Status.ExitStatus() != 0 {
		t.Errorf("it ended with %#x, %v", x.Status, errno)
	}
}

// TestInitWithoutPoll has poll refused, by a limit of descriptors: the code takes that for
// no end of its parent.
func TestInitWithoutPoll(t *testing.T) {
	testenv.NeedCall(t, "prlimit64", unix.SYS_PRLIMIT64)
	parent, kill, gate := pipe(t), pipe(t), pipe(t)
	pid := startInit(t, parent[0], kill[1], gate[0], func(b *Builder) {
		b.Call(0, Prlimit64, Int(0), Int(unix.RLIMIT_NOFILE), b.Words(0, 0), Int(0))
	})
	gate[1].Close()
	if b, err := io.ReadAll(kill[0]); err != nil || len(b) != 0 {
		t.Errorf("it has written %q, %v", b, err)
	}
	var x Exit
	if errno := waitPid(pid, unix.WEXITED, &x); errno != 0 || !x.Status.Exited() {
		t.Errorf("it ended with %#x, %v", x.Status, errno)
	}
}

// startInit starts the code as a program. It closes kill, which the program has.
func startInit(t *testing.T, parent, kill, gate *os.File, last func(*Builder)) (pid int) {
	t.Helper()
	var b Builder
	for to, from := range []*os.File{parent, kill, gate} {
		b.Call(0, Dup3, Int(int64(from.Fd())), Int(int64(to)), Int(0))
	}
	last(&b)
	b.Step(Step{Name: "execve", Index: -1})
	path := initFile(t)
	b.Call(0, Execve, b.String(path), b.Strings([]string{"watcher"}), b.Strings(nil))
	r := NewRun(b.Build())
	defer r.Free()
	pid, errno := r.Start(Clone{Flags: vfork, Legacy: true, ErrFD: -1})
	if errno != 0 {
		t.Fatal(errno)
	}
	if s, errno, failed := r.Failure(); failed {
		t.Fatal(s.Name, errno)
	}
	kill.Close()
	return pid
}

func pipe(t *testing.T) (p [2]*os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return [2]*os.File{r, w}
}

// initFile is a file with the code of InitCode as its program.
func initFile(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(to, tiny.File(runtime.GOARCH, InitCode()), 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}
