package attr_test

import (
	"errors"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

// TestPrivilegeHasOneForm wants the comment of an attribute to name its privilege after
// the word "Privilege:", and to do so exactly where the table of the page does.
func TestPrivilegeHasOneForm(t *testing.T) {
	inTable := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|.*\\|.*\\|.*\\| (.*?) ?\\|$").FindAllStringSubmatch(read(t, page), -1) {
		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[1], -1) {
			inTable[name[1]] = inTable[name[1]] || row[2] != ""
		}
	}
	names, err := attrnames.In(".")
	if errors.Is(err, os.ErrNotExist) {
		testenv.Skip(t, "no source of package attr")
	}
	comments := commentsOfTypes(t)
	other := regexp.MustCompile(`(?i)\bneeds? (no privilege|CAP_)|\btakes CAP_|\. No privilege`)
	for _, name := range names {
		text := strings.Join(strings.Fields(comments[name]), " ")
		if form := other.FindString(text); form != "" {
			t.Errorf("%s: %q", name, form)
		}
		if strings.Contains(text, "Privilege: ") != inTable[name] {
			t.Errorf("%s: a privilege in the table %v, in the comment %v", name, inTable[name], !inTable[name])
		}
	}
}

// commentsOfTypes has the comments of this package's types, with those of their fields
// and constants, and of the functions that make them.
func commentsOfTypes(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name == "attr" {
			files = append(files, f)
		}
	}
	p, err := doc.NewFromFiles(set, files, "attr")
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	add := func(name string, d ast.Node) {
		ast.Inspect(d, func(n ast.Node) bool {
			if g, ok := n.(*ast.CommentGroup); ok {
				comments[name] += g.Text()
			}
			return true
		})
	}
	for _, x := range p.Types {
		comments[x.Name] += x.Doc
		add(x.Name, x.Decl)
		for _, c := range x.Consts {
			add(x.Name, c.Decl)
		}
		for _, f := range x.Funcs {
			comments[f.Name] = f.Doc
		}
	}
	return comments
}
