package otelspawn

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/safespawn/spawn"
)

// Propagate begins the span of one start, and puts it into the environment of the child:
// TRACEPARENT and TRACESTATE, or what the propagator has. Give both results to the Spec
// of the start, or to its Cmd:
//
//	spec.Observer, spec.Env = o.Propagate(ctx, spec.Path, spec.Env)
//
// As in a Spec, an env of nil is the environment of this process. The result is a new
// list. The parent of the span is the span in ctx. If the Observer sees more starts than
// one, those after the first have spans of their own. Without a start the span is lost.
//
// If there is nothing to be propagated, since spans are switched off, the environment
// stays as it is.
func (o *Observer) Propagate(ctx context.Context, path string, env []string) (spawn.Observer, []string) {
	if env == nil {
		env = os.Environ()
	}
	span := o.begin(ctx, path, time.Now())
	carrier := environ{}
	o.propagator.Inject(trace.ContextWithSpan(ctx, span), carrier)
	return &one{observer: o, span: span}, carrier.addTo(env, o.propagator.Fields())
}

// environ is a carrier of variables.
type environ map[string]string

// Get returns the value of a variable.
func (e environ) Get(key string) string { return e[variable(key)] }

// Set sets a variable.
func (e environ) Set(key, value string) { e[variable(key)] = value }

// Keys returns the names of the variables.
func (e environ) Keys() (list []string) {
	for k := range e {
		list = append(list, k)
	}
	return list
}

// variable is the name of the variable for a key: letters become upper case, and all but
// letters and digits "_".
func variable(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
}

// addTo replaces all variables of the fields in an environment.
func (e environ) addTo(env, fields []string) []string {
	env = slices.Clone(env)
	if len(e) == 0 {
		return env
	}
	env = slices.DeleteFunc(env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.ContainsFunc(fields, func(f string) bool { return variable(f) == name })
	})
	for _, name := range slices.Sorted(slices.Values(e.Keys())) {
		env = append(env, name+"="+e[name])
	}
	return env
}

// one is the Observer of a start whose span has begun.
type one struct {
	observer *Observer
	span     trace.Span

	mu sync.Mutex
	id uint64 // of the start, once it was made
}

// Started is that of the Observer, with the span.
func (p *one) Started(e spawn.Event) {
	p.mu.Lock()
	first := p.id == 0
	if first {
		p.id = e.ID
	}
	p.mu.Unlock()
	if !first {
		p.observer.Started(e)
		return
	}
	p.observer.countStart(trace.ContextWithSpan(e.Context, p.span), e)
	if e.Err != nil {
		p.observer.finish(p.span, e)
	}
}

// Ended is that of the Observer, with the span.
func (p *one) Ended(e spawn.Event) {
	p.mu.Lock()
	ours := p.id == e.ID
	p.mu.Unlock()
	if !ours {
		p.observer.Ended(e)
		return
	}
	p.observer.countEnd(trace.ContextWithSpan(e.Context, p.span), e)
	p.observer.finish(p.span, e)
}
