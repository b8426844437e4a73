package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/portable"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// "stay" ends with its standard input.
var _ = testenv.RegisterHelper("stay", func([]string) int {
	os.Stdout.WriteString("here\n")
	io.Copy(io.Discard, os.Stdin)
	return 7
})

// staying starts "stay" and returns a function that lets it end. It has begun
// when staying returns.
func staying(t *testing.T, ctx context.Context) (*spawn.Process, func()) {
	t.Helper()
	in, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	t.Cleanup(func() { release.Close() })
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s := spawntest.Helper(t, "stay")
	s.Actions.File(in, 0)
	s.Actions.File(w, 1)
	p, err := spawn.Start(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	return p, func() { release.Close() }
}

func TestPortableWait(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, release := staying(t, ctx)
		cancel() // bounds Start alone
		if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait with a context that has ended: %v", err)
		}
		select {
		case <-p.Done():
			t.Error("done while it runs")
		default:
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if state, err := p.Wait(t.Context()); err != nil || state.ExitCode() != 7 || state.Pid() != p.Pid() {
					t.Errorf("%v, %v", state, err)
				}
				<-p.Done()
			})
		}
		release()
		wg.Wait()
		for range 2 {
			if state, err := p.Wait(ctx); err != nil || state.ExitCode() != 7 {
				t.Errorf("again: %v, %v", state, err)
			}
		}
		for _, err := range []error{p.Kill(), p.Signal(os.Interrupt)} {
			if !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("signal after the end: %v", err)
			}
		}
		if err := p.Release(); err != nil {
			t.Error(err)
		}
	})
}

func TestPortableKill(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, _ := staying(t, t.Context())
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		state, err := p.Wait(context.Background())
		if err != nil || state.Success() {
			t.Errorf("%v, %v", state, err)
		}
	})
}

func TestPortableContext(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("a cause"))
		dir := portable.Dir(t)
		s := spawntest.Helper(t, "exit", "0")
		s.Actions.Open(1, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE, 0o600)
		if _, err := spawn.Start(ended, s); err != context.Canceled {
			t.Errorf("Start: %v", err)
		}
		if _, err := spawn.Run(ended, s); err != context.Canceled {
			t.Errorf("Run: %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("something has happened: %v", err)
		}
	})
}

// TestPortableRunEnds ends the context of Run when the child has been started.
func TestPortableRunEnds(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		in, hold, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		defer hold.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		core, _ := observer.New(zapcore.DebugLevel)
		s := spawntest.Helper(t, "stay")
		s.Actions.File(in, 0)
		s.Actions.Open(1, os.DevNull, os.O_WRONLY, 0)
		s.Logger = zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
			if e.Message == "spawned" {
				cancel()
			}
			return nil
		}))
		state, err := spawn.Run(ctx, s)
		if err != context.Canceled || state == nil || state.Success() {
			t.Errorf("%v, %v", state, err)
		}
	})
}

func TestPortableLog(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		s := spawntest.Helper(t, "exit", "3", "secret argument")
		s.Env = []string{"PASSWORD=secret variable"}
		s.Logger = zap.New(core)
		if _, err := spawn.Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		s.Path = filepath.Join(t.TempDir(), "missing")
		if _, err := spawn.Run(t.Context(), s); err == nil {
			t.Fatal("no error")
		}
		all := logs.AllUntimed()
		var debug []string
		for _, e := range all {
			if e.Level == zapcore.DebugLevel {
				debug = append(debug, e.Message)
			}
		}
		if want := []string{"spawned", "exited", "spawn failed"}; !slices.Equal(debug, want) {
			t.Errorf("messages %q, want %q", debug, want)
		}
		if text := fmt.Sprintf("%+v", all); strings.Contains(text, "secret") {
			t.Errorf("logged: %s", text)
		}
	})
}

// TestPortableErr wants a status to be an error where it is asked for.
func TestPortableErr(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		state, err := spawn.Run(t.Context(), spawntest.Helper(t, "exit", "0"))
		if err != nil || state.Err() != nil {
			t.Errorf("%v, %v", err, state.Err())
		}
		state, err = spawn.Run(t.Context(), spawntest.Helper(t, "exit", "3"))
		if err != nil {
			t.Fatal(err)
		}
		var failed *spawn.ExitError
		if err := state.Err(); !errors.As(fmt.Errorf("wrapped: %w", err), &failed) || failed.ExitCode() != 3 || err.Error() != state.String() {
			t.Errorf("%v", err)
		}
		p, _ := staying(t, t.Context())
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		state, err = p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := state.Err(); !errors.As(err, &failed) || err.Error() != state.String() || failed.Success() {
			t.Errorf("%v", err)
		}
		state = nil
		if err := state.Err(); err != nil {
			t.Errorf("%v of no state", err)
		}
	})
}

// TestPortableNilContext wants a nil context to panic with words, whatever else is
// wrong.
func TestPortableNilContext(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		var none context.Context
		bad, good := &spawn.Spec{}, spawntest.Helper(t, "exit", "0")
		program, err := spawn.Compile(good)
		if err != nil {
			t.Fatal(err)
		}
		ended, err := program.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ended.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, call := range map[string]func(){
			"Start":              func() { spawn.Start(none, bad) },
			"Run":                func() { spawn.Run(none, bad) },
			"Program.Start":      func() { program.Start(none) },
			"Program.Run":        func() { program.Run(none) },
			"Process.Wait":       func() { ended.Wait(none) },
			"Process.WaitExited": func() { ended.WaitExited(none) },
		} {
			func() {
				defer func() {
					if r := recover(); r != "nil Context" {
						t.Errorf("%s panics with %v", name, r)
					}
				}()
				call()
			}()
		}
	})
}
