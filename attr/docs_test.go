package attr_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

const page = "../docs/attributes.md"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPageHasAll wants a row and an example of each attribute on the page.
func TestPageHasAll(t *testing.T) {
	text := read(t, page)
	names, err := attrnames.In(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !regexp.MustCompile("(?m)^\\|.*`" + name + "`.*\\|.*\\|.*\\|.*\\|$").MatchString(text) {
			t.Errorf("no row for %s", name)
		}
		if !regexp.MustCompile("(?m)^\t*[a-z, :=]*attr\\.(New)?" + name + "\\b|// or attr\\." + name + "\\b").MatchString(text) {
			t.Errorf("no example of %s in Go", name)
		}
	}
}

// TestPageCompiles wants the page's lines of Go to be among those of the examples.
func TestPageCompiles(t *testing.T) {
	compiled := map[string]bool{}
	for line := range strings.SplitSeq(read(t, "example_linux_test.go")+read(t, "examplefilters_linux_test.go"), "\n") {
		compiled[squeeze(line)] = true
	}
	n := 0
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
		for line := range strings.SplitSeq(block[1], "\n") {
			n++
			if !compiled[squeeze(line)] {
				t.Errorf("not in the examples: %s", line)
			}
		}
	}
	if n < 50 {
		t.Errorf("%d lines", n)
	}
}

// TestPageHasPairs wants a row for each contradiction.
func TestPageHasPairs(t *testing.T) {
	_, section, _ := strings.Cut(read(t, page), "\n## What excludes what\n")
	for _, x := range contradictions {
		a, b := quoted(x.a), quoted(x.b)
		found := false
		for line := range strings.Lines(section) {
			found = found || strings.HasPrefix(line, "| ") && strings.Contains(line, a) && strings.Contains(line, b)
		}
		if !found {
			t.Errorf("no row for %s and %s", a, b)
		}
	}
}

func quoted(a attr.Attr) string { return "`" + reflect.TypeOf(a).Name() + "`" }

// squeeze makes one space of many.
func squeeze(line string) string { return strings.Join(strings.Fields(line), " ") }
