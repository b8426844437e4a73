package main

import (
	"errors"
	"path"
	"strings"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn/attr"
)

// rooted is the flags of a root directory that is made anew. Their order counts.
type rooted struct{ entries attr.NewRoot }

func (o *options) rootFlags() []*pflag.Flag {
	const group = "New root"
	bind := func(e attr.RootEntry) func(string) error {
		return gather(&o.entries, func(s string) ([]attr.RootEntry, error) { return parseBind(s, e) })
	}
	mount := func(e attr.RootEntry) func(string) error {
		return gather(&o.entries, func(s string) ([]attr.RootEntry, error) { return parsePlace(s, e) })
	}
	return []*pflag.Flag{
		o.value(group, "ro-bind", "make a root of what is named here: `FILE[:PATH]`, read-only", bind(attr.RootEntry{})),
		o.value(group, "bind", "the same, to be written to: `FILE[:PATH]`", bind(attr.RootEntry{Writable: true})),
		o.value(group, "dev-bind", "the same, with devices: `FILE[:PATH]`", bind(attr.RootEntry{Writable: true, Devices: true})),
		o.value(group, "tmpfs", "mount an empty tmpfs on `PATH` there", mount(attr.RootEntry{FSType: "tmpfs", Data: "mode=0755"})),
		o.value(group, "proc", "mount a new proc on `PATH` there", mount(attr.RootEntry{FSType: "proc"})),
		o.value(group, "dev", "make a small /dev at `PATH` there", gather(&o.entries, parseDev)),
		o.value(group, "dir", "make directory `PATH` there", mount(attr.RootEntry{})),
		o.value(group, "symlink", "make a symbolic link there: `TARGET:PATH`", gather(&o.entries, parseSymlink)),
	}
}

func (o *options) rootAttributes() (list attr.List, err error) {
	when(&list, o.entries != nil, o.entries)
	return list, nil
}

// parseBind reads FILE[:PATH]. A backslash goes before a colon of a name, and before a
// backslash.
func parseBind(s string, e attr.RootEntry) ([]attr.RootEntry, error) {
	source, target, two := cutName(s)
	if !two {
		target = source
	}
	if source == "" {
		return nil, errors.New("not FILE[:PATH]")
	}
	e.Bind = source
	return parsePlace(target, e)
}

func parseSymlink(s string) ([]attr.RootEntry, error) {
	target, link, two := cutName(s)
	if !two || target == "" {
		return nil, errors.New("not TARGET:PATH")
	}
	return parsePlace(link, attr.RootEntry{Symlink: target})
}

func parseDev(s string) ([]attr.RootEntry, error) {
	if _, err := parsePlace(s, attr.RootEntry{}); err != nil {
		return nil, err
	}
	return attr.MinimalDev(s), nil
}

// parsePlace has an entry at a path of the new root.
func parsePlace(s string, e attr.RootEntry) ([]attr.RootEntry, error) {
	if !path.IsAbs(s) {
		return nil, errors.New("its path in the new root is not absolute")
	}
	e.Path = s
	return []attr.RootEntry{e}, nil
}

// cutName cuts a text at its first colon without a backslash before it.
func cutName(s string) (name, rest string, two bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == ':' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == ':':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", false
}
