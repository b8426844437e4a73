//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// idMaps makes a child wait, as the first thing it does, until this process has
// written the maps of its user namespace. Each has an end of a pair of sockets:
// the child says that it is there, and is told to go on.
//
// The table of such a child is its own from the start: with a shared one, its
// copy of the other end would keep it waiting for a parent that has died.
type idMaps struct {
	*plan.IDMap
	ours, theirs raw.Var
}

// lowerNamespaces lowers what is not a single call.
func (e *engine) lowerNamespaces(p *plan.Plan) error {
	e.clone = p.Clone
	if e.clone.Bits&unix.CLONE_NEWTIME != 0 && !e.feat.clone3 {
		return &plan.Error{Step: "clone", Index: p.Clone.Index, Object: p.Clone.Object,
			Err: fmt.Errorf("a time namespace needs clone3 (Linux 5.5): %w", errors.ErrUnsupported)}
	}
	own := p.Unshare.Bits&unix.CLONE_NEWUSER != 0
	if p.IDMap != nil && !own {
		e.awaitMaps(p)
	}
	if p.Unshare.Bits == 0 {
		return nil
	}
	b := p.Builder()
	b.Step("unshare", p.Unshare.Index, p.Unshare.Object)
	p.Call(plan.Namespaces, raw.Unshare, raw.Int(int64(p.Unshare.Bits)))
	if p.IDMap != nil && own {
		for _, f := range mapFiles(p.IDMap) {
			writeOwn(p, f)
		}
	}
	if p.Unshare.Bits&unix.CLONE_NEWNS != 0 {
		b.Step("private mounts", p.Unshare.Index, "/")
		p.Call(plan.Namespaces, raw.Mount, b.String("none"), b.String("/"), raw.Int(0),
			raw.Int(unix.MS_REC|unix.MS_PRIVATE), raw.Int(0))
	}
	return nil
}

// joinNamespaces makes the child enter namespaces.
func (e *engine) joinNamespaces(f *fdPlan) error {
	for _, j := range f.Joins {
		fd, err := e.hold(j.File.File, "setns", j.Index)
		if err != nil {
			return &plan.Error{Step: "setns", Index: j.Index, Object: j.Object, Err: err}
		}
		f.need(fd)
		f.Builder().Step("setns", j.Index, j.Name()+" "+j.Object)
		f.Call(plan.JoinNamespaces, raw.Setns, fdArg(fd), raw.Int(int64(j.Types)))
	}
	return nil
}

// awaitMaps adds the child's half of idMaps. Where a thread that makes a child
// holds up the scheduler, the goroutine that writes the maps might never run, so
// the child then gets a copy of the memory.
func (e *engine) awaitMaps(p *plan.Plan) {
	e.feat.sharedMemory = e.feat.sharedMemory && raw.ReleasesP
	b := p.Builder()
	m := &idMaps{p.IDMap, b.Var(), b.Var()}
	theirs, got, n := raw.VarArg(m.theirs, 0), b.Var(), b.Var()
	b.Step("id map", m.Index, "")
	p.Call(plan.FileTable, raw.Close, raw.VarArg(m.ours, 0))
	p.Call(plan.FileTable, raw.Write, theirs, b.String("."), raw.Int(1))
	p.Call(plan.FileTable, raw.Read, theirs, b.AddrOf(got), raw.Int(1)).Keep(n)
	p.Call(plan.FileTable, raw.ExitGroup, raw.Int(1)).SkipEqual(n, 1)
	p.Call(plan.FileTable, raw.Close, theirs)
	e.maps = m
}

// mapFile is a file of /proc/PID to be written, with one call.
type mapFile struct {
	name, text string
	index      int
}

func (f mapFile) object() string { return strings.Join(strings.Fields(f.text), " ") }

// mapFiles are the files in the order in which they have to be written: after
// setgroups was denied, gid_map needs less privilege.
func mapFiles(m *plan.IDMap) (files []mapFile) {
	if m.UID != "" {
		files = append(files, mapFile{"uid_map", m.UID, m.Index})
	}
	if m.GID == "" {
		return files
	}
	setgroups := "deny"
	if m.Setgroups {
		setgroups = "allow"
	}
	return append(files, mapFile{"setgroups", setgroups, m.Index}, mapFile{"gid_map", m.GID, m.Index})
}

// writeOwn makes the child write a map of the namespace that it is in.
func writeOwn(p *plan.Plan, f mapFile) {
	b := p.Builder()
	fd := b.Var()
	b.Step(f.name, f.index, f.object())
	p.Call(plan.Namespaces, raw.Openat, raw.Int(unix.AT_FDCWD), b.String("/proc/self/"+f.name),
		raw.Int(unix.O_WRONLY|unix.O_CLOEXEC), raw.Int(0)).Keep(fd)
	p.Call(plan.Namespaces, raw.Write, raw.VarArg(fd, 0), b.String(f.text), raw.Int(int64(len(f.text))))
	p.Call(plan.Namespaces, raw.Close, raw.VarArg(fd, 0))
}

// mapper writes the maps of one child.
type mapper struct {
	ours, theirs int
	files        []mapFile
	done         chan struct{}
	failed       *mapFile
	err          error
}

// begin starts to wait for a child; nil needs none.
func (m *idMaps) begin(r *raw.Run) (*mapper, error) {
	if m == nil {
		return nil, nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	r.Set(m.ours, uint64(pair[0]))
	r.Set(m.theirs, uint64(pair[1]))
	w := &mapper{ours: pair[0], theirs: pair[1], files: mapFiles(m.IDMap), done: make(chan struct{})}
	go w.serve(r)
	return w, nil
}

// serve waits for the child, writes its maps and lets it go on, or exit.
func (w *mapper) serve(r *raw.Run) {
	defer close(w.done)
	if !readByte(w.ours) {
		return
	}
	pid := r.TID()
	if pid <= 0 {
		pid = pidOfPidfd(r.Pidfd())
	}
	for i := range w.files {
		f := &w.files[i]
		if err := writeMap(pid, f); err != nil {
			w.failed, w.err = f, err
			_ = unix.Shutdown(w.ours, unix.SHUT_WR) // the child reads an end of file
			return
		}
	}
	_ = unix.Send(w.ours, []byte{'.'}, unix.MSG_NOSIGNAL)
}

// pidOfPidfd is the process of a pidfd, 0 if that can't be found out.
func pidOfPidfd(fd int) int {
	n, _ := procNumber("/proc/self/fdinfo/"+strconv.Itoa(fd), "Pid")
	return n
}

// end is called when the child is past execve or dead, or was never made, and
// returns why the maps could not be written.
func (w *mapper) end() error {
	if w == nil {
		return nil
	}
	// Other children may have copies for a moment, so closing may not be enough.
	_ = unix.Shutdown(w.theirs, unix.SHUT_RDWR)
	<-w.done
	unix.Close(w.ours)
	unix.Close(w.theirs)
	if w.err == nil {
		return nil
	}
	return &plan.Error{Step: w.failed.name, Index: w.failed.index, Object: w.failed.object(), Err: w.err}
}

func readByte(fd int) bool {
	var b [1]byte
	for {
		n, err := unix.Read(fd, b[:])
		if err != unix.EINTR {
			return n == 1
		}
	}
}

// writeMap writes a file of a child. The kernel wants it in one piece. Before
// Linux 3.19 there was no setgroups, nor a need for it.
func writeMap(pid int, f *mapFile) error {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/%s", pid, f.name), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT && f.name == "setgroups" {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(f.text))
	return err
}

// ofNamespaces reports whether an error of clone is more likely about namespaces
// than about a cgroup.
func ofNamespaces(errno syscall.Errno) bool {
	return errno == unix.EPERM || errno == unix.ENOSPC || errno == unix.EUSERS || errno == unix.EINVAL
}
