//go:build unix

package exec_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/safespawn/spawn/exec"
)

// plainWriter hides what a writer is, so that it could be the user's.
type plainWriter struct{ io.Writer }

// TestRunReadsAll reads what programs write at once, late, in large amounts, and
// by processes that outlive them, into writers of all kinds.
func TestRunReadsAll(t *testing.T) {
	type sink interface {
		io.Writer
		String() string
	}
	kinds := map[string]func() (w io.Writer, s sink){
		"buffer":  func() (io.Writer, sink) { b := new(bytes.Buffer); return b, b },
		"builder": func() (io.Writer, sink) { b := new(strings.Builder); return b, b },
		"plain":   func() (io.Writer, sink) { b := new(bytes.Buffer); return plainWriter{b}, b },
	}
	large := "head -c 300000 /dev/zero | tr '\\0' "
	for script, want := range map[string][2]string{
		"":                   {},
		"echo a; echo b >&2": {"a\n", "b\n"},
		"echo a; exec >&-; sleep 0.05; echo b >&2":        {"a\n", "b\n"},
		"echo b >&2; sleep 0.05; echo a; echo c >&2":      {"a\n", "b\nc\n"},
		large + "x; " + large + "y >&2":                   {strings.Repeat("x", 300000), strings.Repeat("y", 300000)},
		large + "x & " + large + "y >&2; wait":            {strings.Repeat("x", 300000), strings.Repeat("y", 300000)},
		"(sleep 0.05; echo late) & echo now; echo b >&2;": {"now\nlate\n", "b\n"},
	} {
		t.Run(strings.ReplaceAll(script, " ", "_"), func(t *testing.T) {
			t.Parallel() // most of the time is the program's
			for out, makeOut := range kinds {
				for diag, makeDiag := range kinds {
					outW, outS := makeOut()
					diagW, diagS := makeDiag()
					c := exec.Command("/bin/sh", "-c", script)
					c.Stdout, c.Stderr = outW, diagW
					err := c.Run()
					if got := [2]string{outS.String(), diagS.String()}; err != nil || got != want {
						t.Errorf("%s, %s and %s: %d and %d bytes, want %d and %d; %v", script, out, diag,
							len(got[0]), len(got[1]), len(want[0]), len(want[1]), err)
					}
				}
			}
			c := exec.Command("/bin/sh", "-c", script)
			if b, err := c.Output(); err != nil || string(b) != want[0] {
				t.Errorf("%s, Output: %d bytes, want %d; %v", script, len(b), len(want[0]), err)
			}
			c = exec.Command("/bin/sh", "-c", script)
			if b, err := c.CombinedOutput(); err != nil || len(b) != len(want[0]+want[1]) {
				t.Errorf("%s, CombinedOutput: %d bytes, want %d; %v", script, len(b), len(want[0]+want[1]), err)
			}
		})
	}
}

// TestRunWithFailingReader has the input fail while the output is read.
func TestRunWithFailingReader(t *testing.T) {
	for range 20 {
		var out bytes.Buffer
		c := exec.Command("/bin/cat")
		c.Stdin = io.MultiReader(strings.NewReader("abc"), failingReader{})
		c.Stdout = &out
		if err := c.Run(); err != errReader || out.String() != "abc" {
			t.Errorf("%q, %v", out.String(), err)
		}
	}
}

var errReader = errors.New("no more")

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errReader }
