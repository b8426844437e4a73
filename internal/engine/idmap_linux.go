//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
)

// mapFile is a file of /proc/PID to be written, with one call.
type mapFile struct {
	name, text string
	index      int
	helper     string // the program that writes it; empty: this one does
}

func (f mapFile) object() string { return strings.Join(strings.Fields(f.text), " ") }

// mapFiles are the files in the order in which they have to be written: after
// setgroups was denied, gid_map needs less privilege.
func mapFiles(m *plan.IDMap) (files []mapFile) {
	if m.UID != "" {
		files = append(files, mapFile{name: plan.StepUIDMap, text: m.UID, index: m.Index})
	}
	if m.Setgroups != "" {
		files = append(files, mapFile{name: plan.StepSetgroups, text: m.Setgroups, index: m.Index})
	}
	if m.GID != "" {
		files = append(files, mapFile{name: plan.StepGIDMap, text: m.GID, index: m.Index})
	}
	return files
}

// writeOwn makes the child write a map of the namespace that it is in.
func writeOwn(p *plan.Plan, f mapFile) {
	fd := p.Builder().Var()
	p.AttrStep(f.name, f.index, f.object())
	p.OpenProc(plan.Namespaces, "/proc/self/"+f.name).Keep(fd)
	p.WriteProc(plan.Namespaces, fd, f.text)
}

// mapGate is where a child waits, before anything else that is seen outside, until
// the maps of its user namespace are written: it reads a byte. It reads the end of
// the file where this process has died or could not write them.
type mapGate struct {
	*idMaps
	read, write int // -1: closed, or the child's alone
}

// open makes the gate of a child that is to be made.
func (m *idMaps) open(a *attempt) (*mapGate, error) {
	pipe, err := highfd.Pipe(0)
	if err != nil {
		return nil, err
	}
	read, err := a.fds.Unnamed(pipe[0])
	if err != nil {
		unix.Close(pipe[1])
		return nil, err
	}
	a.r.Set(m.theirs, uint64(read))
	a.r.Set(m.ours, uint64(pipe[1]))
	return &mapGate{m, read, pipe[1]}, nil
}

// close closes the gate for good.
func (g *mapGate) close() {
	if g == nil {
		return
	}
	unix.Close(g.read)
	unix.Close(g.write)
}

// pass writes the maps, on the thread that has made the child and has the
// capabilities for them, and lets the child go on. An error that is about the child
// having ended is none.
func (g *mapGate) pass(a *attempt) error {
	if g == nil {
		return nil
	}
	err := g.writeAll(a)
	if err == nil {
		err = a.hold.Opened()
	}
	if err == nil {
		_, err = ignoringEINTR(func() (int, error) { return unix.Write(g.write, []byte{'.'}) })
		if err != nil {
			err = plan.AttrError(plan.StepIDMap, g.Index, "", err)
		}
	}
	if err != nil && a.child.ending() {
		err = nil // somebody has killed the child
	}
	if err != nil {
		g.shut()
		_ = a.child.kill() // another child may have a copy of the gate's end
	}
	return err
}

// ending reports whether a child has ended, or is about to. The files in /proc of one without memory
// are root's, so only root can open them.
func (c *Child) ending() bool {
	flags, _ := flagsOf(c.PID)
	return c.over() || flags&exiting != 0
}

// shut lets the child read the end of the file.
func (g *mapGate) shut() {
	unix.Close(g.write)
	g.write = -1
}

func (g *mapGate) writeAll(a *attempt) error {
	pid, err := procPID(a.child.PID, a.child.Pidfd)
	for i := range g.files {
		f := &g.files[i]
		said := ""
		if err == nil {
			said, err = f.write(a, pid)
		}
		if err != nil {
			return &plan.Error{Part: plan.PartAttr, Step: f.name, Index: f.index, Object: f.object(), Err: err, Hint: said}
		}
	}
	return nil
}

// procPID is the number of a child in /proc, which may be that of another pid
// namespace than ours.
func procPID(pid, pidfd int) (int, error) {
	if pidfd >= 0 {
		if n := kernel.NumberOfPidfd(pidfd); n > 0 {
			return n, nil
		}
	}
	if !kernel.OurIDs() {
		return 0, fmt.Errorf("/proc is not mounted, or that of another pid namespace: %w", unix.ENOENT)
	}
	return pid, nil
}

func ignoringEINTR(f func() (int, error)) (n int, err error) {
	for {
		if n, err = f(); err != unix.EINTR {
			return n, err
		}
	}
}

// write writes a file of a child, or has it written; said is what a helper has said
// to that.
func (f *mapFile) write(a *attempt, pid int) (said string, err error) {
	if f.helper != "" {
		return f.runHelper(a, pid)
	}
	return "", writeMap(pid, f)
}

// writeMap writes a file of a child. The kernel wants it in one piece. Before
// Linux 3.19 there was no setgroups, nor a need for it.
func writeMap(pid int, f *mapFile) error {
	fd, err := highfd.Open(fmt.Sprintf("/proc/%d/%s", pid, f.name), unix.O_WRONLY, 0)
	if err == unix.ENOENT && f.name == plan.StepSetgroups {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = ignoringEINTR(func() (int, error) { return unix.Write(fd, []byte(f.text)) })
	return err
}
