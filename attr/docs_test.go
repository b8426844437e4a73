package attr_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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

// attributes are the names of the types that a List can hold.
func attributes(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			m, ok := d.(*ast.FuncDecl)
			if ok && m.Recv != nil && m.Name.Name == "lower" {
				names = append(names, m.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	if len(names) < 40 {
		t.Fatalf("only %q", names)
	}
	return names
}

// TestPageHasAll wants a row and an example of each attribute on the page.
func TestPageHasAll(t *testing.T) {
	text := read(t, page)
	for _, name := range attributes(t) {
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
	for line := range strings.SplitSeq(read(t, "example_linux_test.go"), "\n") {
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

// squeeze makes one space of many.
func squeeze(line string) string { return strings.Join(strings.Fields(line), " ") }
