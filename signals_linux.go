//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"os/signal"
	"sync"
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// signalVars are set to what is ignored in this process.
type signalVars struct {
	first, last raw.Var   // range of the signals to be reset
	each        []raw.Var // 1 where signal i+1 is ignored
}

// resetSignals resets dispositions. With clone3 no handler is left; without, or
// where signals are ignored that should not be, operations do it.
func (e *engine) resetSignals(p *plan.Plan, claims *plan.Claims) {
	b := p.Builder()
	inherit := claims.Has(plan.InheritedSignals)
	if e.feat.clone3 && inherit {
		return
	}
	b.Step("sigdefault", -1, "")
	act := b.Words(0, 0, 0, 0)
	if !inherit {
		e.signals.first, e.signals.last = b.Var(), b.Var()
		p.Call(plan.Signals, raw.RtSigaction, raw.VarArg(e.signals.first, 0), act, raw.Int(0), raw.Int(8)).
			Sweep(raw.VarArg(e.signals.last, 0))
		return
	}
	e.signals.each = make([]raw.Var, lastSignal)
	for i := range e.signals.each {
		e.signals.each[i] = b.Var()
		p.Call(plan.Signals, raw.RtSigaction, raw.Int(int64(i+1)), act, raw.Int(0), raw.Int(8)).
			Ignore().SkipEqual(e.signals.each[i], 1)
	}
}

const lastSignal = 64

// setSignals says which signals are ignored in this process.
func (p *Program) setSignals(r *raw.Run) {
	if p.signals.first != 0 {
		first, last := 1, lastSignal
		if p.feat.clone3 {
			first, last = ignoredRange()
		}
		r.Set(p.signals.first, uint64(first))
		r.Set(p.signals.last, uint64(last))
	}
	for i, v := range p.signals.each {
		if raw.SignalIgnored(i + 1) {
			r.Set(v, 1)
		}
	}
}

// ignoredAtFirst is what was ignored at the first spawn. Later changes are the
// doing of os/signal, which can be asked at little cost.
var ignoredAtFirst = sync.OnceValue(func() (set uint64) {
	for sig := range lastSignal {
		if raw.SignalIgnored(sig + 1) {
			set |= 1 << sig
		}
	}
	return set
})

// ignoredRange is the range of signals that may be ignored; last is below first
// when there are none.
func ignoredRange() (first, last int) {
	set := ignoredAtFirst()
	first = 1
	for sig := 1; sig <= lastSignal; sig++ {
		if set&(1<<(sig-1)) != 0 || signal.Ignored(syscall.Signal(sig)) {
			if last == 0 {
				first = sig
			}
			last = sig
		}
	}
	return first, last
}
