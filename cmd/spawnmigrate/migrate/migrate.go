// Package migrate has the analyzer of command spawnmigrate.
package migrate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

const (
	from = "os/exec"
	to   = "github.com/safespawn/spawn/exec"
)

// Analyzer lists what a change of the import from os/exec to package exec of spawn breaks,
// and suggests the change in packages where no foreign package is in the way. The category of
// a diagnostic is one of import, foreign, error, descriptor, sysprocattr, value and linkname.
var Analyzer = &analysis.Analyzer{
	Name:      "spawnmigrate",
	Doc:       "list what a change of import from os/exec to " + to + " breaks",
	URL:       "https://pkg.go.dev/github.com/safespawn/spawn/cmd/spawnmigrate",
	Run:       run,
	Requires:  []*analysis.Analyzer{inspect.Analyzer},
	FactTypes: []analysis.Fact{new(stays)},
}

var (
	own string // of -own
	api bool   // of -api
)

func init() {
	Analyzer.Flags.StringVar(&own, "own", "", "modules or packages, separated by commas, that are changed together with the package's module")
	Analyzer.Flags.BoolVar(&api, "api", false, "also change packages with a *exec.Cmd in exported names: who uses these must be changed, too")
}

// stays is the fact of a package that goes on using os/exec.
type stays struct{}

func (*stays) AFact()         {}
func (*stays) String() string { return "stays" }

// checker looks at one package.
type checker struct {
	*analysis.Pass
	in      *inspector.Inspector
	imports []*ast.ImportSpec // of os/exec
	foreign []ast.Node        // what is in the way
}

func run(pass *analysis.Pass) (any, error) {
	c := &checker{Pass: pass, in: pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)}
	for _, f := range pass.Files {
		for _, spec := range f.Imports {
			if importPath(spec) == from {
				c.imports = append(c.imports, spec)
			}
		}
	}
	c.checkForeign()
	if len(c.imports) == 0 {
		c.checkIgnored()
		return nil, nil
	}
	c.checkFunctions()
	c.checkValues()
	c.checkSysProcAttr()
	c.checkLinknames()
	c.change()
	return nil, nil
}

// change suggests the other import, or says why not.
func (c *checker) change() {
	why := ""
	switch exported := c.exportedCmd(); {
	case len(c.foreign) > 0:
		why = "a foreign package has to do with its Cmd: " + c.position(c.foreign[0])
	case exported != nil && !api:
		why = "exported " + exported.Name() + " has a *exec.Cmd: see -api"
	}
	if why != "" {
		c.ExportPackageFact(new(stays))
	}
	elsewhere := c.testsImport()
	for _, spec := range c.imports {
		d := analysis.Diagnostic{Pos: spec.Path.Pos(), End: spec.Path.End(), Category: "import", Message: "os/exec stays in this package: " + why}
		switch {
		case why == "" && elsewhere:
			continue // the package with its tests has all files, and is looked at, too
		case why == "":
			d.Message = "import of os/exec can be that of " + to
			d.SuggestedFixes = []analysis.SuggestedFix{{
				Message:   "Change the import to " + to,
				TextEdits: []analysis.TextEdit{{Pos: d.Pos, End: d.End, NewText: []byte(strconv.Quote(to))}},
			}}
		}
		c.Report(d)
	}
	c.checkIgnored()
}

// exportedCmd is an exported name of the package by which others get at a Cmd. A command and
// tests are imported by nobody.
func (c *checker) exportedCmd() types.Object {
	if c.Pkg.Name() == "main" || strings.HasSuffix(c.Pkg.Name(), "_test") {
		return nil
	}
	scope := c.Pkg.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		if !obj.Exported() || strings.HasSuffix(c.Fset.Position(obj.Pos()).Filename, "_test.go") {
			continue
		}
		if (&walk{within: c.Pkg}).object(obj) {
			return obj
		}
	}
	return nil
}

// testsImport reports whether tests of this package, which are not among its files, import
// os/exec.
func (c *checker) testsImport() bool {
	seen := map[string]bool{}
	for _, f := range c.Files {
		seen[c.Fset.Position(f.Package).Filename] = true
	}
	tests, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Fset.Position(c.Files[0].Package).Filename), "*_test.go"))
	for _, name := range tests {
		if !seen[name] && !slices.Contains(c.IgnoredFiles, name) && c.imported(name) {
			return true
		}
	}
	return false
}

// imported reports whether a file of this package imports os/exec.
func (c *checker) imported(name string) bool {
	content, err := os.ReadFile(name)
	if err != nil {
		return false
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly)
	if err != nil || f.Name.Name != c.Pkg.Name() {
		return false
	}
	for _, spec := range f.Imports {
		if importPath(spec) == from {
			return true
		}
	}
	return false
}

// checkIgnored names files for other systems, which nobody has looked at.
func (c *checker) checkIgnored() {
	if len(c.Files) == 0 {
		return
	}
	var at ast.Node = c.Files[0].Name
	if len(c.imports) > 0 {
		at = c.imports[0].Path
	}
	for _, name := range c.IgnoredFiles {
		if strings.HasSuffix(name, ".go") && c.imported(name) {
			c.report(at, "import", "%s imports os/exec and was not looked at: run with its GOOS, GOARCH and -tags, too", filepath.Base(name))
		}
	}
}

// checkLinknames finds names that are taken out of os/exec.
func (c *checker) checkLinknames() {
	for _, f := range c.Files {
		for _, group := range f.Comments {
			for _, line := range group.List {
				if strings.HasPrefix(line.Text, "//go:linkname ") && strings.Contains(line.Text, " "+from+".") {
					c.report(line, "linkname", "linkname into os/exec: the Cmd of %s has other insides", to)
				}
			}
		}
	}
}

// belongs reports whether a package is changed together with this one.
func (c *checker) belongs(path string) bool {
	roots := strings.Split(own, ",")
	if c.Module != nil {
		roots = append(roots, c.Module.Path)
	}
	for _, root := range append(roots, c.Pkg.Path()) {
		if root != "" && (path == root || strings.HasPrefix(path, root+"/")) {
			return true
		}
	}
	return false
}

func (c *checker) report(n ast.Node, category, format string, args ...any) {
	c.Report(analysis.Diagnostic{Pos: n.Pos(), End: n.End(), Category: category, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) position(n ast.Node) string {
	p := c.Fset.Position(n.Pos())
	return filepath.Base(p.Filename) + ":" + strconv.Itoa(p.Line)
}

func importPath(spec *ast.ImportSpec) string {
	path, _ := strconv.Unquote(spec.Path.Value)
	return path
}
