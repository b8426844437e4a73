package kernel

import (
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, testenv.Leftovers) }
