package plan_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// constants are the constants of a file whose names begin with Step, and what they
// are: a string, or the name of a constant of package plan.
func constants(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Step") || len(spec.Values) != 1 {
			return true
		}
		switch v := spec.Values[0].(type) {
		case *ast.BasicLit:
			list[spec.Names[0].Name], _ = strconv.Unquote(v.Value)
		case *ast.SelectorExpr:
			list[spec.Names[0].Name] = v.Sel.Name
		}
		return true
	})
	return list
}

// TestStepNames wants the names of steps to be regular, each once, exported from
// package spawn under the same name, and to be the list in its documentation.
func TestStepNames(t *testing.T) {
	table, exported := constants(t, "stepnames.go"), constants(t, "../../errors.go")
	var names []string
	for constant, name := range table {
		if !regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z]+)*$`).MatchString(name) {
			t.Errorf("%s is %q", constant, name)
		}
		if exported[constant] != constant {
			t.Errorf("spawn.%s is %q", constant, exported[constant])
		}
		names = append(names, name)
	}
	if len(exported) != len(table) {
		t.Errorf("%d are exported, of %d", len(exported), len(table))
	}
	documented := documentedSteps(t)
	slices.Sort(names)
	if got := slices.Sorted(maps.Keys(documented)); !slices.Equal(got, names) {
		t.Errorf("documented are\n\t%s\nwant\n\t%s", got, names)
	}
}

// documentedSteps are the names of steps in the documentation of package spawn.
func documentedSteps(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(text), "// The names of steps are constants")
	_, list, begins := strings.Cut(list, "\n//   - ")
	list, _, ends := strings.Cut(list, ".\n//\n")
	if !found || !begins || !ends {
		t.Fatal("doc.go has no list of steps")
	}
	steps := map[string]bool{}
	for item := range strings.SplitSeq("\n//   - "+list, "\n//   - ") {
		_, item, _ = strings.Cut(item, ": ")
		for name := range strings.FieldsFuncSeq(item, func(r rune) bool { return strings.ContainsRune(" ,;/\n", r) }) {
			if name != "and" && name != "too" {
				steps[name] = true
			}
		}
	}
	return steps
}

// TestNoOtherSteps wants no names of steps in the code but by their constants.
func TestNoOtherSteps(t *testing.T) {
	takes := regexp.MustCompile(`\b(?:Step|AttrStep|StartStep|ActionStep|AttrError|SpecError|StartError|invalid)\("|\bStep: *"|\bPart: *[\w.]+, Name: *"|\.Step [!=]= "`)
	for _, dir := range []string{"../..", "../../attr", "../../exec", "../../cmd/spawn", "../engine", "../fdtable", "../dumpable", "../forkexec", "."} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			text, err := os.ReadFile(dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range takes.FindAllString(string(text), -1) {
				t.Errorf("%s/%s: a name without a constant after %q", dir, f.Name(), found)
			}
		}
	}
}
