package exectest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/exec/exectest"
)

// changedFiles is code under test: it knows nothing of runners.
func changedFiles(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "git", "diff", "--name-only").Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 128 {
		return nil, fmt.Errorf("no repository: %s", strings.TrimSpace(string(exit.Stderr)))
	} else if err != nil {
		return nil, err
	}
	return strings.Fields(string(out)), nil
}

func ExampleScript() {
	git := exectest.Script(
		exectest.On("git", "diff", "--name-only").Times(1).Out("go.mod\nmain.go\n"),
		exectest.On("git", "diff", "--name-only").Err("fatal: not a git repository\n").Exit(128),
	)
	ctx := git.Context(context.Background())
	fmt.Println(changedFiles(ctx))
	fmt.Println(changedFiles(ctx))
	fmt.Println(len(git.Calls()))
	// Output:
	// [go.mod main.go] <nil>
	// [] no repository: fatal: not a git repository
	// 2
}
