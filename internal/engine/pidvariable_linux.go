//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"encoding/binary"
	"strings"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"

	"golang.org/x/sys/unix"
)

// pidText is the entry of the environment that has the child's pid: in variables, as
// each child has another one. The kernel writes the digits there, as the target of the
// symbolic link /proc/self. A run's variables are 0 at first, so the text ends.
type pidText struct {
	v     raw.Var // 0: there is none
	words []uint64
}

// maxDigits is how long a pid may be.
const maxDigits = 10

// lowerEnv is the environment as an argument of execve.
func (p *Program) lowerEnv(in *Input, pl *plan.Plan) (raw.Arg, error) {
	b, name := pl.Builder(), in.PIDVariable
	if name == "" {
		return b.Strings(in.Env), nil
	}
	failed := func(what string) error {
		return plan.SpecError(plan.StepEnv, name, &attr.UnsupportedError{What: what, Since: "the /proc of the child's own pid namespace"})
	}
	text := name + "="
	var env []string
	for _, e := range in.Env {
		if !strings.HasPrefix(e, text) {
			env = append(env, e)
		}
	}
	switch {
	case p.clone.Bits&unix.CLONE_NEWPID != 0:
		return b.Strings(append(env, text+"1")), nil
	case pl.PIDNamespace != nil:
		return raw.Arg{}, failed("Spec.PIDVariable in a pid namespace that is joined")
	case !kernel.OurIDs():
		return raw.Arg{}, failed("Spec.PIDVariable")
	}
	bytes := make([]byte, (len(text)+maxDigits+8)/8*8)
	copy(bytes, text)
	p.pid.words = nil
	for ; len(bytes) > 0; bytes = bytes[8:] {
		p.pid.words = append(p.pid.words, binary.NativeEndian.Uint64(bytes))
	}
	p.pid.v = b.Vars(len(p.pid.words))
	b.Step(raw.Step{Name: plan.StepEnv, Part: uint8(plan.PartSpec), Index: -1, Object: name})
	pl.Call(plan.HostFiles, raw.Readlinkat, raw.Int(plan.AtFdcwd), b.String("/proc/self"), b.AddrIn(p.pid.v, int32(len(text))), raw.Int(maxDigits))
	pl.StartStep(plan.StepExecve)
	return b.StringsWith(env, p.pid.v), nil
}

// set writes the text without the digits.
func (t *pidText) set(r *raw.Run) {
	for i, w := range t.words {
		r.Set(t.v+raw.Var(i), w)
	}
}
