package plan_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/plan"
)

// TestDocumentedPhases wants the list in the documentation of package spawn to be
// the table of the phases.
func TestDocumentedPhases(t *testing.T) {
	text, err := os.ReadFile("../../doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n// # The order of the child's steps\n")
	section, _, ends := strings.Cut(section, "\n// # ")
	if !found || !ends {
		t.Fatal("doc.go has no such section")
	}
	var items []string
	for line := range strings.Lines(section) {
		line = strings.TrimPrefix(line, "//")
		switch {
		case regexp.MustCompile(`^ +[0-9]+\. `).MatchString(line):
			items = append(items, strings.Join(strings.Fields(line), " "))
		case len(items) > 0 && strings.HasPrefix(line, "     "):
			items[len(items)-1] += " " + strings.Join(strings.Fields(line), " ")
		}
	}
	for i, p := range plan.Phases {
		want, got := fmt.Sprintf("%d. %s. %s.", i+1, p.Does, p.Why), ""
		if i < len(items) {
			got = items[i]
		}
		if got != want {
			t.Errorf("documented is\n\t%s\nwant\n\t%s", got, want)
		}
	}
	if len(items) > len(plan.Phases) {
		t.Errorf("%d phases, %d are documented", len(plan.Phases), len(items))
	}
}
