package exec_test

import (
	"os"
	osexec "os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestPageHasWhatIsNew wants docs/migrating.md to have a row for each field of Cmd that
// os/exec has not, and to name each method.
func TestPageHasWhatIsNew(t *testing.T) {
	page, err := os.ReadFile("../docs/migrating.md")
	if err != nil {
		testenv.Skip(t, "no source code here")
	}
	_, text, _ := strings.Cut(string(page), "\n## What is new\n")
	ours, theirs := reflect.TypeFor[exec.Cmd](), reflect.TypeFor[osexec.Cmd]()
	for _, f := range reflect.VisibleFields(ours) {
		if _, there := theirs.FieldByName(f.Name); f.IsExported() && !there && !strings.Contains(text, "\n| `"+f.Name+"` |") {
			t.Errorf("no row for the field %s", f.Name)
		}
	}
	for i := range reflect.PointerTo(ours).NumMethod() {
		name := reflect.PointerTo(ours).Method(i).Name
		named := regexp.MustCompile("`([Cc]md\\.)?" + name + "\\b")
		if _, there := reflect.PointerTo(theirs).MethodByName(name); !there && !named.Match(page) {
			t.Errorf("the method %s is not named", name)
		}
	}
}
