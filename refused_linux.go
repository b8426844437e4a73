//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
)

// inputs are what a program was compiled of, to do so again where the kernel turns
// out to have less than it had then.
type inputs struct {
	spec       *Spec
	argv, env  []string
	generation int                      // of what was known
	newer      *atomic.Pointer[Program] // of what is known by now; nil for a program that is run but once
}

// keep makes the inputs independent of the caller's. Attributes are values, but for
// slices in them.
func (in *inputs) keep() {
	s := *in.spec
	s.Actions.list = slices.Clone(s.Actions.list)
	s.Attr = slices.Clone(s.Attr)
	for i, a := range s.Attr {
		s.Attr[i] = cloneSlices(reflect.ValueOf(a)).Interface().(attr.Attr)
	}
	in.spec, in.argv, in.env = &s, slices.Clone(in.argv), slices.Clone(in.env)
	in.newer = new(atomic.Pointer[Program])
}

// cloneSlices is a copy of a value whose slices are copies, too. What it points to
// is not copied: files are what they are.
func cloneSlices(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch v.Kind() {
	case reflect.Slice:
		if !v.IsNil() {
			c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				c.Index(i).Set(cloneSlices(v.Index(i)))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if c.Field(i).CanSet() {
				c.Field(i).Set(cloneSlices(v.Field(i)))
			}
		}
	}
	return c
}

// start makes a child, and does so once more where a filter that is newer than the
// program refuses the engine's own calls.
func (p *Program) start(ctx context.Context) (*Process, error) {
	q, err := p.upToDate()
	if err != nil {
		return nil, err
	}
	proc, err := q.startHolding(ctx)
	if err == nil || !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return proc, err
	}
	kernel.FindAgain()
	if again, _ := p.upToDate(); again != nil && again != q {
		return again.startHolding(ctx)
	}
	return nil, err
}

// upToDate is the program for what is known of the kernel by now.
func (p *Program) upToDate() (*Program, error) {
	f := kernel.Known()
	if p.plan == nil { // else it was compiled just now, for the calling thread
		f = kernel.Here()
	}
	if f.Failed != 0 {
		return nil, p.cloneError(f.Failed)
	}
	in := &p.inputs
	if in.generation == f.Generation {
		return p, nil
	}
	if in.newer != nil {
		if q := in.newer.Load(); q != nil && q.inputs.generation == f.Generation {
			return q, nil
		}
	}
	q := &Program{path: p.path, log: p.log}
	if err := q.compileKnowing(f, in.spec, in.argv, in.env, false); err != nil {
		return nil, wrap(p.path, err)
	}
	if in.newer != nil {
		in.newer.Store(q)
	}
	return q, nil
}
