package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/lookup"
)

// isolation is the flags of namespaces, cgroup and root directory.
type isolation struct {
	clone, unshare []uint // nil where not given
	joins          []joining
	persists       []joining
	uidMap, gidMap []attr.IDMapEntry
	mapRoot        bool
	mapSelf        bool
	mapAuto        bool
	setgroups      *bool
	mapHelpers     bool
	cgroup         string
	chroot         *attr.Chroot
	pivotRoot      *attr.PivotRoot
	mounts         attr.Mounts
	mountProc      bool
	offsets        attr.TimeOffsets
	hostname       *attr.Hostname
	domainname     *attr.Domainname
	loopback       bool
}

func (o *options) namespaceFlags() []*pflag.Flag {
	const group = "Namespaces"
	clone, unshare := parseNamespaces(namespaces), parseNamespaces(namespaces, unshareable)
	return []*pflag.Flag{
		o.value(group, "new", "start in new namespaces: `LIST`, as user,pid,net", gather(&o.clone, clone)),
		o.value(group, "unshare", "start, then leave the namespaces of `LIST`", gather(&o.unshare, unshare)),
		o.value(group, "join", "enter namespaces: `TYPE=FILE`, PID:LIST or PID:all", collect(&o.joins, parseJoin)),
		o.value(group, "persist", "bind a new namespace to a file, to stay: `TYPE=FILE`", collect(&o.persists, parsePersist)),
		o.value(group, "uid-map", "map COUNT user ids: `INSIDE:OUTSIDE:COUNT`", collect(&o.uidMap, attr.ParseIDMapEntry)),
		o.value(group, "gid-map", "map COUNT group ids: `INSIDE:OUTSIDE:COUNT`", collect(&o.gidMap, attr.ParseIDMapEntry)),
		toggle(group, "map-root", "map the ids of the caller to 0", &o.mapRoot),
		toggle(group, "map-self", "map the ids of the caller to themselves", &o.mapSelf),
		toggle(group, "map-auto", "map the subordinate ids of the caller from 0 up", &o.mapAuto),
		o.value(group, "setgroups", "`allow|deny` setgroups(2) with the maps", single(&o.setgroups, parseAllow)),
		toggle(group, "map-helpers", "have newuidmap and newgidmap write the maps", &o.mapHelpers),
		o.value(group, "cgroup", "start in the cgroup of directory `DIR`", name(&o.cgroup)),
		o.value(group, "chroot", "change the root directory to `DIR`", single(&o.chroot, text)),
		o.value(group, "pivot-root", "change it to `DIR`, and unmount the old one", single(&o.pivotRoot, text)),
		o.value(group, "mount", "mount: `LIST` of type=T, source=S, target=T, options", gather(&o.mounts, parseMount)),
		toggle(group, "mount-proc", "mount a new /proc, in a mount namespace of its own", &o.mountProc),
		o.value(group, "monotonic", "put the steady clock of --new time on by `DURATION`", clock(&o.offsets.Monotonic)),
		o.value(group, "boottime", "put its clock of the time since boot on by `DURATION`", clock(&o.offsets.Boottime)),
		o.value(group, "hostname", "have host name `NAME`", single(&o.hostname, text)),
		o.value(group, "domainname", "have NIS domain name `NAME`", single(&o.domainname, text)),
		toggle(group, "loopback", "bring up loopback in a new net namespace", &o.loopback),
	}
}

func (o *options) namespaceAttributes() (list attr.List, err error) {
	if err := cmp.Or(o.addProc(), o.checkPersist()); err != nil {
		return nil, err
	}
	when(&list, o.clone != nil, attr.Namespaces{Flags: bits(o.clone)})
	when(&list, o.unshare != nil, attr.Unshare{Flags: bits(o.unshare)})
	for _, j := range o.joins {
		f, err := o.openNamespace(&j)
		if err != nil {
			return nil, fmt.Errorf("--join: %w", err)
		}
		list = append(list, attr.JoinNamespace{File: f, Types: j.types})
	}
	if o.cgroup != "" {
		dir, err := o.open(o.cgroup, os.O_RDONLY)
		if err != nil {
			return nil, fmt.Errorf("--cgroup: %w", err)
		}
		list = append(list, attr.Cgroup{Dir: dir})
	}
	m, err := o.idMap()
	if err != nil {
		return nil, err
	}
	when(&list, len(m.UID)+len(m.GID) > 0, m)
	when(&list, o.mounts != nil, o.mounts)
	when(&list, o.offsets != attr.TimeOffsets{}, o.offsets)
	put(&list, o.chroot)
	put(&list, o.pivotRoot)
	put(&list, o.hostname)
	put(&list, o.domainname)
	when(&list, o.loopback, attr.Loopback{})
	return list, nil
}

// addProc is --mount-proc, as unshare(1) has it.
func (o *isolation) addProc() error {
	if !o.mountProc {
		return nil
	}
	proc, err := parseMount("type=proc,source=proc,target=/proc,nosuid,nodev,noexec")
	if err != nil {
		return fmt.Errorf("--mount-proc: %w", err)
	}
	own, err := numberOf("namespace", namespaces, "mount")
	if err == nil && (bits(o.clone)|bits(o.unshare))&own == 0 {
		o.clone = append(o.clone, own)
	}
	o.mounts = append(o.mounts, proc...)
	return err
}

// clock stores the offset of a clock.
func clock(to *time.Duration) func(string) error {
	return func(s string) error {
		seconds, err := strconv.ParseInt(s, 10, 64)
		if d, several := time.ParseDuration(s); several == nil {
			*to = d
			return nil
		}
		if err != nil || seconds > math.MaxInt64/int64(time.Second) || seconds < math.MinInt64/int64(time.Second) {
			return errors.New("not a duration, as 86400, -1h30m or 2.5s")
		}
		*to = time.Duration(seconds) * time.Second
		return nil
	}
}

// idMap has no maps if no flag was given.
func (o *options) idMap() (attr.IDMap, error) {
	m := attr.IDMap{UID: o.uidMap, GID: o.gidMap, Setgroups: o.setgroups != nil && *o.setgroups, Helpers: o.mapHelpers}
	const needs = "needs --uid-map, --gid-map, --map-root, --map-self or --map-auto"
	given := len(m.UID)+len(m.GID) > 0
	switch {
	case o.mapAuto && given:
		return m, errors.New("--map-auto: contradicts --uid-map and --gid-map")
	case o.mapRoot && (given || o.mapSelf):
		return m, errors.New("--map-root: contradicts --map-self, --uid-map and --gid-map")
	case o.mapSelf && given:
		return m, errors.New("--map-self: contradicts --uid-map and --gid-map")
	case o.mapRoot:
		own := attr.MapRoot()
		m.UID, m.GID = own.UID, own.GID
	case o.mapSelf:
		own := attr.MapSelf()
		m.UID, m.GID = own.UID, own.GID
	case o.setgroups != nil && !given && !o.mapAuto:
		return m, errors.New("--setgroups: " + needs)
	case o.mapHelpers && !given && !o.mapAuto:
		return m, errors.New("--map-helpers: " + needs)
	}
	if o.mapAuto {
		return o.withSubordinate(m)
	}
	return m, nil
}

// withSubordinate is --map-auto, as unshare(1) has it.
func (o *isolation) withSubordinate(m attr.IDMap) (attr.IDMap, error) {
	uid, gid, err := lookup.SubordinateIDs(strconv.Itoa(os.Geteuid()))
	if err != nil {
		return m, fmt.Errorf("--map-auto: %w", unknown(err))
	}
	m.UID, m.GID = around(m.UID, uid), around(m.GID, gid)
	m.Setgroups, m.Helpers = o.setgroups == nil || *o.setgroups, true
	return m, nil
}

// around adds a range of ids that begins at 0 inside. The range goes on after the one id
// that is mapped already, so its last id is left out then.
func around(own []attr.IDMapEntry, all attr.IDMapEntry) []attr.IDMapEntry {
	if len(own) == 0 || own[0].ContainerID >= all.Size {
		return append(own, all)
	}
	hole := own[0].ContainerID
	for _, part := range []attr.IDMapEntry{
		{HostID: all.HostID, Size: hole},
		{ContainerID: hole + 1, HostID: all.HostID + hole, Size: all.Size - hole - 1},
	} {
		if part.Size > 0 {
			own = append(own, part)
		}
	}
	return own
}

// parseNamespaces makes a parse function for a list that is not empty.
func parseNamespaces(tables ...[]named) func(string) ([]uint, error) {
	parse := parseNames("namespace", tables...)
	return func(s string) ([]uint, error) {
		list, err := parse(s)
		if err == nil && len(list) == 0 {
			err = errors.New("no namespaces")
		}
		return list, err
	}
}

// joining is a value of --join: the namespaces of a file, or of a process.
type joining struct {
	types uint
	file  string
	pid   int
	all   bool
}

func parseJoin(s string) (j joining, err error) {
	kind, file, isFile := strings.Cut(s, "=")
	pid, list, isPID := strings.Cut(s, ":")
	switch {
	case isFile && file != "":
		j.file = file
		j.types, err = numberOf("namespace", namespaces, kind)
	case isPID:
		if j.pid, err = parseRange(1, math.MaxInt32)(pid); err != nil {
			return j, err
		}
		if list == "all" {
			j.all = true
			return j, nil
		}
		var types []uint
		types, err = parseNamespaces(namespaces)(list)
		j.types = bits(types)
	default:
		err = errors.New("not TYPE=FILE or PID:LIST")
	}
	return j, err
}

// openNamespace opens the file, or a pidfd.
func (o *options) openNamespace(j *joining) (f *os.File, err error) {
	if j.file != "" {
		return o.open(j.file, os.O_RDONLY)
	}
	if f, err = openProcess(j.pid); err == nil {
		o.opened = append(o.opened, f)
		if j.all {
			j.types, err = allOf(j.pid)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", j.pid, err)
	}
	return f, nil
}

// parseAllow reads "allow" or "deny".
func parseAllow(s string) (bool, error) {
	if s != "allow" && s != "deny" {
		return false, errors.New("neither allow nor deny")
	}
	return s == "allow", nil
}

// parseMount reads what mount(8) has as -t TYPE SOURCE TARGET -o OPTIONS. Some
// things need several calls, as there: the other options of a bind mount, and
// those of propagation.
func parseMount(s string) ([]attr.Mount, error) {
	if len(mountOptions) == 0 {
		_, err := numberOf("mount option", nil, "")
		return nil, err
	}
	var m attr.Mount
	var propagation, cleared uint
	var data []string
	for option := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "type":
			m.FSType = value
		case "source":
			m.Source = value
		case "target":
			m.Target = value
		default:
			if n, err := numberOf("", propagations, option); err == nil {
				propagation |= n
			} else if n, err := numberOf("", mountOptions, option); err == nil {
				m.Flags, cleared = m.Flags|n, cleared&^n
			} else if n, err := numberOf("", mountClears, option); err == nil {
				m.Flags, cleared = m.Flags&^n, cleared|n
			} else {
				data = append(data, option)
			}
		}
	}
	if m.Target == "" {
		return nil, errors.New("no target=DIR")
	}
	if kind := withoutData(m, propagation); kind != "" && data != nil {
		return nil, fmt.Errorf("no option %q of %s", data[0], kind)
	}
	m.Data = strings.Join(data, ",")
	return mountCalls(m, propagation, cleared), nil
}

// withoutData is what a mount is called if no file system gets its other options;
// the kernel ignores them.
func withoutData(m attr.Mount, propagation uint) string {
	switch {
	case m.Flags&mountBind != 0:
		return "a bind mount"
	case m.Flags&mountMove != 0:
		return "a move"
	case propagation != 0 && m == attr.Mount{Target: m.Target}:
		return "a change of propagation"
	}
	return ""
}

// mountCalls are the calls that do it. A bind mount has the restrictions of its
// source, which the call for its other options would drop, or not be allowed to.
func mountCalls(m attr.Mount, propagation, cleared uint) (calls []attr.Mount) {
	const bind = mountBind | mountRecursive
	rest := m.Flags &^ bind
	switch {
	case m.Flags&mountBind != 0 && rest != 0 && rest&mountRemount == 0:
		rest |= restrictions(m.Source) &^ cleared
		calls = append(calls, attr.Mount{Source: m.Source, Target: m.Target, Flags: m.Flags & bind},
			attr.Mount{Target: m.Target, Flags: mountRemount | mountBind | rest})
	case propagation == 0 || m != attr.Mount{Target: m.Target}:
		calls = append(calls, m)
	}
	if propagation != 0 {
		calls = append(calls, attr.Mount{Target: m.Target, Flags: propagation})
	}
	return calls
}
