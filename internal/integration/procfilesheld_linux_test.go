//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestBesideHeldChild has a child that has changed its ids and is held up before
// execve. Starts that have to wait for it do so for as long as their context lasts,
// and then for as long as it takes; those that don't have to are not behind them.
func TestBesideHeldChild(t *testing.T) {
	s := spawntest.Helper(t, "beside held")
	testenv.NeedRoot(t)
	s.Attr = attr.List{attr.AmbientCaps{unix.CAP_SETUID, unix.CAP_SETGID}}
	s.Args = append(s.Args, testenv.PublicDir(t))
	if err := os.Chmod(s.Args[len(s.Args)-1], 0o777); err != nil {
		t.Fatal(err)
	}
	spawntest.RunByNobody(t, s)
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("beside held", func(args []string) int {
	fifo := filepath.Join(args[0], "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := os.Chmod(fifo, 0o666); err != nil {
		fmt.Println(err)
		return 1
	}
	held := spawntest.Shell(":", attr.Credential{UID: 1000, GID: 1000})
	held.Actions.Open(0, fifo, os.O_RDONLY, 0)
	done := make(chan error)
	go func() {
		_, err := spawn.Run(context.Background(), held)
		done <- err
	}()
	if !testenv.Soon(func() bool { return strings.HasPrefix(testenv.OnlyChild().Status["Uid"], "1000") }) {
		return testenv.Status(errors.New("no child has changed its ids"))
	}
	err := besideShortly()
	waiting := make(chan error, 2)
	go func() {
		_, err := spawn.Run(context.Background(), scored)
		waiting <- err
	}()
	_, other := spawn.Run(context.Background(), spawntest.Shell(":", attr.Credential{UID: 1000, GID: 1000}))
	select {
	case early := <-waiting:
		err = errors.Join(err, fmt.Errorf("before the held child: %w", early))
		waiting <- nil
	default:
	}
	w, oerr := testenv.OpenWriter(fifo)
	if oerr == nil {
		defer w.Close()
	}
	return testenv.Status(errors.Join(err, other, oerr, <-done, <-waiting))
})

// scored is refused beside a child that has changed its ids.
var scored = spawntest.Shell(":", attr.OOMScoreAdj(1000))

func besideShortly() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := spawn.Start(ctx, scored); err != context.DeadlineExceeded {
		return fmt.Errorf("for 20 ms: %w", err)
	}
	return nil
}
