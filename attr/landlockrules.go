package attr

import (
	"fmt"
	"os"
	"slices"

	"github.com/safespawn/spawn/internal/plan"
)

// LandlockRules says what a program may do. The zero value allows nothing that
// Landlock controls, but for what needs a newer kernel: signals, Unix sockets and
// UDP are restricted where a field says so. Landlock does not control everything.
// Examples are changes of modes and owners, stat, and Multipath TCP, with which
// servers in Go listen by default.
//
// A path is that of a file, or of a directory and everything beneath it.
// [NewLandlock] resolves the paths, symbolic links included. With InChild the child
// does. The rules hold for the files found then, whatever becomes of the names.
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

	// PathnameUnix are the Unix sockets in the file system that the program may
	// connect and send to. A path is that of a socket, or of a directory and all
	// sockets beneath it. NoPathnameUnix allows none. Without both, all are allowed.
	// Sockets that the program itself and its descendants have made stay allowed.
	PathnameUnix   []string
	NoPathnameUnix bool

	// UDPBind and UDPConnect are the UDP ports that the program may bind to, and
	// connect and send to. If one of them is given, all other ports are refused. NoUDP
	// allows none. Without all three, UDP is not restricted. A socket that sends
	// without having been bound takes a port by itself, which needs port 0 in UDPBind.
	UDPBind, UDPConnect []uint16
	NoUDP               bool

	// Log has the kernel write audit records of what the program was refused, if audit
	// is enabled. Without it there are none after execve. With Log there are none about
	// the files at the paths of Quiet, and beneath them. Quiet needs Log.
	Log   bool
	Quiet []string

	// InChild has each child resolve the paths and make a ruleset of its own. Then the
	// rules are about what the program finds at the paths: what [Mounts] has mounted,
	// in the root directory of [Chroot] and [PivotRoot], and in the mount namespace of
	// [JoinNamespace]. The child does so after all file actions, with the program's ids
	// and in its working directory. If a path can't be resolved, Start returns an error
	// with the path as its Object.
	InChild bool

	// BestEffort drops rules that the kernel lacks; LandlockRuleset.Dropped lists
	// them. Without BestEffort such a rule is an error.
	BestEffort bool
}

// LandlockRuleset is a ruleset of the kernel. Any number of children may use it at
// once, until you close it.
type LandlockRuleset struct {
	file    *os.File            // nil where the kernel has no Landlock, and with made
	made    *plan.LandlockRules // what the child makes a ruleset of, or nil
	flags   uint                // of landlock_restrict_self
	dropped []string
}

// NewLandlock makes a ruleset. You must close it. It needs search permission on the
// way to the paths; with InChild the program's user does. If the kernel lacks something, the error is an
// [UnsupportedError] that says which Linux version has it.
//
// Linux 6.10; 6.12 with NoSignals or NoAbstractUnix; 6.15 with Log; 7.1 with
// PathnameUnix or NoPathnameUnix; 7.2 with UDPBind, UDPConnect, NoUDP or Quiet. See
// landlock(7).
func NewLandlock(rules LandlockRules) (*LandlockRuleset, error) {
	if err := rules.check(); err != nil {
		return nil, fmt.Errorf("attr.NewLandlock: %w", err)
	}
	r, err := newLandlock(rules)
	if err != nil {
		return nil, fmt.Errorf("attr.NewLandlock: %w", err)
	}
	return r, nil
}

// Attr returns the attribute. You may use it until Close. If all rules were
// dropped, it changes nothing.
func (r *LandlockRuleset) Attr() Landlock {
	return Landlock{File: r.file, Flags: r.flags, made: r.made, nothing: r.file == nil && r.made == nil && len(r.dropped) > 0}
}

// Dropped returns the names of the rights that the kernel lacks, as in landlock(7),
// such as LANDLOCK_ACCESS_NET_BIND_TCP. The program is not restricted in these.
// There is one exception: without LANDLOCK_ACCESS_FS_REFER the program can't link
// or move any file to another directory. The names are also those of the flags that
// Log and Quiet stand for.
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
	landlockFlags // of landlock_restrict_self
	landlockQuiet // of landlock_add_rule
	landlockKinds
)

// Rights, as in linux/landlock.h.
const (
	fsExecute     = 1 << 0
	fsReadFile    = 1 << 2
	fsRead        = fsReadFile | 1<<3
	fsFirst       = 1<<13 - 1 // all rights of the first version
	fsRefer       = 1 << 13
	fsTruncate    = 1 << 14
	fsIoctl       = 1 << 15
	fsResolveUnix = 1 << 16
	fsDevices     = 1<<6 | 1<<11 // making of devices
	fsWriteFile   = 1 << 1
	fsWrite       = (fsFirst | fsRefer | fsTruncate | fsIoctl) &^ (fsExecute | fsRead | fsDevices)
	fsOfFile      = fsExecute | fsWriteFile | fsReadFile | fsTruncate | fsIoctl | fsResolveUnix // what is no directory's alone

	netBind, netConnect       = 1 << 0, 1 << 1
	netBindUDP, netConnectUDP = 1 << 2, 1 << 3
	scopeUnix, scopeSignal    = 1 << 0, 1 << 1
	logNewExec                = 1 << 1
	addRuleQuiet              = 1 << 0
)

// landlockRight is what came with a version of Landlock, and which rules want it; nil
// for all of them.
type landlockRight struct {
	kind   int
	bits   uint64
	abi    int
	since  string
	name   string
	wanted func(LandlockRules) bool
}

var landlockRights = []landlockRight{
	{landlockFS, fsFirst, 1, "5.13", "LANDLOCK_ACCESS_FS_*", nil},
	{landlockFS, fsRefer, 2, "5.19", "LANDLOCK_ACCESS_FS_REFER", nil},
	{landlockFS, fsTruncate, 3, "6.2", "LANDLOCK_ACCESS_FS_TRUNCATE", nil},
	{landlockNet, netBind, 4, "6.7", "LANDLOCK_ACCESS_NET_BIND_TCP", LandlockRules.restrictsTCP},
	{landlockNet, netConnect, 4, "6.7", "LANDLOCK_ACCESS_NET_CONNECT_TCP", LandlockRules.restrictsTCP},
	{landlockFS, fsIoctl, 5, "6.10", "LANDLOCK_ACCESS_FS_IOCTL_DEV", nil},
	{landlockScope, scopeUnix, 6, "6.12", "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET", func(r LandlockRules) bool { return r.NoAbstractUnix }},
	{landlockScope, scopeSignal, 6, "6.12", "LANDLOCK_SCOPE_SIGNAL", func(r LandlockRules) bool { return r.NoSignals }},
	{landlockFlags, logNewExec, 7, "6.15", "LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON", func(r LandlockRules) bool { return r.Log }},
	{landlockFS, fsResolveUnix, 9, "7.1", "LANDLOCK_ACCESS_FS_RESOLVE_UNIX", LandlockRules.restrictsPathnameUnix},
	{landlockNet, netBindUDP, 10, "7.2", "LANDLOCK_ACCESS_NET_BIND_UDP", LandlockRules.restrictsUDP},
	{landlockNet, netConnectUDP, 10, "7.2", "LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP", LandlockRules.restrictsUDP},
	{landlockQuiet, addRuleQuiet, 10, "7.2", "LANDLOCK_ADD_RULE_QUIET", func(r LandlockRules) bool { return len(r.Quiet) > 0 }},
}

func (r LandlockRules) restrictsTCP() bool { return !r.AnyTCP }

func (r LandlockRules) restrictsUDP() bool { return r.NoUDP || len(r.UDPBind)+len(r.UDPConnect) > 0 }

func (r LandlockRules) restrictsPathnameUnix() bool {
	return r.NoPathnameUnix || len(r.PathnameUnix) > 0
}

// check finds rules that contradict each other.
func (r LandlockRules) check() error {
	switch {
	case r.AnyTCP && len(r.TCPBind)+len(r.TCPConnect) > 0:
		return plan.Invalid("AnyTCP with ports")
	case r.NoUDP && len(r.UDPBind)+len(r.UDPConnect) > 0:
		return plan.Invalid("NoUDP with ports")
	case r.NoPathnameUnix && len(r.PathnameUnix) > 0:
		return plan.Invalid("NoPathnameUnix with paths")
	case len(r.Quiet) > 0 && !r.Log:
		return plan.Invalid("Quiet without Log")
	}
	if !r.InChild {
		return nil
	}
	for _, path := range slices.Concat(r.Read, r.Write, r.Execute, r.PathnameUnix, r.Quiet) {
		if err := plan.CheckPath(path); err != nil {
			return err
		}
	}
	return nil
}

// wanted is all that the rules restrict or say otherwise, by kind.
func (r LandlockRules) wanted() (w [landlockKinds]uint64) {
	for _, x := range landlockRights {
		if x.wanted == nil || x.wanted(r) {
			w[x.kind] |= x.bits
		}
	}
	return w
}

// handled is what a kernel with a version of Landlock can do of it, and what has to be
// dropped.
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

// list is all rules, of what is handled.
func (r LandlockRules) list(handled [landlockKinds]uint64) (rules []plan.LandlockRule) {
	for _, l := range []struct {
		paths  []string
		access uint64
	}{{r.Read, fsRead}, {r.Write, fsWrite}, {r.Execute, fsExecute | fsReadFile}, {r.PathnameUnix, fsResolveUnix}} {
		for _, path := range l.paths {
			rules = append(rules, plan.LandlockRule{Path: path, Access: l.access & handled[landlockFS], OfFile: l.access & handled[landlockFS] & fsOfFile})
		}
	}
	for _, l := range []struct {
		ports  []uint16
		access uint64
	}{{r.TCPBind, netBind}, {r.TCPConnect, netConnect}, {r.UDPBind, netBindUDP}, {r.UDPConnect, netConnectUDP}} {
		for _, port := range l.ports {
			rules = append(rules, plan.LandlockRule{Port: port, IsPort: true, Access: l.access & handled[landlockNet]})
		}
	}
	for _, path := range r.Quiet {
		rules = append(rules, plan.LandlockRule{Path: path, Flags: handled[landlockQuiet]})
	}
	return slices.DeleteFunc(rules, func(x plan.LandlockRule) bool { return x.Access|x.Flags == 0 }) // those that are dropped
}
