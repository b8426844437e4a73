package migrate

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// function is what is known of one that is looked at.
type function struct {
	*checker
	commands bool                  // it makes or starts a Cmd
	takesErr bool                  // it may be given the error of a Cmd
	ofCmd    map[types.Object]bool // errors that a Cmd has returned
	closed   map[types.Object]bool // descriptors of syscall.CloseOnExec
}

// checkFunctions looks at errors and at descriptors, in functions that have to do with a Cmd.
func (c *checker) checkFunctions() {
	for _, file := range c.Files {
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok && d.Body != nil {
				f := &function{checker: c, ofCmd: map[types.Object]bool{}, closed: map[types.Object]bool{}}
				f.learn(d)
				ast.Inspect(d.Body, f.look)
			}
		}
	}
}

// learn finds commands, and the errors of commands.
func (f *function) learn(d *ast.FuncDecl) {
	for _, field := range d.Type.Params.List {
		f.takesErr = f.takesErr || types.Identical(f.TypesInfo.TypeOf(field.Type), types.Universe.Lookup("error").Type())
	}
	ast.Inspect(d.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			fn := f.callee(n)
			f.commands = f.commands || fn != nil && fn.Pkg().Path() == from
			if fn != nil && ofSystem(fn) && fn.Name() == "CloseOnExec" {
				f.closed[f.object(n.Args[0])] = true
			}
		case *ast.AssignStmt:
			if fn := f.callee(n.Rhs[0]); len(n.Rhs) == 1 && fn != nil && fn.Pkg().Path() == from {
				f.ofCmd[f.object(n.Lhs[len(n.Lhs)-1])] = true
			}
		}
		return true
	})
	delete(f.ofCmd, nil)
	delete(f.closed, nil)
}

// look reports what one node does.
func (f *function) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if (n.Op == token.EQL || n.Op == token.NEQ) && (f.bareErr(n.X) && f.isErrno(n.Y) || f.bareErr(n.Y) && f.isErrno(n.X)) {
			f.errno(n)
		}
	case *ast.SwitchStmt:
		if n.Tag != nil && f.bareErr(n.Tag) {
			f.errno(n.Tag)
		}
	case *ast.TypeAssertExpr:
		f.assertion(n)
	case *ast.TypeSwitchStmt:
		f.typeSwitch(n)
	case *ast.CallExpr:
		f.call(n)
	case *ast.BasicLit:
		if n.Kind == token.STRING && strings.Contains(n.Value, "Wait was already called") {
			f.report(n, "error", "a second Wait returns the result of the first, and not this error")
		}
	}
	return true
}

// bareErr reports whether e is the Err of an *fs.PathError that may come from a Cmd.
func (f *function) bareErr(e ast.Expr) bool {
	s, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "Err" || !(f.commands || f.takesErr) {
		return false
	}
	t := f.TypesInfo.TypeOf(s.X)
	return isPointerTo(t, "io/fs", "PathError") || isPointerTo(t, "os", "SyscallError")
}

func (f *function) isErrno(e ast.Expr) bool {
	return isNamed(f.TypesInfo.TypeOf(e), "syscall", "Errno")
}

func (f *function) errno(n ast.Node) {
	f.report(n, "error", "Err of a start may wrap its errno: use errors.Is%s", f.ifItIs())
}

// ifItIs limits what is said of an error that comes from somewhere else.
func (f *function) ifItIs() string {
	if f.commands {
		return ""
	}
	return " if the error can be that of a Cmd"
}

// assertion looks at x.(T).
func (f *function) assertion(n *ast.TypeAssertExpr) {
	if n.Type == nil {
		return
	}
	f.asserted(n, n.X, f.TypesInfo.TypeOf(n.Type))
}

// typeSwitch looks at each case of one.
func (f *function) typeSwitch(n *ast.TypeSwitchStmt) {
	var x ast.Expr
	ast.Inspect(n.Assign, func(n ast.Node) bool {
		if a, ok := n.(*ast.TypeAssertExpr); ok && a.Type == nil {
			x = a.X
		}
		return true
	})
	for _, clause := range n.Body.List {
		for _, e := range clause.(*ast.CaseClause).List {
			f.asserted(e, x, f.TypesInfo.TypeOf(e))
		}
	}
}

// asserted looks at x, which may be of type t.
func (f *function) asserted(n ast.Node, x ast.Expr, t types.Type) {
	switch {
	case isCmdPointer(t):
		f.report(n, "value", "a *os/exec.Cmd that a foreign package made is no *exec.Cmd of %s", to)
	case isNamed(t, "syscall", "Errno") && f.bareErr(x):
		f.errno(n)
	case isNamed(t, "syscall", "Errno") && f.ofCmd[f.object(x)], isPointerTo(t, "os", "SyscallError") && (f.commands || f.takesErr):
		f.report(n, "error", "the error of a Cmd may wrap this one: use errors.As%s", f.ifItIs())
	}
}

// call looks at functions of package os that look at errors without unwrapping, and at new
// descriptors.
func (f *function) call(n *ast.CallExpr) {
	fn := f.callee(n)
	if fn == nil {
		return
	}
	switch path := fn.Pkg().Path(); {
	case path == "os" && (fn.Name() == "IsNotExist" || fn.Name() == "IsPermission" || fn.Name() == "IsExist"):
		if f.ofCmd[f.object(n.Args[0])] {
			f.report(n, "error", "os.%s does not unwrap, and is false if it is not the program file or the directory that failed: use errors.Is", fn.Name())
		}
	case ofSystem(fn) && f.commands:
		f.descriptor(n, fn)
	}
}

// ofSystem reports whether a function is one of system calls.
func ofSystem(fn *types.Func) bool {
	path := fn.Pkg().Path()
	return path == "syscall" || path == "golang.org/x/sys/unix"
}

func (f *function) callee(e ast.Expr) *types.Func {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return nil
	}
	if fn := typeutil.StaticCallee(f.TypesInfo, call); fn != nil && fn.Pkg() != nil {
		return fn
	}
	return nil
}

// object is what an expression names, or nil.
func (f *function) object(e ast.Expr) types.Object {
	e = ast.Unparen(e)
	if conversion, ok := e.(*ast.CallExpr); ok && len(conversion.Args) == 1 && f.TypesInfo.Types[conversion.Fun].IsType() {
		return f.object(conversion.Args[0])
	}
	id, ok := e.(*ast.Ident)
	if !ok {
		return nil
	}
	return f.TypesInfo.ObjectOf(id)
}
