// Package plan puts the child's work in order. Attributes and file actions lower
// themselves into a [Plan], each step in its phase; what the phases are and why
// they have this order is said once, in [Phases].
package plan

import (
	"os"
	"strconv"
	"sync"

	"github.com/safespawn/spawn/internal/raw"
)

// Plan collects the child's work.
type Plan struct {
	b      raw.Builder
	claims Claims
	index  int // of the attribute being lowered, -1 for none

	// Cgroup is the directory of the cgroup to be made in.
	Cgroup File
	// TTY becomes the controlling terminal after the file actions.
	TTY File
	// Credentials is set when the child changes ids or capabilities: others may
	// reach it then, and the memory that it shares.
	Credentials bool
	// Chrooted is set when paths mean something else in the child.
	Chrooted bool
	// Foreground is the terminal whose foreground the child's group becomes.
	Foreground *Descriptor
	// TTYNumber becomes the controlling terminal after the file actions.
	TTYNumber *Number
	// Steal is set when the controlling terminal may be taken from another session.
	Steal bool
	// Clone and Unshare are CLONE_* flags.
	Clone, Unshare Flags
	// Joins are namespaces to be entered.
	Joins []Join
	// PIDNamespace is a pid namespace for the program to be in.
	PIDNamespace *PIDNamespace
	// Guard is what to call before each start.
	Guard Guard
	// IDMap is for a new user namespace.
	IDMap *IDMap
	// TimeOffsets are for a new time namespace.
	TimeOffsets *TimeOffsets
	// Digest is what the program must have.
	Digest *Digest
	// Ruleset is that of Landlock.
	Ruleset *Ruleset
	// Listener is for the calls that a filter notifies of.
	Listener *Listener
	// NoPause is set when the child must not sleep between attempts at execve.
	NoPause bool
	// DeathSignal is set when the child must be made by a thread that lasts.
	DeathSignal bool
	// OwnFiles is set when the child writes files of /proc that are its user's.
	OwnFiles bool
	// Leads is set when the child leads a process group, whose id is its pid.
	Leads bool
	// MayWait is set when a step may take any time, as on a dead file server.
	MayWait bool
	// OOMScore is set when the child sets its OOM score, which is that of all that
	// share its memory and are not in vfork.
	OOMScore bool
	// CopiedMemory is set when the child changes what belongs to the memory.
	CopiedMemory bool
	// Here is set when no child is made: this process itself becomes the program.
	Here bool
	// Trace is set when the thread that makes the child traces it. Blocked is then
	// what SigMask asks for.
	Trace   *Trace
	Blocked uint64
	// Optional are attributes without which the child goes on, and Lacking why some of them
	// are not set.
	Optional []Optional
	Lacking  []*Error
}

// Trace says for which step a child is traced: until it is stopped, or by the
// thread that has called Start, from then on.
type Trace struct {
	Step    string
	Index   int // of the attribute
	Suspend bool
}

// Join is a file of namespaces, and which of them are to be entered.
type Join struct {
	File
	Types  uint64
	Object string
}

// PIDNamespace is a pid namespace that exists.
type PIDNamespace struct {
	Object string
	Index  int // of the attribute
	// Open is called at each start, for a file of the namespace. The file is not closed.
	Open func() (*os.File, error)
}

// Guard has somebody live who ends the child's control group after this process.
type Guard struct {
	Keep  func() error // nil where there is no need
	Index int          // of the attribute
}

// Number is a descriptor of the child.
type Number struct {
	FD    int
	Index int // of the attribute
}

// Descriptor is a file, or where that is nil the descriptor FD of this process.
type Descriptor struct {
	File
	FD int
}

// Object is what a step acts on.
func (d *Descriptor) Object() string {
	if d.File.File == nil {
		return "descriptor " + strconv.Itoa(d.FD)
	}
	return d.Name()
}

// Digest is a SHA-256 hash.
type Digest struct {
	Sum   [32]byte
	Index int // of the attribute
}

// Ruleset is a Landlock ruleset.
type Ruleset struct {
	Descriptor
	Flags uint64
	Made  *LandlockRules // not nil where the child makes it
}

// LandlockRules are what a ruleset is made of.
type LandlockRules struct {
	Handled []uint64 // struct landlock_ruleset_attr
	Rules   []LandlockRule
}

// LandlockRule is a rule for a path or for a port.
type LandlockRule struct {
	Path   string
	Port   uint16
	IsPort bool
	Access uint64
	OfFile uint64 // what of Access a file may have that is no directory
	Flags  uint64 // of landlock_add_rule
}

// Flags are CLONE_* flags that an attribute asks for.
type Flags struct {
	Bits   uint64
	Object string
	Index  int
}

// IDMap is the contents of uid_map, setgroups and gid_map; empty ones are not
// written.
type IDMap struct {
	UID, Setgroups, GID string
	Helpers             bool // newuidmap and newgidmap write the maps
	Index               int
}

// TimeOffsets is the contents of timens_offsets.
type TimeOffsets struct {
	Text, Object string
	Index        int
}

// File is an open file that an attribute needs, and the attribute's index.
type File struct {
	*os.File
	Index int
}

var plans = sync.Pool{New: func() any { return new(Plan) }}

// New returns an empty plan, to be given back by Free.
func New() *Plan {
	p := plans.Get().(*Plan)
	p.index = -1
	return p
}

// Free gives p back. What Build returned stays; what BuildShared returned must
// not be used any more.
func (p *Plan) Free() {
	p.b.Reset()
	p.claims.reset()
	*p = Plan{b: p.b, claims: p.claims}
	plans.Put(p)
}

// Attr says which attribute is lowered next.
func (p *Plan) Attr(index int) { p.index = index }

// SetCgroup asks for the child to be made in the cgroup of a directory.
func (p *Plan) SetCgroup(dir *os.File) { p.Cgroup = File{dir, p.index} }

// SetTTY asks for a controlling terminal.
func (p *Plan) SetTTY(f *os.File, steal bool) { p.TTY, p.Steal = File{f, p.index}, steal }

// SetTTYNumber asks for a controlling terminal.
func (p *Plan) SetTTYNumber(fd int, steal bool) { p.TTYNumber, p.Steal = &Number{fd, p.index}, steal }

// SetForeground asks for a terminal's foreground.
func (p *Plan) SetForeground(f *os.File, fd int) { p.Foreground = &Descriptor{File{f, p.index}, fd} }

// SetClone asks for namespaces to be made by clone.
func (p *Plan) SetClone(bits uint64, object string) { p.Clone = Flags{bits, object, p.index} }

// SetUnshare asks for unshare.
func (p *Plan) SetUnshare(bits uint64, object string) { p.Unshare = Flags{bits, object, p.index} }

// AddJoin asks for namespaces to be entered.
func (p *Plan) AddJoin(f *os.File, types uint64, object string) {
	p.Joins = append(p.Joins, Join{File{f, p.index}, types, object})
}

// SetPIDNamespace asks for the program to be in a pid namespace that exists: the program
// itself, which JoinNamespace can't do, as setns counts for the caller's children. So a
// first child enters the namespace and makes the child, which is this process's child
// as any other: with its pid, pidfd and status. It takes a process more, for a moment.
//
// open is called at each start and returns a file of the namespace, which stays its own
// and must stay open until the start returns. An error of open, or of setns, is one of
// the step "setns" of the attribute. object is what to call the namespace in errors and Steps.
//
// It needs CAP_SYS_ADMIN, in the user namespaces of this process and of the pid
// namespace, which must be this process's or below it. If the init of the namespace is
// dead, clone fails with ENOMEM. With CLONE_NEWPID of Namespaces Compile returns an error,
// and where memory can't be shared. Linux 3.13.
func (p *Plan) SetPIDNamespace(object string, open func() (*os.File, error)) {
	p.PIDNamespace = &PIDNamespace{object, p.index, open}
}

// SetGuard has keep be called before each start. An error is one of the step "tree".
func (p *Plan) SetGuard(keep func() error) { p.Guard = Guard{keep, p.index} }

// SetIDMap asks for the maps of a user namespace.
func (p *Plan) SetIDMap(m IDMap) {
	m.Index = p.index
	p.IDMap = &m
}

// SetTimeOffsets asks for the clocks of a time namespace.
func (p *Plan) SetTimeOffsets(text, object string) {
	p.TimeOffsets = &TimeOffsets{text, object, p.index}
}

// Parent is the parent of the program.
func (p *Plan) Parent() int {
	if p.Here {
		return os.Getppid()
	}
	return os.Getpid()
}

// SetDigest asks for a program with a hash.
func (p *Plan) SetDigest(sum [32]byte) { p.Digest = &Digest{sum, p.index} }

// SetRuleset asks for a Landlock ruleset.
func (p *Plan) SetRuleset(f *os.File, fd int, flags uint64) {
	p.Ruleset = &Ruleset{Descriptor: Descriptor{File{f, p.index}, fd}, Flags: flags}
}

// SetRules asks for a Landlock ruleset that the child makes.
func (p *Plan) SetRules(made *LandlockRules, flags uint64) {
	p.Ruleset = &Ruleset{Descriptor: Descriptor{File: File{Index: p.index}}, Flags: flags, Made: made}
}

// SetTrace asks for a child that is traced.
func (p *Plan) SetTrace(step string, suspend bool) { p.Trace = &Trace{step, p.index, suspend} }

// Claims is what the attributes claim.
func (p *Plan) Claims() *Claims { return &p.claims }

// Builder gives access to strings, variables and operations.
func (p *Plan) Builder() *raw.Builder { return &p.b }

// Step begins a step of the attribute being lowered, and Call adds to it.
func (p *Plan) Step(name, object string) { p.AttrStep(name, p.index, object) }

// AttrStep begins a step of an attribute.
func (p *Plan) AttrStep(name string, index int, object string) {
	p.b.Step(raw.Step{Name: name, Part: uint8(PartAttr), Index: index, Object: object})
}

// ActionStep begins a step of a file action.
func (p *Plan) ActionStep(name string, index int) {
	p.b.Step(raw.Step{Name: name, Part: uint8(PartAction), Index: index})
}

// StartStep begins a step of each start.
func (p *Plan) StartStep(name string) {
	p.b.Step(raw.Step{Name: name, Part: uint8(PartStart), Index: -1})
}

// Call adds a system call to the step in a phase.
func (p *Plan) Call(ph Phase, sys raw.Sys, args ...raw.Arg) raw.OpRef {
	switch sys {
	case raw.Chdir, raw.Fchdir, raw.Chroot, raw.Mount, raw.PivotRoot, raw.Umount2, raw.Openat2, raw.Mkdirat, raw.Symlinkat,
		raw.Mknodat, raw.OpenTree, raw.MoveMount:
		p.MayWait = true
	}
	return p.b.Call(uint8(ph), sys, args...)
}

// Build makes the program.
func (p *Plan) Build() *raw.Program { return p.b.Build() }

// BuildShared makes a program that is of use until Free.
func (p *Plan) BuildShared() *raw.Program { return p.b.BuildShared() }
