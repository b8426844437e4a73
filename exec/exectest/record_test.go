package exectest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/exec/exectest"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestRecordReplay wants the same from the file as from the programs.
func TestRecordReplay(t *testing.T) {
	file := t.TempDir() + "/record"
	rec := exectest.Record(file)
	want := outcomes(t, rec.Context(t.Context()))
	if err := rec.Save(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || bytes.Contains(text, []byte("SECRET")) {
		t.Errorf("%s, %v", text, err)
	}
	f, err := exectest.Replay(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomes(t, f.Strict(t).Context(t.Context())); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := os.WriteFile(file, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exectest.Replay(file); err == nil {
		t.Error("junk was read")
	}
}

// TestRecordStep wants the step of a start that has failed to be the same.
func TestRecordStep(t *testing.T) {
	file := t.TempDir() + "/record"
	run := func(ctx context.Context) *spawn.Error {
		c := exec.CommandContext(ctx, testenv.Self(t))
		c.Attr = attr.List{attr.Chroot("/no/such/directory")}
		err := c.Run()
		var step *spawn.Error
		if !errors.As(err, &step) {
			testenv.Skip(t, fmt.Sprintf("no step: %v", err))
		}
		return step
	}
	rec := exectest.Record(file)
	want := run(rec.Context(t.Context()))
	if err := rec.Save(); err != nil {
		t.Fatal(err)
	}
	f, err := exectest.Replay(file)
	if err != nil {
		t.Fatal(err)
	}
	got := run(f.Context(t.Context()))
	if got.Error() != want.Error() || got.Part != want.Part || got.Index != want.Index || !errors.Is(got, errors.Unwrap(want)) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// outcomes runs programs of all kinds.
func outcomes(t *testing.T, ctx context.Context) string {
	var all strings.Builder
	for i, args := range [][]string{
		testenv.HelperArgs("say", "out", "diag", ""),
		testenv.HelperArgs("say", "\xff\xfe", "again", "333"),
		testenv.HelperArgs("say", "\xff\xfe", "again", "22"),
		{"no-such-program"},
		{t.Name() + "/no/such/program"},
		testenv.HelperArgs("stay"),
	} {
		ctx, cancel := context.WithCancel(ctx)
		name := args[0]
		if strings.HasPrefix(name, testenv.HelperPrefix) {
			name = testenv.Self(t)
		}
		c := exec.CommandContext(ctx, name)
		c.Args, c.Env = args, append(os.Environ(), "X=SECRET")
		var out, diag bytes.Buffer
		c.Stdout, c.Stderr = &out, &diag
		err := c.Start()
		if err == nil {
			if i == 5 {
				_ = c.Kill()
			}
			err = c.Wait()
		}
		var exit *exec.ExitError
		var pe *fs.PathError
		var ne *exec.Error
		fmt.Fprintln(&all, out.String(), diag.String(), err, errors.As(err, &exit), errors.As(err, &pe), errors.As(err, &ne))
		cancel()
	}
	return all.String()
}
