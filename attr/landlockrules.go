package attr

import (
	"fmt"
	"os"
	"slices"
)

// LandlockRules says what a program may do. The zero value allows nothing that
// Landlock controls. Landlock does not control everything. Examples are UDP,
// changes of modes and owners, stat, and Multipath TCP, with which servers in Go
// listen by default.
//
// A path is that of a file, or of a directory and everything beneath it.
// [NewLandlock] resolves the paths, symbolic links included. The rules hold for the
// files found then, whatever becomes of the names.
type LandlockRules struct {
	Read    []string // reading files and listing directories
	Write   []string // writing, truncating, making, removing and renaming files, ioctl on devices; not making devices
	Execute []string // executing and reading files, which loaders and interpreters need

	// TCPBind and TCPConnect are the TCP ports that the program may bind to and
	// connect to. AnyTCP allows all ports.
	TCPBind, TCPConnect []uint16
	AnyTCP              bool

	// NoSignals keeps the program from sending signals to processes outside its
	// domain. NoAbstractUnix keeps it from connecting to abstract Unix sockets
	// outside its domain. This process is outside, too.
	NoSignals, NoAbstractUnix bool

	// BestEffort drops rules that the kernel lacks; LandlockRuleset.Dropped lists
	// them. Without BestEffort such a rule is an error.
	BestEffort bool
}

// LandlockRuleset is a ruleset of the kernel. Any number of children may use it at
// once, until you close it.
type LandlockRuleset struct {
	file    *os.File // nil where the kernel has no Landlock
	dropped []string
}

// NewLandlock makes a ruleset. You must close it. It needs search permission on the
// way to the paths. If the kernel lacks something, the error is an
// [UnsupportedError] that says which Linux version has it.
//
// Linux 6.10, and 6.12 with NoSignals or NoAbstractUnix. See landlock(7).
func NewLandlock(rules LandlockRules) (*LandlockRuleset, error) {
	r, err := newLandlock(rules)
	if err != nil {
		return nil, fmt.Errorf("attr.NewLandlock: %w", err)
	}
	return r, nil
}

// Attr returns the attribute. You may use it until Close. If all rules were
// dropped, it changes nothing.
func (r *LandlockRuleset) Attr() Landlock {
	return Landlock{File: r.file, nothing: r.file == nil && len(r.dropped) > 0}
}

// Dropped returns the names of the rights that the kernel lacks, as in landlock(7),
// such as LANDLOCK_ACCESS_NET_BIND_TCP. The program is not restricted in these.
// There is one exception: without LANDLOCK_ACCESS_FS_REFER the program can't link
// or move any file to another directory.
func (r *LandlockRuleset) Dropped() []string { return slices.Clone(r.dropped) }

// Close closes the ruleset. It does not affect children that have it.
func (r *LandlockRuleset) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Kinds of rights.
const (
	landlockFS = iota
	landlockNet
	landlockScope
	landlockKinds
)

// Rights, as in linux/landlock.h.
const (
	fsExecute   = 1 << 0
	fsReadFile  = 1 << 2
	fsRead      = fsReadFile | 1<<3
	fsFirst     = 1<<13 - 1 // all rights of the first version
	fsRefer     = 1 << 13
	fsTruncate  = 1 << 14
	fsIoctl     = 1 << 15
	fsDevices   = 1<<6 | 1<<11 // making of devices
	fsWriteFile = 1 << 1
	fsWrite     = (fsFirst | fsRefer | fsTruncate | fsIoctl) &^ (fsExecute | fsRead | fsDevices)
	fsOfFile    = fsExecute | fsWriteFile | fsReadFile | fsTruncate | fsIoctl // what is no directory's alone

	netBind, netConnect    = 1 << 0, 1 << 1
	scopeUnix, scopeSignal = 1 << 0, 1 << 1
)

// landlockRights is what came with which version of Landlock.
var landlockRights = []struct {
	kind  int
	bits  uint64
	abi   int
	since string
	name  string
}{
	{landlockFS, fsFirst, 1, "5.13", "LANDLOCK_ACCESS_FS_*"},
	{landlockFS, fsRefer, 2, "5.19", "LANDLOCK_ACCESS_FS_REFER"},
	{landlockFS, fsTruncate, 3, "6.2", "LANDLOCK_ACCESS_FS_TRUNCATE"},
	{landlockNet, netBind, 4, "6.7", "LANDLOCK_ACCESS_NET_BIND_TCP"},
	{landlockNet, netConnect, 4, "6.7", "LANDLOCK_ACCESS_NET_CONNECT_TCP"},
	{landlockFS, fsIoctl, 5, "6.10", "LANDLOCK_ACCESS_FS_IOCTL_DEV"},
	{landlockScope, scopeUnix, 6, "6.12", "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET"},
	{landlockScope, scopeSignal, 6, "6.12", "LANDLOCK_SCOPE_SIGNAL"},
}

// wanted is all that the rules restrict, by kind.
func (r LandlockRules) wanted() (w [landlockKinds]uint64) {
	for _, x := range landlockRights {
		switch {
		case x.kind == landlockNet && r.AnyTCP,
			x.kind == landlockScope && x.bits == scopeUnix && !r.NoAbstractUnix,
			x.kind == landlockScope && x.bits == scopeSignal && !r.NoSignals:
		default:
			w[x.kind] |= x.bits
		}
	}
	return w
}

// handled is what a kernel with a version of Landlock can restrict of it, and what
// has to be dropped.
func (r LandlockRules) handled(abi int) (h [landlockKinds]uint64, dropped []string, err error) {
	h = r.wanted()
	for _, x := range landlockRights {
		if h[x.kind]&x.bits == 0 || abi >= x.abi {
			continue
		}
		if !r.BestEffort {
			return h, nil, &UnsupportedError{What: x.name, Since: x.since,
				Err: fmt.Errorf("version %d of Landlock, this kernel has %d", x.abi, abi)}
		}
		h[x.kind] &^= x.bits
		dropped = append(dropped, x.name)
	}
	return h, dropped, nil
}
