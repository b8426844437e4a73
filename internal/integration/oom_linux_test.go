//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestOOMWays wants a child of a cgroup that limits memory to be made so that the
// kernel's OOM killer does not take this process with it.
func TestOOMWays(t *testing.T) {
	dir, name := testenv.NewCgroup(t)
	for _, risk := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		restore := engine.AssumeOOMForTest(risk[0], risk[1])
		mapped := attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: []attr.IDMapEntry{{Size: 1}}}}
		for i, list := range []attr.List{{}, mapped, append(mapped[:2:2], attr.OOMScoreAdj(700))} {
			out := spawntest.Output(t, spawntest.Cat(t, append(list, attr.Cgroup{Dir: dir})...))
			if got := testenv.ParseSeen(out).Cgroup; !strings.HasSuffix(got, name) {
				t.Errorf("%v: in cgroup %s", risk, got)
			}
			vm := heldShares(t, append(list, attr.Cgroup{Dir: dir}))
			if apart := risk[1] || risk[0] && i == 1; vm == apart { // with a score it is in vfork
				t.Errorf("%v, %v: shares memory: %v", risk, list, vm)
			}
		}
		restore()
	}
}

// memoryCgroup is a new cgroup that may limit memory.
func memoryCgroup(t *testing.T) string {
	t.Helper()
	dir, _ := testenv.NewCgroup(t)
	parent := filepath.Dir(dir.Name())
	_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory"), 0)
	if _, err := os.Stat(filepath.Join(dir.Name(), "memory.oom.group")); err != nil {
		testenv.Skip(t, "no memory controller: "+err.Error())
	}
	return dir.Name()
}

func set(t *testing.T, dir, name, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// TestRisks looks at real settings of cgroups.
func TestRisks(t *testing.T) {
	outer := memoryCgroup(t)
	set(t, outer, "cgroup.subtree_control", "+memory")
	inner := filepath.Join(outer, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	defer testenv.RemoveCgroup(t, inner)
	f, err := os.Open(inner)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	check := func(what string, limited, group bool) {
		t.Helper()
		if l, g := engine.RisksForTest(f); l != limited || g != group {
			t.Errorf("%s: limited %v, group %v", what, l, g)
		}
	}
	check("nothing set", false, false)
	for _, dir := range []string{outer, inner} {
		set(t, dir, "memory.max", "1G")
		check("memory.max", true, false)
		set(t, dir, "memory.max", "max")
		set(t, dir, "memory.oom.group", "1")
		check("memory.oom.group", false, true)
		set(t, dir, "memory.oom.group", "0")
		check("reset", false, false)
		for _, name := range []string{"memory.max", "memory.oom.group"} {
			file := filepath.Join(dir, name)
			err := os.Chown(file, testenv.Nobody, testenv.Nobody)
			check("another's "+name, name == "memory.max", name != "memory.max")
			if err := errors.Join(err, os.Chown(file, 0, 0)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestRisksAreLookedAtFromAbove: what is opened to look at a cgroup does not stay at
// the numbers 0 to 2, also where these are all that there are.
func TestRisksAreLookedAtFromAbove(t *testing.T) {
	dir, _ := testenv.NewCgroup(t)
	if out := spawntest.Output(t, spawntest.Helper(t, "risks without numbers", dir.Name())); out != "false false\ntrue true\n" {
		t.Error(out)
	}
}

var _ = testenv.RegisterHelper("risks without numbers", func(args []string) int {
	dir, err := os.Open(args[0])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer dir.Close()
	fmt.Println(engine.RisksForTest(dir))
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		fmt.Println(err)
		return 1
	}
	low := was
	low.Cur = 3
	out, err := highfd.Dup(1)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &low)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for n := range 3 {
		unix.Close(n)
	}
	limited, group := engine.RisksForTest(dir)
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) // to what it was is allowed
	fmt.Fprintln(os.NewFile(uintptr(out), "out"), limited, group)
	return 0
})

// TestOOM has memory run out in the cgroup of a child that is held up before execve.
// A parent that takes no care is killed with it, one that does lives on. There is a
// kernel for it in .ci/oom.
func TestOOM(t *testing.T) {
	parent := spawntest.Helper(t, "oom parent")
	dir := memoryCgroup(t)
	if err := os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0); err != nil {
		t.Log(err)
	}
	for _, group := range []string{"0", "1"} {
		set(t, dir, "memory.oom.group", group)
		for _, how := range []string{"another takes all", "the limit is lowered"} {
			for _, care := range []string{"careless", "careful"} {
				set(t, dir, "memory.max", "64M")
				s := *parent
				s.Args = append(slices.Clone(s.Args), dir, care, how, filepath.Join(testenv.PublicDir(t), "fifo"))
				state, err := spawn.Run(context.Background(), &s)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("memory.oom.group %s, %s, %s: %v", group, how, care, state)
				spared := care == "careful" || group == "0" && how == "another takes all"
				if died := state.Signal() == unix.SIGKILL; died == spared || spared && !state.Success() {
					t.Errorf("memory.oom.group %s, %s, %s: %v", group, how, care, state)
				}
			}
		}
	}
}

var _ = testenv.RegisterHelper("oom parent", func(args []string) int {
	if args[1] == "careless" {
		defer engine.AssumeOOMForTest(false, false)()
	}
	dir, err := os.Open(args[0])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer dir.Close()
	if err := unix.Mkfifo(args[3], 0o600); err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	held := spawntest.Shell(":", attr.Cgroup{Dir: dir})
	held.Actions.Open(0, args[3], os.O_RDONLY, 0)
	done := spawntest.StartHeld(ctx, held)
	if spawntest.HeldOpening() == 0 {
		fmt.Println("the child is not there")
		return 1
	}
	if err := runOut(args[0], args[2]); err != nil {
		fmt.Println(err)
		return 1
	}
	time.Sleep(100 * time.Millisecond) // for what is to be killed
	cancel()
	<-done
	return 0
})

// runOut has memory run out in a cgroup.
func runOut(dir, how string) error {
	if how == "the limit is lowered" {
		return os.WriteFile(filepath.Join(dir, "memory.max"), []byte("0"), 0)
	}
	hog := spawntest.Shell(`echo $$ >"$0/cgroup.procs"; a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done`)
	hog.Args = append(hog.Args, dir)
	state, err := spawn.Run(context.Background(), hog)
	if err != nil || state.Signal() != unix.SIGKILL {
		return fmt.Errorf("memory has not run out: %v, %w", state, err)
	}
	return nil
}
