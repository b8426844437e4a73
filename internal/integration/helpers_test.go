package integration_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

// TestHelpersAreUsed wants the name of each helper, or the variable that it is kept in,
// in another place of its package, or anywhere for those of all packages, whoever runs
// the tests and whichever are skipped.
func TestHelpersAreUsed(t *testing.T) {
	registered, named, anywhere := map[string][]string{}, map[string]map[string]int{}, map[string]int{}
	for _, s := range sources(t) {
		if named[s.pkg] == nil {
			named[s.pkg] = map[string]int{}
		}
		registered[s.pkg] = append(registered[s.pkg], helperNames(t, s.file, named[s.pkg], anywhere)...)
	}
	found := 0
	for pkg, names := range registered {
		uses := named[pkg]
		if forTests(pkg) && pkg != "internal/integration" {
			uses = anywhere
		}
		for _, name := range names {
			if uses[name] < 2 {
				t.Errorf("%s: a helper that no test uses: %s", pkg, name)
			}
		}
		found += len(names)
	}
	if found < 100 {
		t.Errorf("%d helpers were found", found)
	}
}

// helperNames finds the helpers that a file registers, and counts its strings and names.
func helperNames(t *testing.T, file string, counts ...map[string]int) (registered []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[ast.Expr]string{} // in variables
	ast.Inspect(f, func(n ast.Node) bool {
		word := ""
		switch n := n.(type) {
		case *ast.BasicLit:
			word = text(n)
		case *ast.Ident:
			word = variable(n)
		case *ast.ValueSpec:
			for i, v := range n.Values {
				if len(n.Names) == len(n.Values) && n.Names[i].Name != "_" {
					kept[v] = variable(n.Names[i])
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "RegisterHelper" {
				if name, ok := n.Args[0].(*ast.BasicLit); ok {
					registered = append(registered, cmp.Or(kept[n], text(name)))
				}
			}
		}
		for _, count := range counts {
			count[word]++
		}
		return true
	})
	return registered
}

// variable is a name that no helper has.
func variable(n *ast.Ident) string { return "variable " + n.Name }

// text is the string that a literal stands for, or its own text.
func text(lit *ast.BasicLit) string {
	if s, err := strconv.Unquote(lit.Value); err == nil {
		return s
	}
	return lit.Value
}
