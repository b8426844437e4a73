//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable_test

import (
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, testenv.Leftovers) }
