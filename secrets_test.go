package spawn_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestSecretsAreKept wants arguments and environment in no error, event or log entry,
// whatever has become of the program.
func TestSecretsAreKept(t *testing.T) {
	dir := t.TempDir()
	text := testenv.Write(t, filepath.Join(dir, "text"), "text\n", 0o755)
	long := strings.Repeat(testenv.Secret, 1<<22/len(testenv.Secret))
	ends := map[string]func(s *spawn.Spec){
		"status":           func(*spawn.Spec) {},
		"no program":       func(s *spawn.Spec) { s.Path = filepath.Join(dir, "missing") },
		"not a program":    func(s *spawn.Spec) { s.Path = text },
		"a directory":      func(s *spawn.Spec) { s.Path = dir },
		"no path":          func(s *spawn.Spec) { s.Path = "" },
		"NUL in argument":  func(s *spawn.Spec) { s.Args = append(s.Args, testenv.Secret+"\x00") },
		"NUL in variable":  func(s *spawn.Spec) { s.Env = append(s.Env, "A="+testenv.Secret+"\x00") },
		"variable of none": func(s *spawn.Spec) { s.Env = append(s.Env, testenv.Secret) },
		"name of none":     func(s *spawn.Spec) { s.Env = append(s.Env, "="+testenv.Secret) },
		"long argument":    func(s *spawn.Spec) { s.Args = append(s.Args, long) },
		"long variable":    func(s *spawn.Spec) { s.Env = append(s.Env, "A="+long) },
		"PIDVariable":      func(s *spawn.Spec) { s.PIDVariable = "=" },
		"no file":          func(s *spawn.Spec) { s.Actions.Open(0, filepath.Join(dir, "missing"), os.O_RDONLY, 0) },
		"no descriptor":    func(s *spawn.Spec) { s.Actions.Dup2(500, 1) },
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, end := range ends {
			core, logs := observer.New(zapcore.DebugLevel)
			o := &events{}
			s := spawntest.Helper(t, "exit 5", testenv.Secret)
			s.Env = append(s.Env, "PASSWORD="+testenv.Secret)
			s.Observer, s.Logger = o, zap.New(core)
			end(s)
			state, err := spawn.Run(t.Context(), s)
			if err == nil && runtime.GOOS == "linux" && name != "status" && !strings.HasSuffix(name, "of none") {
				t.Errorf("%s: no error", name)
			}
			testenv.KeepsSecret(t, name, state, err)
			for _, e := range append(o.started, o.ended...) {
				testenv.KeepsSecret(t, name, e, e.Err, e.State)
			}
			for _, e := range logs.All() {
				testenv.KeepsSecret(t, name, e.Message, e.ContextMap())
			}
			p, err := spawn.Compile(s)
			testenv.KeepsSecret(t, name, err)
			if err == nil {
				testenv.KeepsSecret(t, name, p.Steps())
			}
		}
	})
}

// TestSecretsOfTheLiving is TestSecretsAreKept of a child that lives, and is ended by a
// context.
func TestSecretsOfTheLiving(t *testing.T) {
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer hold.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	spawntest.EachEngine(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := &events{}
		s := spawntest.Helper(t, "stay", testenv.Secret)
		s.Env, s.Observer = append(s.Env, "PASSWORD="+testenv.Secret), o
		s.Actions.File(in, 0)
		s.Actions.File(null, 1)
		p, err := spawn.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		state, err := p.Wait(ctx)
		testenv.KeepsSecret(t, "canceled", state, err)
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		state, err = p.Wait(context.Background())
		testenv.KeepsSecret(t, "killed", state, err, o.started, o.ended)

		// The process itself has no goroutine that writes to it, unless it is observed or a
		// wait is canceled.
		s.Observer = nil
		p, err = spawn.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		testenv.KeepsSecret(t, "runs", p)
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		state, err = p.Wait(context.Background())
		testenv.KeepsSecret(t, "killed", p, state, err)
	})
}
