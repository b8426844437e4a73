package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn/attr"
)

// sandbox is the flags of what the program may do.
type sandbox struct {
	seccomp     string // a file
	seccompLog  bool
	landlock    bool // given without a rule
	rules       attr.LandlockRules
	noASLR      bool
	personality *attr.Personality
	keyring     *attr.SessionKeyring
	selinux     *attr.SELinuxContext
	apparmor    *attr.AppArmorProfile
	digest      *attr.Digest
}

func (o *options) sandboxFlags() []*pflag.Flag {
	const group = "Sandbox"
	return []*pflag.Flag{
		o.value(group, "seccomp", "filter system calls by the BPF program in `FILE`", name(&o.seccomp)),
		toggle(group, "seccomp-log", "log what it refuses", &o.seccompLog),
		toggle(group, "landlock", "allow nothing but what follows, in files and TCP", &o.landlock),
		o.value(group, "allow-read", "reading files beneath `PATH`", collect(&o.rules.Read, text)),
		o.value(group, "allow-write", "changing files beneath `PATH`", collect(&o.rules.Write, text)),
		o.value(group, "allow-exec", "running and reading files beneath `PATH`", collect(&o.rules.Execute, text)),
		o.value(group, "allow-bind", "binding TCP sockets to `PORT`", collect(&o.rules.TCPBind, parsePort)),
		o.value(group, "allow-connect", "connecting TCP sockets to `PORT`", collect(&o.rules.TCPConnect, parsePort)),
		toggle(group, "allow-tcp", "all of TCP", &o.rules.AnyTCP),
		o.value(group, "allow-udp-bind", "of UDP nothing but binding to `PORT`, 0 for any free one", collect(&o.rules.UDPBind, parsePort)),
		o.value(group, "allow-udp-connect", "of UDP nothing but sending to `PORT`", collect(&o.rules.UDPConnect, parsePort)),
		toggle(group, "deny-udp", "no UDP", &o.rules.NoUDP),
		o.value(group, "allow-unix", "of Unix sockets in files nothing but those beneath `PATH`", collect(&o.rules.PathnameUnix, text)),
		toggle(group, "deny-pathname-unix", "connect to no Unix socket in a file out of the sandbox", &o.rules.NoPathnameUnix),
		toggle(group, "deny-signals", "send no signals out of the sandbox", &o.rules.NoSignals),
		toggle(group, "deny-abstract-unix", "connect to no abstract socket out of the sandbox", &o.rules.NoAbstractUnix),
		toggle(group, "landlock-log", "have audit records of what the program is refused", &o.rules.Log),
		o.value(group, "landlock-quiet", "have none about files beneath `PATH`", collect(&o.rules.Quiet, text)),
		toggle(group, "landlock-best-effort", "drop what this kernel can't restrict, and say so", &o.rules.BestEffort),
		toggle(group, "no-aslr", "have the same addresses in each run", &o.noASLR),
		o.value(group, "personality", "have execution domain and flags `HEX`", single(&o.personality, parsePersonality)),
		o.value(group, "keyring", "have session keyring `NAME`, - for a new one", single(&o.keyring, parseKeyring)),
		o.value(group, "selinux-context", "run in security context `CONTEXT` of SELinux", single(&o.selinux, text)),
		o.value(group, "sha256", "run the program only if its hash is `HEX`", single(&o.digest, parseDigest)),
		o.value(group, "apparmor-profile", "run under `PROFILE` of AppArmor", single(&o.apparmor, text)),
	}
}

func (o *options) sandboxAttributes() (list attr.List, err error) {
	switch {
	case o.seccomp != "":
		s, err := readFilter(o.seccomp)
		if err != nil {
			return nil, fmt.Errorf("--seccomp: %w", err)
		}
		if o.seccompLog {
			s.Flags = seccompFlagLog
		}
		list = append(list, s)
	case o.seccompLog:
		return nil, errors.New("--seccomp-log: needs --seccomp")
	}
	if o.restricts() {
		if err := o.rulesContradict(); err != nil {
			return nil, err
		}
		o.rules.InChild = o.otherFiles()
		r, err := attr.NewLandlock(o.rules)
		if err != nil {
			err = fmt.Errorf("%s: %w", o.from.flagFor("Landlock"), errors.Unwrap(err)) // without the name of the function
		}
		switch {
		case errors.Is(err, errors.ErrUnsupported) && o.isOptional("Landlock"):
			o.lacking = append(o.lacking, o.lackOf("Landlock", err))
		case err != nil:
			return nil, err
		default:
			o.opened = append(o.opened, r)
			o.dropped = r.Dropped()
			list = append(list, r.Attr())
		}
	}
	if o.noASLR {
		p := attr.PersonalityNoASLR
		if o.personality != nil {
			p |= *o.personality
		}
		o.personality = &p
	}
	put(&list, o.personality)
	put(&list, o.keyring)
	put(&list, o.selinux)
	put(&list, o.apparmor)
	put(&list, o.digest)
	return list, nil
}

// rulesContradict says in flags what NewLandlock would refuse.
func (o *options) rulesContradict() error {
	switch r := o.rules; {
	case r.AnyTCP && len(r.TCPBind)+len(r.TCPConnect) > 0:
		return errors.New("--allow-tcp: contradicts --allow-bind and --allow-connect")
	case r.NoUDP && len(r.UDPBind)+len(r.UDPConnect) > 0:
		return errors.New("--deny-udp: contradicts --allow-udp-bind and --allow-udp-connect")
	case r.NoPathnameUnix && len(r.PathnameUnix) > 0:
		return errors.New("--deny-pathname-unix: contradicts --allow-unix")
	case len(r.Quiet) > 0 && !r.Log:
		return errors.New("--landlock-quiet: needs --landlock-log")
	}
	return nil
}

// otherFiles reports whether paths lead the program to other files than spawn: rules are then
// about those.
func (o *options) otherFiles() bool {
	mount, err := numberOf("namespace", namespaces, "mount")
	joins := slices.ContainsFunc(o.joins, func(j joining) bool { return j.types == 0 || err == nil && j.types&mount != 0 })
	return joins || o.mounts != nil || o.mountProc || o.chroot != nil || o.pivotRoot != nil || o.entries != nil
}

// restricts reports whether Landlock is asked for: each of its flags does so.
func (o *options) restricts() bool {
	r := o.rules
	return o.landlock || r.AnyTCP || r.NoSignals || r.NoAbstractUnix || r.NoUDP || r.NoPathnameUnix || r.Log || r.BestEffort ||
		len(r.Read)+len(r.Write)+len(r.Execute)+len(r.PathnameUnix)+len(r.Quiet) > 0 ||
		len(r.TCPBind)+len(r.TCPConnect)+len(r.UDPBind)+len(r.UDPConnect) > 0
}

const (
	seccompFlagLog   = 2    // SECCOMP_FILTER_FLAG_LOG
	maxFilter        = 4096 // BPF_MAXINSNS
	sizeofSockFilter = 8
)

// readFilter reads a filter as libseccomp exports it and bwrap(1) wants it: an
// array of struct sock_filter.
func readFilter(path string) (attr.Seccomp, error) {
	f, err := os.Open(path)
	if err != nil {
		return attr.Seccomp{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFilter*sizeofSockFilter+1))
	if err != nil {
		return attr.Seccomp{}, err
	}
	s, err := parseFilter(text)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func parseFilter(text []byte) (attr.Seccomp, error) {
	switch n := len(text); {
	case n > maxFilter*sizeofSockFilter:
		return attr.Seccomp{}, fmt.Errorf("more than %d instructions", maxFilter)
	case n == 0 || n%sizeofSockFilter != 0:
		return attr.Seccomp{}, fmt.Errorf("not an array of struct sock_filter, of %d bytes each", sizeofSockFilter)
	}
	s := attr.Seccomp{Filter: make([]attr.SockFilter, len(text)/sizeofSockFilter)}
	return s, binary.Read(bytes.NewReader(text), binary.NativeEndian, s.Filter)
}

// parseDigest takes what sha256sum(1) prints.
func parseDigest(s string) (d attr.Digest, err error) {
	sum, err := hex.DecodeString(s)
	if err != nil || copy(d.SHA256[:], sum) != len(sum) || len(sum) != len(d.SHA256) {
		return d, errors.New("not 64 hexadecimal digits")
	}
	return d, nil
}

func parsePort(s string) (uint16, error) {
	n, err := parseRange(0, math.MaxUint16)(s)
	return uint16(n), err
}

func parsePersonality(s string) (attr.Personality, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 32)
	if err != nil || n == math.MaxUint32 { // which asks for the present one
		return 0, errors.New("not a hexadecimal number below ffffffff")
	}
	return attr.Personality(n), nil
}

// parseKeyring has a new keyring as keyctl(1) does.
func parseKeyring(s string) (attr.SessionKeyring, error) {
	if s == "-" {
		return "", nil
	}
	return text[attr.SessionKeyring](s)
}
