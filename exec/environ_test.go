package exec_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/safespawn/spawn/exec"
)

// TestManyVariables compares with os/exec what is kept of long environments with
// many duplicates, and odd entries.
func TestManyVariables(t *testing.T) {
	for n := range 600 {
		env := []string{}
		for range n {
			switch i := rand.IntN(1 + n); i {
			case 0:
				env = append(env, "", "=", "==", "=C:=x", "junk", "A=\x00")
			default:
				env = append(env, fmt.Sprintf("KEY%d=%d", i/2, rand.IntN(1000)))
			}
		}
		c := &exec.Cmd{Env: env}
		if got, want := c.Environ(), theirs(c).Environ(); !slices.Equal(got, want) {
			t.Fatalf("%q is\n%q, with os/exec\n%q", env, got, want)
		}
	}
}
