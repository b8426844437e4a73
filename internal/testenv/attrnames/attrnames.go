// Package attrnames reads the source of package attr, for tests that want
// something of each attribute.
package attrnames

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
)

// In returns the names of the attributes in the files of a directory: the exported types
// that have a method called lower. The error matches fs.ErrNotExist where there is
// no source.
func In(dir string) (names []string, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, path := range files {
		f, e := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		for _, d := range f.Decls {
			m, ok := d.(*ast.FuncDecl)
			if !ok || m.Recv == nil || m.Name.Name != "lower" {
				continue
			}
			if name := m.Recv.List[0].Type.(*ast.Ident).Name; ast.IsExported(name) {
				names = append(names, name)
			}
		}
	}
	if err == nil && len(names) < 40 {
		err = fmt.Errorf("there are more attributes than %q", names)
	}
	slices.Sort(names)
	return names, err
}
