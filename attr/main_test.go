package attr_test

import (
	"testing"

	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Main(m, func() []string {
		pidns.EndForTest() // what DieWithParent has made stays as long as the process
		return testenv.Leftovers()
	})
}
