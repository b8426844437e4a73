//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// battery has every attribute, in Specs that work and in some that don't.
func battery(t *testing.T) []*spawn.Spec {
	ok := spawntest.Exits(t, 7).Path
	root := filepath.Dir(ok)
	_, tty := testenv.OpenPTY(t)
	lists := []attr.List{
		{attr.SigMask{1, 2, 3}, attr.InheritIgnored{}, attr.SigDefault{1}, attr.SigIgnore{2, 3}},
		{attr.InheritIgnored{}, attr.Setpgid{}},
		{attr.Setsid{}, attr.ControllingTTY{File: tty}},
		{attr.Umask(0o123), attr.Nice(19), attr.NoNewPrivs{}},
		{attr.NoFile{Soft: 20, Hard: 30}, attr.Rlimit{Resource: unix.RLIMIT_CPU, Soft: 10, Hard: 20}},
		{attr.Rlimit{Resource: unix.RLIMIT_CORE}, attr.ResetIDs{}},
		{attr.NoNewPrivs{}, spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME)},
	}
	if os.Geteuid() == 0 {
		dir, _ := testenv.NewCgroup(t)
		list := attr.List{attr.Cgroup{Dir: dir}, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody, Groups: []uint32{5}}, attr.Nice(-5)}
		if !testenv.Lacks(unix.SYS_CHROOT) {
			list = append(list, attr.Chroot("/"))
		}
		lists = append(lists, list)
	}
	if err := errors.Join(os.Chmod(root, 0o755), os.Chmod(filepath.Dir(root), 0o755)); err != nil {
		t.Fatal(err)
	}
	var specs []*spawn.Spec
	for _, list := range lists {
		good := &spawn.Spec{Path: ok, Attr: list}
		good.Actions.Chdir(root)
		good.Actions.Open(9, "/dev/null", os.O_RDWR, 0)
		good.Actions.Dup2(9, 4)
		good.Actions.File(tty, 3)
		good.Actions.CloseFrom(5)
		noProgram := *good
		noProgram.Path = "/missing/program"
		noFile := *good
		noFile.Actions.Open(5, "/missing/file", os.O_RDONLY, 0)
		all := *good
		all.Actions.InheritAll()
		specs = append(specs, good, &noProgram, &noFile, &all)
	}
	return specs
}

func TestParentStaysAsItIs(t *testing.T) {
	specs := battery(t)
	if err := os.Setenv("SPAWN_TEST", "1"); err != nil {
		t.Fatal(err)
	}
	defer os.Unsetenv("SPAWN_TEST")
	testenv.Settled()
	spawntest.EachEngine(t, func(t *testing.T) {
		testenv.OnThread(func() {
			before := testenv.Paint(t)
			for i, s := range specs {
				state, err := spawn.Run(context.Background(), s)
				if failing := i%4 == 1 || i%4 == 2; failing != errors.Is(err, os.ErrNotExist) {
					t.Errorf("%d: %v, %v", i, state, err)
				} else if !failing && (err != nil || state.ExitCode() != 7) {
					t.Errorf("%d: %v, %v", i, state, err)
				}
				before.Compare(t, testenv.Paint(t))
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Microsecond)
			defer cancel()
			_, _ = spawn.Run(ctx, specs[0])
			before.Compare(t, testenv.Paint(t))
		})
	})
}

// TestConcurrentUmasks has children that make files under masks of their own.
func TestConcurrentUmasks(t *testing.T) {
	dir := t.TempDir()
	path := spawntest.Exits(t, 0).Path
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			mask := os.FileMode(i) << 3
			for k := range 16 {
				made := filepath.Join(dir, fmt.Sprint(i, "-", k))
				s := &spawn.Spec{Path: path, Attr: attr.List{attr.Umask(mask)}}
				s.Actions.Open(5, made, os.O_CREATE|os.O_WRONLY, 0o777)
				if _, err := spawn.Run(context.Background(), s); err != nil {
					t.Error(err)
					return
				}
				st, err := os.Stat(made)
				if err != nil || st.Mode().Perm() != 0o777&^mask {
					t.Errorf("umask %o: %v, %v", mask, st, err)
				}
			}
		})
	}
	wg.Wait()
}

// credentialSpec changes ids, so that the kernel clears the dumpable flag.
func credentialSpec(t testing.TB) *spawn.Spec {
	t.Helper()
	testenv.NeedRoot(t)
	dir := testenv.PublicDir(t)
	return &spawn.Spec{
		Path: testenv.Program(t, filepath.Join(dir, "program"), 7),
		Attr: attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}},
	}
}

func TestDumpable(t *testing.T) {
	s := credentialSpec(t)
	if testenv.Dumpable(t) != 1 {
		testenv.Skip(t, "this process is not dumpable")
	}
	missing := *s
	missing.Path = "/missing/program"
	spawntest.EachEngine(t, func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				if i%4 == 0 {
					if _, err := spawn.Start(context.Background(), &missing); !errors.Is(err, os.ErrNotExist) {
						t.Error(err)
					}
					return
				}
				if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != 7 {
					t.Errorf("%v, %v", state, err)
				}
			})
		}
		wg.Wait()
		if d := testenv.Dumpable(t); d != 1 {
			t.Errorf("dumpable is %d", d)
		}
	})
}

// TestNotDumpable wants a flag that was not set to stay so.
func TestNotDumpable(t *testing.T) {
	s := credentialSpec(t)
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }()
	spawntest.EachEngine(t, func(t *testing.T) {
		if _, err := spawn.Run(context.Background(), s); err != nil {
			t.Error(err)
		}
		if d := testenv.Dumpable(t); d != 0 {
			t.Errorf("dumpable is %d", d)
		}
	})
}

// TestLimitsConcurrently lowers limits in children while others read theirs.
func TestLimitsConcurrently(t *testing.T) {
	path := spawntest.Exits(t, 0).Path
	before := make([]unix.Rlimit, 16)
	for i := range before {
		before[i] = testenv.GetLimit(t, i)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			hard := min(before[i].Max, 1<<40)
			s := &spawn.Spec{Path: path, Attr: attr.List{attr.Rlimit{Resource: attr.Resource(i), Soft: min(before[i].Cur, hard), Hard: hard}}}
			if _, err := spawn.Run(context.Background(), s); err != nil {
				t.Error(i, err)
			}
		})
	}
	wg.Wait()
	after := make([]unix.Rlimit, 16)
	for i := range after {
		after[i] = testenv.GetLimit(t, i)
	}
	if !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}
