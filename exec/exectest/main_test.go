package exectest_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, func() []string { return nil }) }

func init() {
	testenv.RegisterHelper("say", func(args []string) int {
		fmt.Fprint(os.Stdout, args[0])
		fmt.Fprint(os.Stderr, args[1])
		return len(args[2])
	})
	testenv.RegisterHelper("stay", func([]string) int {
		time.Sleep(time.Hour)
		return 0
	})
}
