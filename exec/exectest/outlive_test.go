package exectest_test

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/exec/exectest"
	"github.com/safespawn/spawn/internal/testenv"
)

// leaves is a Cmd that is recorded. Its program leaves a process behind that has its streams
// and ends when the file is closed.
func leaves(t *testing.T) (*exec.Cmd, io.Closer) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	c := exec.CommandContext(exectest.Record("").Context(t.Context()), testenv.Self(t))
	c.Args, c.Stdin = testenv.HelperArgs("leave"), r
	return c, w
}

// TestRecordOutlived records programs that a descendant outlives: Wait does not wait for it
// where it would not without the Recorder.
func TestRecordOutlived(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var buffer bytes.Buffer
	for _, test := range []struct {
		name  string
		to    io.Writer
		delay time.Duration
		want  error
	}{
		{"file", file, 0, nil},
		{"buffer", &buffer, time.Millisecond, exec.ErrWaitDelay},
	} {
		c, _ := leaves(t)
		c.Stdout, c.WaitDelay = test.to, test.delay
		if err := c.Run(); err != test.want {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// TestRecordOutlivedPipe wants all from StdoutPipe that the descendant writes.
func TestRecordOutlivedPipe(t *testing.T) {
	c, w := leaves(t)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got, err := io.ReadAll(out); string(got) != "late" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
