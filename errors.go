package spawn

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
)

// Part says what an Error is about, and thus what its Index counts.
type Part uint8

// The parts of a start. PartSpec and PartStart have no Index.
const (
	PartSpec   Part = Part(plan.PartSpec)   // a field of the Spec, such as Path
	PartArg    Part = Part(plan.PartArg)    // a string of Spec.Args
	PartEnv    Part = Part(plan.PartEnv)    // a string of Spec.Env
	PartAction Part = Part(plan.PartAction) // a file action of Spec.Actions
	PartAttr   Part = Part(plan.PartAttr)   // an attribute of Spec.Attr
	PartStart  Part = Part(plan.PartStart)  // what each start does: clone and execve, mostly
)

// String returns the part as one word, such as "action".
func (p Part) String() string {
	switch p {
	case PartSpec:
		return "spec"
	case PartArg:
		return "arg"
	case PartEnv:
		return "env"
	case PartAction:
		return "action"
	case PartAttr:
		return "attribute"
	case PartStart:
		return "start"
	}
	return "Part(" + strconv.Itoa(int(p)) + ")"
}

// Names of steps, as in Error.Step and Step.Name. Most are the names of system calls,
// of files in /proc, or of options of prctl, in lower case.
const (
	// Of a Spec, its strings and its lists.
	StepSpec    = plan.StepSpec    // "spec"
	StepPath    = plan.StepPath    // "path"
	StepArgs    = plan.StepArgs    // "args"
	StepEnv     = plan.StepEnv     // "env"
	StepActions = plan.StepActions // "actions"
	StepAttr    = plan.StepAttr    // "attr"

	// Of file actions.
	StepOpen       = plan.StepOpen       // "open"
	StepOpenAt     = plan.StepOpenAt     // "openat"
	StepOpenAt2    = plan.StepOpenAt2    // "openat2"
	StepMkdir      = plan.StepMkdir      // "mkdir"
	StepSymlink    = plan.StepSymlink    // "symlink"
	StepDup2       = plan.StepDup2       // "dup2"
	StepFile       = plan.StepFile       // "file"
	StepClose      = plan.StepClose      // "close"
	StepCloseFrom  = plan.StepCloseFrom  // "closefrom"
	StepInherit    = plan.StepInherit    // "inherit"
	StepInheritAll = plan.StepInheritAll // "inheritall"
	StepChdir      = plan.StepChdir      // "chdir"
	StepFchdir     = plan.StepFchdir     // "fchdir"
	StepTcsetpgrp  = plan.StepTcsetpgrp  // "tcsetpgrp"

	// Of each start. Clone, SigMask, SigDefault and Rlimit are of attributes, too.
	StepPipe       = plan.StepPipe       // "pipe"
	StepClone      = plan.StepClone      // "clone"
	StepFileTable  = plan.StepFileTable  // "file_table"
	StepDumpable   = plan.StepDumpable   // "dumpable"
	StepSigMask    = plan.StepSigMask    // "sigmask"
	StepSigDefault = plan.StepSigDefault // "sigdefault"
	StepRlimit     = plan.StepRlimit     // "rlimit"
	StepClock      = plan.StepClock      // "clock"
	StepExecve     = plan.StepExecve     // "execve"

	// Of attributes.
	StepCgroup         = plan.StepCgroup         // "cgroup"
	StepUnshare        = plan.StepUnshare        // "unshare"
	StepSetns          = plan.StepSetns          // "setns"
	StepIDMap          = plan.StepIDMap          // "id_map"
	StepUIDMap         = plan.StepUIDMap         // "uid_map"
	StepGIDMap         = plan.StepGIDMap         // "gid_map"
	StepTimensOffsets  = plan.StepTimensOffsets  // "timens_offsets"
	StepPrivateMounts  = plan.StepPrivateMounts  // "private_mounts"
	StepMount          = plan.StepMount          // "mount"
	StepPivotRoot      = plan.StepPivotRoot      // "pivot_root"
	StepNewRoot        = plan.StepNewRoot        // "new_root"
	StepOpenTree       = plan.StepOpenTree       // "open_tree"
	StepChroot         = plan.StepChroot         // "chroot"
	StepSethostname    = plan.StepSethostname    // "sethostname"
	StepSetdomainname  = plan.StepSetdomainname  // "setdomainname"
	StepLoopback       = plan.StepLoopback       // "loopback"
	StepSetsid         = plan.StepSetsid         // "setsid"
	StepSetpgid        = plan.StepSetpgid        // "setpgid"
	StepCtty           = plan.StepCtty           // "ctty"
	StepNoctty         = plan.StepNoctty         // "noctty"
	StepForeground     = plan.StepForeground     // "foreground"
	StepSigIgnore      = plan.StepSigIgnore      // "sigignore"
	StepUmask          = plan.StepUmask          // "umask"
	StepNice           = plan.StepNice           // "nice"
	StepSched          = plan.StepSched          // "sched"
	StepSchedUtil      = plan.StepSchedUtil      // "sched_util"
	StepAffinity       = plan.StepAffinity       // "affinity"
	StepMempolicy      = plan.StepMempolicy      // "mempolicy"
	StepIOPrio         = plan.StepIOPrio         // "ioprio"
	StepTimerSlack     = plan.StepTimerSlack     // "timerslack"
	StepCoreSched      = plan.StepCoreSched      // "core_sched"
	StepOOMScoreAdj    = plan.StepOOMScoreAdj    // "oom_score_adj"
	StepCoredumpFilter = plan.StepCoredumpFilter // "coredump_filter"
	StepMDWE           = plan.StepMDWE           // "mdwe"
	StepTHPDisable     = plan.StepTHPDisable     // "thp_disable"
	StepMemoryMerge    = plan.StepMemoryMerge    // "memory_merge"
	StepSetgroups      = plan.StepSetgroups      // "setgroups"
	StepSetresgid      = plan.StepSetresgid      // "setresgid"
	StepSetresuid      = plan.StepSetresuid      // "setresuid"
	StepKeepCaps       = plan.StepKeepCaps       // "keepcaps"
	StepBounding       = plan.StepBounding       // "bounding"
	StepCapset         = plan.StepCapset         // "capset"
	StepAmbient        = plan.StepAmbient        // "ambient"
	StepSecurebits     = plan.StepSecurebits     // "securebits"
	StepNoNewPrivs     = plan.StepNoNewPrivs     // "no_new_privs"
	StepLandlock       = plan.StepLandlock       // "landlock"
	StepSeccomp        = plan.StepSeccomp        // "seccomp"
	StepDigest         = plan.StepDigest         // "digest"
	StepSELinux        = plan.StepSELinux        // "selinux"
	StepAppArmor       = plan.StepAppArmor       // "apparmor"
	StepKeyring        = plan.StepKeyring        // "keyring"
	StepSubreaper      = plan.StepSubreaper      // "subreaper"
	StepPdeathsig      = plan.StepPdeathsig      // "pdeathsig"
	StepPersonality    = plan.StepPersonality    // "personality"
	StepPtrace         = plan.StepPtrace         // "ptrace"
	StepSuspend        = plan.StepSuspend        // "suspend"

	// Of package exec.
	StepSysProcAttr = plan.StepSysProcAttr // "sysprocattr"
	StepTree        = plan.StepTree        // "tree"
)

// Error is the reason why a process was not started. If there was a child, it has
// been reaped.
type Error struct {
	// Path is the program, as in the Spec.
	Path string
	// Part says whether the error is about a field of the Spec, an argument, an
	// entry of the environment, a file action, an attribute, or the start itself.
	Part Part
	// Step is the name of the failed step, which is one of the constants of this
	// package: a file action (StepOpen), the action of an attribute (StepSetresuid),
	// StepClone, StepExecve, or a field of the Spec (StepArgs).
	Step string
	// Index is the position in the list that Part names: Spec.Args, Spec.Env,
	// Spec.Actions or Spec.Attr. It is -1 for PartSpec and PartStart.
	Index int
	// Object is the thing that the step acted on: a path, a descriptor, an id.
	Object string
	// Err is the cause: a syscall.Errno or an error that wraps one. Bad input wraps
	// EINVAL or E2BIG. An error about something that the kernel lacks also matches
	// errors.ErrUnsupported.
	Err error
	// Hint says more about the cause, for people. This process looks for it after
	// the failure, because an errno alone does not tell. Hint is empty if nothing
	// was found. Its text may change.
	Hint string
}

// Error returns the path, the step, the object, the cause and the hint, in one
// line.
func (e *Error) Error() string {
	text := "spawn " + plan.Printable(e.Path) + ": " + e.Step
	if e.Object != "" {
		text += " " + plan.Printable(e.Object)
	}
	text += ": " + e.Err.Error()
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// UnsupportedError says what this kernel or platform lacks, and which Linux version
// has it first. errors.As finds it in an [*Error].
type UnsupportedError = attr.UnsupportedError

// ErrStatusTaken is the error of [Process.Wait] if the child has ended but its
// status is lost: somebody else in this process has waited for the child, or
// SIGCHLD is ignored. From Linux 6.15 on, Wait finds the status all the same.
var ErrStatusTaken = plan.ErrStatusTaken

// ErrDigest is the error of [Compile] if the program is not the one of attr.Digest. The
// object of the error is the path and the hash that was found.
var ErrDigest = plan.ErrDigest

// ErrStatusUnknown is the error of [Process.Wait] for an attached process that has
// ended, if the kernel does not tell how. See [Attach].
var ErrStatusUnknown = plan.ErrStatusUnknown

// ofStart is wrap for what has failed at a start: the error of a context stays as
// it is.
func ofStart(path string, err error) error {
	var e *plan.Error
	if errors.As(err, &e) {
		return wrap(path, err)
	}
	return err
}

// wrap makes an Error of what the planner found wrong.
func wrap(path string, err error) error {
	var e *plan.Error
	if errors.As(err, &e) {
		return &Error{Path: path, Part: Part(e.Part), Step: e.Step, Index: e.Index, Object: e.Object, Err: e.Err, Hint: e.Hint}
	}
	return &Error{Path: path, Part: PartSpec, Step: plan.StepSpec, Index: -1, Err: err}
}

// tooLong is E2BIG for one string.
func tooLong(n int) error {
	return fmt.Errorf("%d bytes, over the limit of %d for one string: %w", n, maxArg-1, syscall.E2BIG)
}

// missing is the error for something that the kernel does not have.
func missing(what, feature, since string) error {
	return fmt.Errorf("spawn: %s: %w", what, &UnsupportedError{What: feature, Since: since})
}

// ExitError is the error of a child that did not exit with status 0, like
// exec.ExitError. It has the methods of the child's state.
type ExitError struct{ *ProcessState }

// Error returns the state as text: "exit status 1", "signal: killed".
func (e *ExitError) Error() string { return e.ProcessState.String() }

// Err returns nil if the child exited with status 0, and an [*ExitError] if it did
// not. On a nil state Err returns nil, too, because the error of the function that
// returned the state says more.
func (s *ProcessState) Err() error {
	if s == nil || s.Success() {
		return nil
	}
	return &ExitError{s}
}
