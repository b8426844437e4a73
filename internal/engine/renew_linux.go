//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
)

// inputs are what a program was compiled of, to do so again where the kernel turns
// out to have less than it had then.
type inputs struct {
	Input
	generation int                      // of what was known
	newer      *atomic.Pointer[Program] // of what is known by now; nil for a program that is run but once
}

// keep makes the input independent of the caller's. Attributes are values, but for
// slices in them.
func (in *Input) keep() {
	in.Argv, in.Env = slices.Clone(in.Argv), slices.Clone(in.Env)
	in.Actions, in.Attr = slices.Clone(in.Actions), slices.Clone(in.Attr)
	for i, a := range in.Attr {
		if a != nil { // else attrlist.Check says so
			in.Attr[i] = cloneSlices(reflect.ValueOf(a)).Interface().(attr.Attr)
		}
	}
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
	case reflect.Interface: // an optional attribute
		if !v.IsNil() {
			c.Set(cloneSlices(v.Elem()))
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

// upToDate is the program for what is known of the kernel by now.
func (p *Program) upToDate() (*Program, error) {
	f := kernel.Known()
	if p.memory == nil { // else it was compiled just now, for the calling thread
		f = kernel.Here()
	}
	if f.Failed != 0 && p.here == nil {
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
	again := in.Input
	again.Once = false
	q := new(Program)
	if err := q.compileKnowing(f, again); err != nil {
		return nil, err
	}
	if in.newer != nil {
		in.newer.Store(q)
	}
	return q, nil
}
