package migrate

import (
	"go/token"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"
)

// TestFindings takes Chroot for a field of a newer Go.
func TestFindings(t *testing.T) {
	own = "keeps"
	delete(knownSysFields, "Chroot")
	defer func() { own, knownSysFields["Chroot"] = "", true }()
	packages := []string{"hands", "keeps/user", "errs", "vals", "elsewhere"}
	if runtime.GOOS == "linux" {
		packages = append(packages, "fds", "attrs")
	}
	analysistest.Run(t, analysistest.TestData(), Analyzer, packages...)
}

func TestFix(t *testing.T) {
	analysistest.RunWithSuggestedFixes(t, analysistest.TestData(), Analyzer, "fine")
}

// TestFixTests wants the imports of a package to stay if its tests have a foreign package.
func TestFixTests(t *testing.T) {
	said := map[string]bool{}
	for _, r := range analysistest.Run(unchecked{}, analysistest.TestData(), Analyzer, "withtests") {
		for _, d := range r.Diagnostics {
			if len(d.SuggestedFixes) > 0 {
				t.Errorf("a fix: %s", d.Message)
			}
			said[name(r.Pass.Fset, d.Pos)+" "+d.Category] = true
		}
	}
	for _, want := range []string{"withtests.go import", "withtests_test.go import", "withtests_test.go foreign"} {
		if !said[want] {
			t.Errorf("no %s in %v", want, said)
		}
	}
}

func name(fset *token.FileSet, pos token.Pos) string {
	file := fset.Position(pos).Filename
	return file[strings.LastIndexAny(file, `/\`)+1:]
}

// unchecked leaves what is found to the test.
type unchecked struct{}

func (unchecked) Errorf(string, ...any) {}
