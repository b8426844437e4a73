//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"math/bits"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// signalVars are set to what is to be reset.
type signalVars struct {
	first, last raw.Var   // range of the signals to be reset
	each        []raw.Var // 1 where signal i+1 is to be reset
	inherit     bool      // but for what is inherited
	spared      signalSet // and for these
}

// resetSignals resets dispositions. With clone3 no handler is left; without, or
// where signals are ignored that should not be, operations do it. For a program
// that is run but once it is known now which.
func (p *Program) resetSignals(pl *plan.Plan, claims *plan.Claims, once bool) {
	p.signals.inherit = claims.Has(plan.InheritedSignals)
	if !p.signals.inherit && p.here == nil {
		b := pl.Builder()
		pl.StartStep(plan.StepSigDefault)
		p.signals.first, p.signals.last = b.Var(), b.Var()
		pl.Call(plan.Signals, raw.RtSigaction, raw.VarArg(p.signals.first, 0), b.Words(0, 0, 0, 0), raw.Int(0), raw.Int(8)).
			Sweep(raw.VarArg(p.signals.last, 0))
		return
	}
	reset := allSignals
	if once {
		if reset = p.notInherited(); reset == 0 {
			return
		}
	} else {
		p.signals.each = make([]raw.Var, plan.LastSignal)
	}
	b := pl.Builder()
	pl.StartStep(plan.StepSigDefault)
	act := b.Words(0, 0, 0, 0)
	for sig := range reset.all() {
		op := pl.Call(plan.Signals, raw.RtSigaction, raw.Int(int64(sig)), act, raw.Int(0), raw.Int(8)).Ignore()
		if !once {
			v := b.Var()
			p.signals.each[sig-1] = v
			op.SkipEqual(v, 0)
		}
	}
}

// lowerMask sets the signal mask.
func (p *Program) lowerMask(pl *plan.Plan, claims *plan.Claims) {
	b, own := pl.Builder(), claims.Has(plan.SignalMask)
	if pl.Trace != nil {
		p.tracing = &tracing{*pl.Trace, own, pl.Blocked}
		pl.AttrStep(pl.Trace.Step, pl.Trace.Index, "")
		trap := b.Words(1 << (unix.SIGTRAP - 1))
		pl.Call(plan.Mask, raw.RtSigprocmask, raw.Int(unix.SIG_UNBLOCK), trap, raw.Int(0), raw.Int(8))
	} else if !own {
		pl.StartStep(plan.StepSigMask)
		pl.Call(plan.Mask, raw.RtSigprocmask, raw.Int(unix.SIG_SETMASK), b.SavedMask(), raw.Int(0), raw.Int(8))
	}
}

// setSignals says which signals are to be reset.
func (p *Program) setSignals(r *raw.Run) {
	if p.signals.first != 0 {
		first, last := 1, plan.LastSignal
		if p.feat.Clone3 {
			ignored, _ := ignoredSignals()
			first, last = ignored.ends()
		}
		r.Set(p.signals.first, uint64(first))
		r.Set(p.signals.last, uint64(last))
	}
	if p.signals.each != nil {
		reset := allSignals
		if p.signals.inherit {
			reset = p.notInherited()
		}
		for sig := range (reset &^ p.signals.spared).all() {
			r.Set(p.signals.each[sig-1], 1)
		}
	}
}

// notInherited are the signals that are to be reset in a child that inherits what
// this process ignores.
func (p *Program) notInherited() signalSet {
	ignored, inherited := ignoredSignals()
	if p.feat.Clone3 {
		return ignored &^ inherited
	}
	return allSignals &^ inherited
}

// ignoredSignals are what is ignored now, and of these what a child of os/exec
// ignores, too: there the runtime resets each signal that it handles.
//
// The kernel tells only one at a time, so where no C code has been called all of
// them are looked at but once. From then on it is enough to look at those that
// package signal or the first look says are ignored, and at those that become so
// most: SIGHUP and SIGINT, of which package signal does not know after Ignore,
// Notify and Stop, and SIGPIPE and SIGCHLD.
func ignoredSignals() (ignored, inherited signalSet) {
	look := allSignals
	host := goHost()
	if seen := signalsSeen.Load(); seen != 0 && !host.callsC {
		look = signalSet(seen) | setOf(unix.SIGHUP, unix.SIGINT, unix.SIGPIPE, unix.SIGCHLD) | ignoredByGo()
	}
	for sig := range look.all() {
		is, byGo := raw.SignalIgnored(sig)
		if !is {
			continue
		}
		ignored.add(sig)
		if byGo || host.unhandled.has(sig) || !kept.has(sig) && signal.Ignored(syscall.Signal(sig)) {
			inherited.add(sig)
		}
	}
	signalsSeen.Or(uint64(ignored | setOf(unix.SIGHUP)))
	return ignored, inherited
}

// kept are signals that the runtime goes on handling when package signal ignores
// them.
var kept = setOf(unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSTKFLT, unix.SIGPROF, unix.SIGSYS, 33)

// signalsSeen are the signals that were ignored at any look, and SIGHUP once there
// was one.
var signalsSeen atomic.Uint64

func ignoredByGo() (set signalSet) {
	for sig := 1; sig <= plan.LastSignal; sig++ {
		if signal.Ignored(syscall.Signal(sig)) {
			set.add(sig)
		}
	}
	return set
}

// host is what Go code lives in.
type host struct {
	callsC    bool      // C code has been called, or is what the process is made of
	unhandled signalSet // signals that are nothing to the runtime, so that a child has them as they are
}

func goHost() host {
	const job = 1<<(unix.SIGCONT-1) | 1<<(unix.SIGTSTP-1) | 1<<(unix.SIGTTIN-1) | 1<<(unix.SIGTTOU-1)
	const libc = 1<<(32-1) | 1<<(34-1)
	const setxid = 1 << (33 - 1)
	if isLibrary() {
		return host{true, allSignals &^ setOf(unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGPIPE, unix.SIGURG)}
	}
	// The runtime calls C code once itself, where there is any, and then leaves
	// signal 33 to it.
	switch runtime.NumCgoCall() {
	case 0:
		return host{false, job | libc}
	case 1:
		return host{false, job | libc | setxid}
	}
	return host{true, job | libc | setxid}
}

// isLibrary reports whether this is Go code in a C program.
var isLibrary = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-buildmode" {
			return s.Value == "c-archive" || s.Value == "c-shared"
		}
	}
	return false
})

// signalSet has bit sig-1 for a signal.
type signalSet uint64

const allSignals = ^signalSet(0)

func setOf(sigs ...syscall.Signal) (s signalSet) {
	for _, sig := range sigs {
		s.add(int(sig))
	}
	return s
}

func (s *signalSet) add(sig int) { *s |= 1 << (sig - 1) }

func (s signalSet) has(sig int) bool { return s&(1<<(sig-1)) != 0 }

// all yields the signals in order.
func (s signalSet) all() func(func(int) bool) {
	return func(yield func(int) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(bits.TrailingZeros64(uint64(s)) + 1) {
				return
			}
		}
	}
}

// ends are the first and the last signal; last is below first when there is none.
func (s signalSet) ends() (first, last int) {
	if s == 0 {
		return 1, 0
	}
	return bits.TrailingZeros64(uint64(s)) + 1, bits.Len64(uint64(s))
}
