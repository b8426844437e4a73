package spawn_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/safespawn/spawn"
)

var _ = registerHelper("args", func(args []string) int {
	os.Stdout.WriteString(strings.Join(args, "|"))
	return len(args)
})

func TestRunReportsStatus(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		out, state, err := tryOutput(helper(t, "args", "a", "", "c d"))
		if err != nil {
			t.Fatal(err)
		}
		if state.ExitCode() != 3 || out != "a||c d" {
			t.Errorf("exit code %d, output %q", state.ExitCode(), out)
		}
	})
}

func TestMissingProgram(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/nonexistent/program"})
		var e *spawn.Error
		if !errors.As(err, &e) || !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("got %v", err)
		}
		if e.Step != "execve" || e.Path != "/nonexistent/program" || e.Index != -1 {
			t.Errorf("got %#v", e)
		}
	})
}
