package spawn_test

import (
	"fmt"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestLastOfEachVariable wants the last entry for each key to be the only one.
func TestLastOfEachVariable(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, "environment")
		s.Env = []string{"A=1", "B=1", "HOME=/root", "A=2", "C=", "HOME=/home/x", "B=3", "C=4"}
		before := fmt.Sprint(s.Env)
		if got, want := spawntest.Output(t, s), "A=2|HOME=/home/x|B=3|C=4"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		for range 300 { // more than fit into a small set
			s.Env = append(s.Env, fmt.Sprintf("V%d=", len(s.Env)))
		}
		s.Env = append(s.Env, "V20=last")
		if got := spawntest.Output(t, s); len(got) < 300 || got[len(got)-8:] != "V20=last" {
			t.Errorf("%q", got)
		}
		if now := fmt.Sprint(s.Env[:8]); now != before {
			t.Errorf("the Spec has %s, had %s", now, before)
		}
		s.Env = append(s.Env, "A=a\x00b", "A=1")
		if _, err := spawn.Compile(s); err == nil {
			t.Error("no error for a NUL byte in what is overridden")
		}
	})
}
