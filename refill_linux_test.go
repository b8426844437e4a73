//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// hashOf is a hash of strings, and how many there are.
func hashOf(list []string) string {
	h := fnv.New64()
	for _, x := range list {
		_, _ = io.WriteString(h, x+"\x00")
	}
	return fmt.Sprint(len(list), ":", h.Sum64())
}

var argumentsAndEnvironment = testenv.RegisterHelper("arguments and environment", func(args []string) int {
	text, _ := io.ReadAll(os.NewFile(3, "3"))
	var env []string
	for _, x := range os.Environ() {
		if strings.HasPrefix(x, "REFILL") {
			env = append(env, x)
		}
	}
	fmt.Print(hashOf(args), " ", hashOf(env), " ", string(text))
	return 0
})

// TestAlikeSpecs runs Specs that differ only in the program, its arguments and its
// environment, of any size, between others that fail or differ in more: each child gets
// its own.
func TestAlikeSpecs(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for i := range 4 {
			if err := runAlike(t, 0, i); err != nil {
				t.Error(err)
			}
		}
	})
	var all sync.WaitGroup
	for g := range 3 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range 4 {
				if err := runAlike(t, g, i); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
}

// runAlike runs one of the Specs.
func runAlike(t *testing.T, g, i int) error {
	text := fmt.Sprint("text ", g, i)
	files, err := filesWith(t, text, "")
	if err != nil {
		return err
	}
	in, out := files[0], files[1]
	defer in.Close()
	defer out.Close()
	var args []string
	for n := range 1 + i*g {
		args = append(args, strings.Repeat(string(rune('a'+n)), 1+i*200))
	}
	env := os.Environ()
	for n := range i * i * 20 * (g + 1) {
		env = append(env, fmt.Sprint("REFILL", n, "=", strings.Repeat("x", 500*i)))
	}
	s := spawntest.Helper(t, argumentsAndEnvironment, args...)
	s.Env = env
	s.Actions.File(out, 1)
	s.Actions.Dup2(1, 2)
	s.Actions.File(in, 3)
	if g%2 == 0 {
		s.Attr = attr.List{attr.InheritIgnored{}}
	}
	state, err := spawn.Run(context.Background(), s)
	want := hashOf(args) + " " + hashOf(env[len(os.Environ()):]) + " " + text
	got, _ := os.ReadFile(out.Name())
	if err != nil || !state.Success() || string(got) != want {
		return fmt.Errorf("run %d of %d: %q, %v, %v; want %q", i, g, got, state, err, want)
	}
	missing := fmt.Sprint("/no/such/program", g, i)
	var e *spawn.Error
	if _, err := spawn.Run(context.Background(), &spawn.Spec{Path: missing}); !errors.As(err, &e) || e.Path != missing || !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("program %s: %w", missing, err)
	}
	return nil
}

// filesWith are files with texts.
func filesWith(t *testing.T, texts ...string) (files []*os.File, err error) {
	for i, text := range texts {
		name := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// ignoredLater runs a program before and after SIGPIPE is ignored by other code than
// package signal. The status is not 0 where the program ignores it.
var ignoredLater = testenv.RegisterHelper("ignored later", func([]string) int {
	ignored := func() bool {
		s := &spawn.Spec{Path: "/bin/grep", Args: []string{"grep", "-q", "^SigIgn:.*[13579bdf]...$", "/proc/self/status"}, Attr: attr.List{attr.InheritIgnored{}}}
		state, err := spawn.Run(context.Background(), s)
		return err != nil || state.ExitCode() != 1
	}
	for range 3 {
		if ignored() {
			return 1
		}
	}
	if err := rawtest.IgnoreSignal(syscall.SIGPIPE); err != nil {
		return testenv.Status(err)
	}
	for range 3 {
		if ignored() {
			return 2
		}
	}
	return 0
})

// TestAlikeIgnored has a signal ignored by other code than package signal between Specs
// that are the same: no child ignores it.
func TestAlikeIgnored(t *testing.T) {
	if state, err := spawn.Run(context.Background(), spawntest.Helper(t, ignoredLater)); err != nil || !state.Success() {
		t.Error(state, err)
	}
}
