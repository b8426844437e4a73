package migrate

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// checkValues finds code to which a Cmd is more than its fields and methods.
func (c *checker) checkValues() {
	c.in.Preorder([]ast.Node{(*ast.CallExpr)(nil)}, func(n ast.Node) { c.given(n.(*ast.CallExpr)) })
	c.in.WithStack([]ast.Node{(*ast.StarExpr)(nil)}, func(n ast.Node, push bool, stack []ast.Node) bool {
		if push && c.copied(n.(*ast.StarExpr), stack[len(stack)-2]) {
			c.report(n, "value", "a copy of a Cmd has its own state: a copy of one that was started can't be waited for")
		}
		return true
	})
}

// copied reports whether *p is a Cmd, and is used as a value.
func (c *checker) copied(n *ast.StarExpr, parent ast.Node) bool {
	if tv := c.TypesInfo.Types[n]; !tv.IsValue() || !isCmd(tv.Type) {
		return false
	}
	switch parent := parent.(type) {
	case *ast.SelectorExpr, *ast.ParenExpr, *ast.UnaryExpr:
		return false
	case *ast.AssignStmt:
		for _, e := range parent.Lhs {
			if e == n {
				return false
			}
		}
	}
	return true
}

// given looks at calls that get a Cmd as an interface.
func (c *checker) given(call *ast.CallExpr) {
	fn, _ := typeutil.Callee(c.TypesInfo, call).(*types.Func)
	if fn == nil || fn.Pkg() == nil {
		return
	}
	path := fn.Pkg().Path()
	for i, arg := range call.Args {
		if !isCmdPointer(c.TypesInfo.TypeOf(arg)) && !isCmd(c.TypesInfo.TypeOf(arg)) || !toEmptyInterface(fn, i) {
			continue
		}
		switch {
		case path == "reflect":
			c.report(call, "value", "package reflect finds another type, with more fields, than that of os/exec")
		case path == "fmt" || path == "log":
			if format := c.format(call); strings.Contains(format, "%T") || strings.Contains(format, "%#v") {
				c.report(call, "value", "%s prints the type or the fields, which are others than those of os/exec", fn.Name())
				return
			}
		case path == "log/slog" || path == "testing" || path == "errors" || c.belongs(path):
		default:
			c.report(arg, "value", "%s.%s gets the Cmd as an interface, and may look for a *os/exec.Cmd", fn.Pkg().Name(), fn.Name())
		}
	}
}

// toEmptyInterface reports whether parameter i of fn is any, or ...any.
func toEmptyInterface(fn *types.Func, i int) bool {
	s := fn.Signature()
	last := s.Params().Len() - 1
	if last < 0 {
		return false
	}
	t := s.Params().At(min(i, last)).Type()
	if s.Variadic() && i >= last {
		t = t.(*types.Slice).Elem()
	}
	if _, isParam := t.(*types.TypeParam); isParam {
		return false
	}
	iface, ok := t.Underlying().(*types.Interface)
	return ok && iface.NumMethods() == 0
}

// format is the first constant string among the arguments.
func (c *checker) format(call *ast.CallExpr) string {
	for _, arg := range call.Args {
		if v := c.TypesInfo.Types[arg].Value; v != nil && v.Kind() == constant.String {
			return constant.StringVal(v)
		}
	}
	return ""
}

// knownSysFields are the fields of Linux's SysProcAttr that package exec knows.
var knownSysFields = map[string]bool{
	"Chroot": true, "Credential": true, "Ptrace": true, "Setsid": true, "Setpgid": true, "Setctty": true, "Noctty": true,
	"Ctty": true, "Foreground": true, "Pgid": true, "Pdeathsig": true, "Cloneflags": true, "Unshareflags": true,
	"UidMappings": true, "GidMappings": true, "GidMappingsEnableSetgroups": true, "AmbientCaps": true,
	"UseCgroupFD": true, "CgroupFD": true, "PidFD": true,
	"NoNewPrivs": true, "UseLandlock": true, "LandlockFD": true, "LandlockFlags": true,
}

// checkSysProcAttr finds fields that a newer Go has.
func (c *checker) checkSysProcAttr() {
	for id, obj := range c.TypesInfo.Uses {
		v, ok := obj.(*types.Var)
		if !ok || !v.IsField() || v.Pkg() == nil || v.Pkg().Path() != "syscall" || knownSysFields[v.Name()] {
			continue
		}
		attr, ok := v.Pkg().Scope().Lookup("SysProcAttr").Type().Underlying().(*types.Struct)
		for i := 0; ok && linux(attr) && i < attr.NumFields(); i++ {
			if attr.Field(i) == v {
				c.report(id, "sysprocattr", "%s of SysProcAttr is not known to %s: Start refuses it", v.Name(), to)
			}
		}
	}
}

// linux reports whether a SysProcAttr is that of Linux. Other systems' fields go to
// package os as they are.
func linux(attr *types.Struct) bool {
	for f := range attr.Fields() {
		if f.Name() == "Unshareflags" {
			return true
		}
	}
	return false
}
