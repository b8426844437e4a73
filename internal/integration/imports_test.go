package integration_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

const module = "github.com/safespawn/spawn"

// layers are the packages of this module. One may import those of the layers above it
// in this list, and no others. Package spawn is the one without a name.
var layers = [][]string{
	{"internal/raw", "internal/nofile", "internal/highfd", "internal/names", "internal/environ", "internal/logs", "internal/stop", "slogspawn"},
	{"internal/plan", "internal/kernel"},
	{"internal/lasting"},
	{"internal/cgroup", "internal/group", "internal/orphans", "internal/pidns"},
	{"internal/tree"},
	{"attr", "internal/fdtable"},
	{"internal/attrlist", "internal/dumpable", "lookup"},
	{"internal/engine", "internal/forkexec"},
	{""},
	{"internal/handover"},
	{"exec"},
	{"exec/exectest"},
	{"examples"},
}

// layerName is the name of a package in layers. The programs in examples have one name.
func layerName(pkg string) string {
	if strings.HasPrefix(pkg, "examples/") {
		return "examples"
	}
	return pkg
}

// mayBeUnsafe are the packages that may import package unsafe.
var mayBeUnsafe = []string{"internal/raw", "internal/raw/rawtest", "internal/nofile"}

// forTests reports whether a package is for tests only.
func forTests(pkg string) bool {
	return strings.HasPrefix(pkg, "internal/testenv") || pkg == "internal/integration" || pkg == "internal/faults" || pkg == "internal/raw/rawtest"
}

// source is a file of this module, for any system.
type source struct {
	pkg, file string
	imports   []string
}

func (s *source) isTest() bool { return strings.HasSuffix(s.file, "_test.go") }

// sources reads what the files of this module import, but for those of nested modules.
func sources(t *testing.T) (list []source) {
	t.Helper()
	const root = "../.."
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		testenv.Skip(t, "no source code here")
	}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(name, "go.mod"))
			if name != root && (err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".git")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		s := source{pkg: strings.TrimPrefix(filepath.ToSlash(dir), "."), file: name}
		for _, i := range f.Imports {
			what, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, what)
		}
		list = append(list, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestLayers wants each package to import only what is below it, on all systems, and
// code for tests to be imported by tests alone.
func TestLayers(t *testing.T) {
	layerOf := map[string]int{}
	for i, layer := range layers {
		for _, pkg := range layer {
			layerOf[pkg] = i
		}
	}
	found := map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() || forTests(s.pkg) {
			continue
		}
		found[layerName(s.pkg)] = true
		own, ok := layerOf[layerName(s.pkg)]
		if !ok {
			t.Errorf("%s: package %s is in no layer", s.file, s.pkg)
			continue
		}
		for _, i := range s.imports {
			other, ours := strings.CutPrefix(i, module)
			if !ours {
				continue
			}
			other = strings.TrimPrefix(other, "/")
			if layer, ok := layerOf[other]; !ok || layer >= own {
				t.Errorf("%s imports %s", s.file, i)
			}
		}
	}
	for pkg := range layerOf {
		if !found[pkg] {
			t.Errorf("there is no package %s", path.Join(module, pkg))
		}
	}
}

// TestLayersTable wants CONTRIBUTING.md to have the layers.
func TestLayersTable(t *testing.T) {
	text, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		testenv.Skip(t, "no documentation here")
	}
	_, table, _ := strings.Cut(string(text), "| packages | what is in them |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var got [][]string
	for row := range strings.Lines(table) {
		names := strings.Split(strings.Split(row, " | ")[0], ", ")
		for i, name := range names {
			if names[i] = strings.Trim(name, "| `"); names[i] == "the root" {
				names[i] = ""
			}
		}
		got = append(got, names)
	}
	if !slices.EqualFunc(got, layers, slices.Equal[[]string]) {
		t.Errorf("the table has %q", got)
	}
}

// TestUnsafe wants package unsafe, without which linkname is not allowed either, to be
// imported only where it may be.
func TestUnsafe(t *testing.T) {
	for _, s := range sources(t) {
		if slices.Contains(s.imports, "unsafe") && !slices.Contains(mayBeUnsafe, s.pkg) {
			t.Errorf("%s imports package unsafe", s.file)
		}
	}
}
