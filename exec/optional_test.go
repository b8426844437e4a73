package exec_test

import (
	"errors"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestOptional has a Cmd tell of its optional attributes, whatever it adds to them. Only the
// engine can set them.
func TestOptional(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, tree := range []bool{false, true} {
			cmd := exec.Command(testenv.Self(t))
			cmd.Args = testenv.HelperArgs("nothing")
			cmd.Tree = tree
			cmd.Attr = attr.List{attr.SigDefault{}, attr.Optional(attr.Nice(19)), attr.Optional(attr.CPUAffinity{65535})}
			if list := cmd.Applied(); list != nil {
				t.Errorf("before the start: %+v", list)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			engine := spawn.Features().Has(spawn.FeatureEngine)
			for range 2 {
				applied := [][]spawn.Applied{cmd.Applied()}
				if p := cmd.Spawned(); p != nil {
					applied = append(applied, p.Applied())
				}
				for _, list := range applied {
					var e *spawn.Error
					if len(list) != 2 || list[0].Index != 1 || list[0].Done != engine || !errors.As(list[1].Err, &e) || e.Index != 2 {
						t.Fatalf("tree %v: %+v", tree, list)
					}
				}
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
