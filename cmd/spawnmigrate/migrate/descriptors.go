package migrate

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"
)

// opening are functions of packages syscall and unix that make descriptors which are not
// close-on-exec, unless a flag says so.
var opening = map[string]bool{
	"Open": true, "Openat": true, "Openat2": true, "Creat": true, "Dup": true, "Dup2": true, "Dup3": true,
	"Pipe": true, "Pipe2": true, "Socket": true, "Socketpair": true, "Accept": true, "Accept4": true,
	"EpollCreate": true, "EpollCreate1": true, "Eventfd": true, "InotifyInit": true, "InotifyInit1": true,
	"MemfdCreate": true, "TimerfdCreate": true,
}

// descriptor looks at a call of package syscall or unix that may leave a descriptor to a
// program by the way.
func (f *function) descriptor(n *ast.CallExpr, fn *types.Func) {
	const advice = "the program does not get it by the way: name it in ExtraFiles, or set InheritAll"
	switch name := fn.Name(); {
	case f.clearsCloexec(n):
		f.report(n, "descriptor", "close-on-exec is cleared; %s", advice)
	case opening[name] && !namesCloexec(n) && !f.closedLater(n):
		f.report(n, "descriptor", "%s makes a descriptor without close-on-exec; %s", name, advice)
	}
}

// clearsCloexec finds FcntlInt(fd, F_SETFD, 0) and Syscall(SYS_FCNTL, fd, F_SETFD, 0).
func (f *function) clearsCloexec(n *ast.CallExpr) bool {
	for i, arg := range n.Args[:max(len(n.Args)-1, 0)] {
		if names(arg, "F_SETFD") {
			flags := f.TypesInfo.Types[n.Args[i+1]].Value
			return flags != nil && constant.Sign(flags) == 0
		}
	}
	return false
}

// closedLater reports whether CloseOnExec is called for the result.
func (f *function) closedLater(n *ast.CallExpr) bool {
	for obj := range f.closed {
		if obj.Parent() != nil && f.assigns(n, obj) {
			return true
		}
	}
	return false
}

// assigns reports whether obj gets the result of a call.
func (f *function) assigns(n *ast.CallExpr, obj types.Object) bool {
	found := false
	for _, file := range f.Files {
		if n.Pos() < file.FileStart || n.Pos() > file.FileEnd {
			continue
		}
		ast.Inspect(file, func(m ast.Node) bool {
			if a, ok := m.(*ast.AssignStmt); ok && len(a.Rhs) == 1 && ast.Unparen(a.Rhs[0]) == n {
				found = found || f.object(a.Lhs[0]) == obj
			}
			return !found
		})
	}
	return found
}

func namesCloexec(n *ast.CallExpr) bool { return names(n, "CLOEXEC") }

// names reports whether a name in n ends in part.
func names(n ast.Node, part string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && strings.HasSuffix(id.Name, part)
		return !found
	})
	return found
}
