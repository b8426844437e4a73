package attr_test

import (
	"regexp"
	"testing"

	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

// TestSecurityHasAll wants a row for each attribute on the page about shared memory,
// and none for what is none.
func TestSecurityHasAll(t *testing.T) {
	text := read(t, "../docs/security.md")
	names, err := attrnames.In(".")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|.*\\|.*\\|.*\\|.*\\|$").FindAllStringSubmatch(text, -1) {
		if rows[row[1]] {
			t.Errorf("two rows for %s", row[1])
		}
		rows[row[1]] = true
	}
	for _, name := range names {
		if !rows[name] {
			t.Errorf("no row for %s", name)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("%s is no attribute", name)
	}
}
