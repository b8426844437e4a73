package migrate

import (
	"go/ast"
	"go/types"
	"iter"
	"strings"
)

// checkForeign finds foreign functions, fields, variables and types that have a *os/exec.Cmd.
func (c *checker) checkForeign() {
	c.in.Preorder([]ast.Node{(*ast.Ident)(nil)}, func(n ast.Node) {
		id := n.(*ast.Ident)
		obj := c.TypesInfo.Uses[id]
		if obj == nil || obj.Pkg() == nil || obj.Pkg() == c.Pkg || obj.Pkg().Path() == from || obj.Pkg().Path() == to || !mentionsCmd(obj) {
			return
		}
		name := obj.Pkg().Name() + "." + obj.Name()
		switch path := obj.Pkg().Path(); {
		case !c.belongs(strings.TrimSuffix(path, "_test")):
			c.foreign = append(c.foreign, id)
			c.report(id, "foreign", "%s of %s has a *os/exec.Cmd: use FromStd and Std there, or leave the import", name, path)
		case c.ImportPackageFact(obj.Pkg(), new(stays)):
			c.foreign = append(c.foreign, id)
			c.report(id, "foreign", "%s has a *os/exec.Cmd, and package %s stays with os/exec", name, path)
		}
	})
}

// mentionsCmd reports whether the type of an object has a Cmd of os/exec. A type does if it
// is another name of Cmd, or if code that fits the type names Cmd. The fields and methods of
// other named types are objects of their own, and are looked at where they are used.
func mentionsCmd(obj types.Object) bool { return (&walk{}).object(obj) }

// walk looks through types.
type walk struct {
	within *types.Package // also the exported fields and methods of types of this package
	seen   map[types.Type]bool
}

func (w *walk) object(obj types.Object) bool {
	switch obj := obj.(type) {
	case *types.Func:
		return w.mentions(obj.Origin().Signature())
	case *types.Var:
		return w.mentions(obj.Origin().Type())
	case *types.TypeName:
		return w.mentions(obj.Type())
	}
	return false
}

func (w *walk) mentions(t types.Type) bool {
	if w.seen[t] {
		return false
	}
	if w.seen == nil {
		w.seen = map[types.Type]bool{}
	}
	w.seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		return w.mentions(types.Unalias(t))
	case *types.Named:
		return w.named(t)
	case *types.Map:
		return w.mentions(t.Key()) || w.mentions(t.Elem())
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		return w.mentions(t.Elem())
	case *types.Signature:
		return w.mentions(t.Params()) || w.mentions(t.Results())
	case *types.Tuple:
		return some(t.Variables(), func(v *types.Var) bool { return w.mentions(v.Type()) })
	case *types.Struct:
		return some(t.Fields(), func(f *types.Var) bool { return w.mentions(f.Type()) })
	case *types.Interface:
		return some(t.Methods(), func(m *types.Func) bool { return w.mentions(m.Type()) })
	}
	return false
}

func (w *walk) named(t *types.Named) bool {
	if isCmd(t) || some(t.TypeArgs().Types(), w.mentions) {
		return true
	}
	pkg := t.Obj().Pkg()
	if pkg != nil && pkg.Path() == from {
		return false
	}
	within := pkg != nil && pkg == w.within
	if within && some(t.Methods(), func(m *types.Func) bool { return m.Exported() && w.mentions(m.Type()) }) {
		return true
	}
	if s, ok := t.Underlying().(*types.Struct); ok {
		return within && some(s.Fields(), func(f *types.Var) bool { return (f.Exported() || f.Embedded()) && w.mentions(f.Type()) })
	}
	return w.mentions(t.Underlying())
}

// some reports whether is holds for one of all.
func some[T any](all iter.Seq[T], is func(T) bool) bool {
	for one := range all {
		if is(one) {
			return true
		}
	}
	return false
}

// isCmd reports whether t is Cmd of os/exec.
func isCmd(t types.Type) bool { return isNamed(t, from, "Cmd") }

// isCmdPointer reports whether t is *Cmd of os/exec.
func isCmdPointer(t types.Type) bool { return isPointerTo(t, from, "Cmd") }

func isPointerTo(t types.Type, pkg, name string) bool {
	if t == nil {
		return false
	}
	p, ok := types.Unalias(t).(*types.Pointer)
	return ok && isNamed(p.Elem(), pkg, name)
}

func isNamed(t types.Type, pkg, name string) bool {
	if t == nil {
		return false
	}
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == name && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == pkg
}
