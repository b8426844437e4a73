package examples_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

// recipe is the body of a function on the page, and which package exec it means.
type recipe struct{ name, body, exec string }

const (
	module = "github.com/safespawn/spawn"
	stdlib = "os/exec"
)

// cookbook reads the page: each recipe has a block of Go, and one with os/exec.
func cookbook(t *testing.T) (list []recipe) {
	t.Helper()
	page, err := os.ReadFile("../docs/cookbook.md")
	if err != nil {
		testenv.Skip(t, "no source code here")
	}
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		name, _, _ := strings.Cut(section, "\n")
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(section, -1)
		if len(blocks) != 2 {
			t.Errorf("%s: %d blocks of Go", name, len(blocks))
			continue
		}
		list = append(list, recipe{name, blocks[0][1], module + "/exec"}, recipe{name + ", with os/exec", blocks[1][1], stdlib})
	}
	if len(list) < 2*20 {
		t.Errorf("%d recipes", len(list)/2)
	}
	return list
}

// TestCookbook wants each recipe to compile.
func TestCookbook(t *testing.T) {
	list := cookbook(t)
	files := token.NewFileSet()
	packages := importer.ForCompiler(files, "gc", exported(t))
	for i, r := range list {
		text := fmt.Sprintf("package recipe%d\nimport (%s)\nfunc recipe(ctx context.Context) error {\n//line %q:1\n%s\nreturn nil\n}\n",
			i, imports(r), r.name, r.body)
		f, err := parser.ParseFile(files, r.name, text, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		// A soft error is about a variable, or an import, that is not used.
		config := types.Config{Importer: packages, Error: func(err error) {
			if e, ok := err.(types.Error); !ok || !e.Soft {
				t.Error(r.name, err)
			}
		}}
		_, _ = config.Check(r.exec, files, []*ast.File{f}, nil) // Error has got it
	}
}

var used = []string{
	"context", "errors", "fmt", "io", "os", "os/user", "runtime", "strconv", "sync", "syscall", "time", "golang.org/x/sys/unix",
	module, module + "/attr", module + "/lookup",
}

func imports(r recipe) string {
	list := []string{"\"" + r.exec + "\""}
	for _, pkg := range used {
		if r.exec != stdlib || !strings.HasPrefix(pkg, module) {
			list = append(list, "\""+pkg+"\"")
		}
	}
	return strings.Join(list, "; ")
}

// exported finds what the compiler has left of packages.
func exported(t *testing.T) func(pkg string) (io.ReadCloser, error) {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		testenv.Skip(t, "no go tool")
	}
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "-tags", tags(), stdlib, module + "/exec"}, used...)
	list := exec.Command(tool, args...)
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		testenv.Skip(t, "the go tool can't load this module")
	}
	paths := map[string]string{}
	for line := range strings.Lines(string(out)) {
		pkg, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		paths[pkg] = path
	}
	return func(pkg string) (io.ReadCloser, error) { return os.Open(paths[pkg]) }
}
