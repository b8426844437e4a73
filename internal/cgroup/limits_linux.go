package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// Setting is what a file of a group is to have. The file of a controller begins with the
// controller's name.
type Setting struct{ File, Value string }

func (s Setting) controller() string {
	name, _, _ := strings.Cut(s.File, ".")
	return name
}

// Controllers are those that limits need.
var Controllers = []string{"memory", "pids", "cpu", "io"}

// NewLimited is New for a group with settings. The errors about these are of the type
// *LimitError.
func NewLimited(settings []Setting) (*Group, error) {
	if len(settings) == 0 {
		return New()
	}
	parent, err := parentFor(settings)
	if err != nil {
		return nil, err
	}
	sweep(parent)
	g, err := makeGroup(parent)
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		if err := g.set(s); err != nil {
			_ = g.Remove() // nobody is in it
			return nil, err
		}
	}
	return g, nil
}

// set writes a setting.
func (g *Group) set(s Setting) error {
	err := g.with(func(fd int) error { return writeFile(fd, s.File, s.Value) })
	e := &LimitError{File: s.File, Controller: s.controller(), Dir: g.path, Err: err}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		e.Why, e.Err = "the kernel has no such file", errors.ErrUnsupported
		if s.File == "memory.swap.max" {
			e.Hint = "it counts no swap"
		}
	default:
		e.Why = "to write " + s.Value
	}
	return e
}

// parentFor is the cgroup in which groups with settings can be made. The controllers are
// on for what is below it.
func parentFor(settings []Setting) (string, error) {
	own, err := findParent()
	if err != nil {
		e := &LimitError{File: settings[0].File, Controller: settings[0].controller(), Err: err}
		if errors.Is(err, fs.ErrNotExist) {
			e.Why, e.Err = err.Error(), errors.ErrUnsupported
		}
		return "", e
	}
	parents := []string{own}
	if up := filepath.Dir(own); isLeaf(own) || isDelegated(up) {
		parents = []string{up, own}
	}
	var first error
	for _, dir := range parents {
		err := enable(dir, settings)
		if err == nil {
			return dir, nil
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

// leafName is the cgroup below its own that Delegate moves this process into.
const leafName = "spawn.leaf"

func isLeaf(dir string) bool { return filepath.Base(dir) == leafName }

// isDelegated reports whether systemd has given a cgroup away.
func isDelegated(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Lgetxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// list is what a file of names has.
func list(dir, file string) ([]string, error) {
	text, err := highfd.ReadFile(filepath.Join(dir, file))
	return strings.Fields(string(text)), err
}

// controllersOf are what a cgroup has, and which of that are on for groups below it.
func controllersOf(dir string) (has, on []string, err error) {
	if has, err = list(dir, "cgroup.controllers"); err == nil {
		on, err = list(dir, "cgroup.subtree_control")
	}
	return has, on, err
}

// enable has controllers be on for groups below a cgroup.
func enable(dir string, settings []Setting) error {
	has, on, err := controllersOf(dir)
	for _, s := range settings {
		name := s.controller()
		if err != nil {
			return &LimitError{File: s.File, Controller: name, Dir: dir, Err: err}
		}
		if slices.Contains(on, name) {
			continue
		}
		e := &LimitError{File: s.File, Controller: name, Dir: dir}
		if !slices.Contains(has, name) {
			e.Why, e.Err = "not delegated: it is not in cgroup.controllers", errors.ErrUnsupported
			e.Hint = "the cgroup above must have it in cgroup.subtree_control; it must not be one of cgroup version 1"
			return e
		}
		if err := switchOn(dir, name); err != nil {
			e.Err = err
			e.Why, e.Hint = whyOff(dir, err)
			return e
		}
		on = append(on, name)
	}
	return nil
}

func switchOn(dir, controller string) error {
	fd, err := highfd.Open(filepath.Join(dir, "cgroup.subtree_control"), unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, "+"+controller)
}

// whyOff explains the error of switchOn.
func whyOff(dir string, err error) (why, hint string) {
	switch {
	case errors.Is(err, unix.EBUSY):
		return "can't be switched on for cgroups below it, because it has processes of its own: " + who(dir),
			"spawn.DelegateCgroup moves them into a leaf; or start this process in one, as systemd does with DelegateSubgroup="
	case errors.Is(err, fs.ErrPermission):
		return "can't be switched on for cgroups below it: cgroup.subtree_control is not this user's",
			"the cgroup is not delegated to this user, as systemd does with Delegate=yes"
	case errors.Is(err, unix.EROFS):
		return "can't be switched on for cgroups below it: it is mounted read-only",
			"a container needs a writable /sys/fs/cgroup and a cgroup namespace of its own"
	}
	return "can't be switched on for cgroups below it", ""
}

// maxNamed bounds how many processes are named.
const maxNamed = 3

// who names some of the processes of a cgroup.
func who(dir string) string {
	var names []string
	pids, _ := list(dir, "cgroup.procs")
	for _, pid := range pids[:min(len(pids), maxNamed)] {
		name := "a process of another pid namespace"
		if pid != "0" {
			comm, _ := highfd.ReadFile("/proc/" + pid + "/comm")
			name = strings.TrimSpace(string(comm)) + " " + pid
		}
		names = append(names, name)
	}
	if more := len(pids) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// Delegate makes this process's cgroup one below which limits can be set: it moves all
// of the cgroup's processes into a leaf below it, and switches the controllers on.
func Delegate() error {
	own, err := findParent()
	if err != nil {
		return err
	}
	if isLeaf(own) {
		return enableAll(filepath.Dir(own))
	}
	if _, err := os.Stat(filepath.Join(own, "cgroup.type")); errors.Is(err, fs.ErrNotExist) {
		return enableAll(own) // the root has processes and controllers both
	}
	leaf := filepath.Join(own, leafName)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := moveAll(own, leaf); err != nil {
		_ = os.Remove(leaf) // or somebody is in it
		return err
	}
	return enableAll(own)
}

// enableAll switches on what there is.
func enableAll(dir string) error {
	has, err := list(dir, "cgroup.controllers")
	if err != nil {
		return err
	}
	var settings []Setting
	for _, name := range Controllers {
		if slices.Contains(has, name) {
			settings = append(settings, Setting{File: name + ".max"})
		}
	}
	return enable(dir, settings)
}

// maxMoves bounds how often a cgroup is looked at whose processes fork meanwhile.
const maxMoves = 100

// moveAll moves all processes of a cgroup, this one last.
func moveAll(from, to string) error {
	fd, err := highfd.Open(filepath.Join(to, "cgroup.procs"), unix.O_WRONLY, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: to, Err: err}
	}
	defer unix.Close(fd)
	self := fmt.Sprint(os.Getpid())
	for range maxMoves {
		pids, err := list(from, "cgroup.procs")
		if err != nil || len(pids) == 0 {
			return err
		}
		if i := slices.Index(pids, self); i >= 0 {
			pids = append(slices.Delete(pids, i, i+1), self)
		}
		for _, pid := range pids {
			if err := move(fd, pid); err != nil {
				return fmt.Errorf("spawn: process %s of %s can't be moved: %w", pid, from, err)
			}
		}
	}
	return fmt.Errorf("spawn: %s has ever new processes: %w", from, unix.EBUSY)
}

// move moves a process that may have ended.
func move(procs int, pid string) error {
	if pid == "0" {
		return fmt.Errorf("it is in another pid namespace: %w", unix.EPERM)
	}
	return gone(writeAll(procs, pid))
}

// Prospect says whether groups with limits can be made here, without changing anything:
// the controllers that can be used, and why others can't.
func Prospect() (usable []string, dir, why string) {
	own, err := findParent()
	if err != nil {
		return nil, "", err.Error()
	}
	dir = own
	if up := filepath.Dir(own); isLeaf(own) || isDelegated(up) {
		dir = up
	}
	has, on, err := controllersOf(dir)
	if err != nil {
		return nil, dir, err.Error()
	}
	free := unix.Faccessat(unix.AT_FDCWD, filepath.Join(dir, "cgroup.subtree_control"), unix.W_OK, unix.AT_EACCESS)
	if _, err := os.Stat(filepath.Join(dir, "cgroup.type")); free == nil && err == nil {
		if pids, _ := list(dir, "cgroup.procs"); len(pids) > 0 {
			free = unix.EBUSY
		}
	}
	for _, name := range Controllers {
		switch {
		case slices.Contains(on, name), slices.Contains(has, name) && free == nil:
			usable = append(usable, name)
		case !slices.Contains(has, name):
			why = "not delegated: cgroup.controllers has " + fmt.Sprint(has)
		default:
			why, _ = whyOff(dir, free)
		}
	}
	return usable, dir, why
}
