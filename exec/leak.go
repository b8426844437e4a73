package exec

import (
	"bytes"
	"os"
	"runtime"
	"strings"
)

// watchLeak panics, where GODEBUG has execwait, when c is collected with a
// process that nobody has waited for. With execwait=2 it says who made c.
func (c *Cmd) watchLeak() {
	mode := execwait()
	if mode == "" {
		return
	}
	if mode == "2" {
		c.createdBy = callers()
	}
	runtime.SetFinalizer(c, func(c *Cmd) {
		if c.Process == nil || c.ProcessState != nil {
			return
		}
		if c.createdBy == nil {
			panic("exec: Cmd started a Process but leaked without a call to Wait (set GODEBUG=execwait=2 to capture stacks for debugging)")
		}
		os.Stderr.WriteString("GODEBUG=execwait=2 detected a leaked exec.Cmd created by:\n" + string(c.createdBy) + "\n")
		panic("exec: Cmd started a Process but leaked without a call to Wait")
	})
}

// execwait is the setting in GODEBUG, of which the last counts.
func execwait() (mode string) {
	env := os.Getenv("GODEBUG")
	if !strings.Contains(env, "execwait=") {
		return ""
	}
	for setting := range strings.SplitSeq(env, ",") {
		if value, ok := strings.CutPrefix(setting, "execwait="); ok {
			mode = value
		}
	}
	return mode
}

// callers is the stack of this goroutine from Command on.
func callers() []byte {
	buf := make([]byte, 1<<10)
	n := runtime.Stack(buf, false)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, false)
	}
	stack := buf[:n]
	if i := bytes.Index(stack, []byte("/exec.Command(")); i >= 0 {
		stack = stack[bytes.LastIndexByte(stack[:i], '\n')+1:]
	}
	return stack
}
