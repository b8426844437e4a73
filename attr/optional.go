package attr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
)

// Optional makes an attribute optional. The child sets it if that is possible, and else
// runs its program without it. The Applied method of spawn.Process says what became of each
// optional attribute, with the error.
//
// The attribute is left out if the kernel or the platform lacks it, if the child has not the
// privilege, or if the system refuses it. Bad input and contradictions stay errors of
// Compile. Without the attribute the child has what it would have if the attribute were not
// in the list. There is one exception: if a limit of open files is refused, the child has
// that of this process, as with [NoFileCurrent].
//
// These attributes may be optional:
//
//   - [Nice], [SchedPolicy] without UtilMin and UtilMax, [CPUAffinity], [NUMAPolicy], [IOPrio],
//     [TimerSlack], [CoreSched];
//   - [Rlimit], [RlimitToHard], [NoFile], [NoFilePolicy], [OOMScoreAdj], [CoredumpFilter],
//     [NoHugePages], [MergePages], [Personality], [ChildSubreaper];
//   - [NoNewPrivs], [Landlock] without rules of InChild, [Seccomp] without a Listener, [MemoryDenyWriteExec],
//     [SessionKeyring].
//
// For all others, Compile returns an error that matches EINVAL. They decide about ids,
// capabilities, namespaces, files, signals, sessions or trees, and other steps or the safety
// of the program rest on them.
//
// The attributes of the last line restrict the program. Without them the program may do what
// you want to forbid, so these rules are for them alone:
//
//   - They are left out only for errors that say that the system lacks or refuses them: EPERM,
//     ENOSYS, and EINVAL or EOPNOTSUPP. With any other error, such as ENOMEM, the start fails,
//     because somebody else may bring the error about.
//   - An optional Landlock or Seccomp needs NoNewPrivs. So it is never left out for want of
//     privilege.
//   - A Landlock or Seccomp that is not optional excludes an optional NoNewPrivs.
//   - The filter of an optional Seccomp must not load from scratch memory, because Compile
//     can't tell whether the kernel takes such a filter.
//
// If you must not run the program without one of them, do not make it optional. If you want to
// decide by the outcome, add [StartSuspended]: look at Applied, and then let the program go
// on by SIGCONT or kill it.
//
// Any Unix.
func Optional(a Attr) Attr { return optional{a} }

// optional is exported in its field, for copies by reflection.
type optional struct{ Attr }

const unsureNoNewPrivs = "an optional no_new_privs"

// optionalOf is the attribute that Optional was given, or a itself.
func optionalOf(a Attr) (inner Attr, ok bool) {
	if o, ok := a.(optional); ok {
		return o.Attr, true
	}
	return a, false
}

func (o optional) check(c *plan.Claims) error {
	if err := checkOwn(o.Attr); err != nil {
		return err
	}
	if _, ok := o.errnos(); !ok {
		name := strings.TrimPrefix(fmt.Sprintf("%T", o.Attr), "attr.")
		return invalid(plan.StepAttr, name, "must not be optional: other steps, or the safety of the program, rest on it")
	}
	if s, ok := o.Attr.(Seccomp); ok && slices.ContainsFunc(s.Filter, loadsScratch) {
		return invalid(plan.StepSeccomp, "", "an optional filter must not load from scratch memory")
	}
	c.Optional = true
	defer func() { c.Optional = false }()
	return o.Attr.check(c)
}

func loadsScratch(f SockFilter) bool { return f.Code == bpfLDMem || f.Code == bpfLDXMem }

// errnos are the errors after which the child goes on; none are all. ok is false where the
// attribute must not be optional. One that may be has calls that do no harm after one of
// them has failed: no more than the one before it has done, or nothing.
func (o optional) errnos() (list []uint8, ok bool) {
	const errENOSYS, errENOTSUP = 38, 95
	refused := []uint8{errEPERM, errEINVAL, errENOSYS}
	switch a := o.Attr.(type) {
	case Nice, CPUAffinity, NUMAPolicy, IOPrio, TimerSlack, CoreSched,
		Rlimit, RlimitToHard, NoFile, NoFilePolicy, OOMScoreAdj, CoredumpFilter,
		NoHugePages, MergePages, Personality, ChildSubreaper:
		return nil, true
	case SchedPolicy:
		return nil, a.UtilMin == 0 && a.UtilMax == 0
	case NoNewPrivs, MemoryDenyWriteExec, SessionKeyring:
		return refused, true
	case Seccomp:
		return refused, a.Listener == nil
	case Landlock:
		if a.Flags == 0 { // which EINVAL would be about
			refused[1] = errENOTSUP
		}
		return refused, a.made == nil // else it takes many calls
	}
	return nil, false
}

func (o optional) lower(p *plan.Plan) {
	if l, ok := o.Attr.(Landlock); ok && l.nothing {
		p.SetLacking(plan.StepLandlock, &UnsupportedError{What: "Landlock", Since: "5.13"})
		return
	}
	errnos, _ := o.errnos()
	p.SetOptional(errnos...)
	o.Attr.lower(p)
}
