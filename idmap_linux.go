//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
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
		files = append(files, mapFile{name: "uid_map", text: m.UID, index: m.Index})
	}
	if m.Setgroups != "" {
		files = append(files, mapFile{name: "setgroups", text: m.Setgroups, index: m.Index})
	}
	if m.GID != "" {
		files = append(files, mapFile{name: "gid_map", text: m.GID, index: m.Index})
	}
	return files
}

// writeOwn makes the child write a map of the namespace that it is in.
func writeOwn(p *plan.Plan, f mapFile) {
	b := p.Builder()
	fd := b.Var()
	b.Step(f.name, f.index, f.object())
	p.OpenProc(plan.Namespaces, "/proc/self/"+f.name).Keep(fd)
	p.WriteProc(plan.Namespaces, fd, f.text)
}

// mapper writes the maps of one child.
type mapper struct {
	ours, theirs int
	files        []mapFile
	ctx          context.Context    // of the helpers
	cancel       context.CancelFunc // ends it; nil where there are none
	ended        atomic.Bool        // the child has, or is past execve
	done         chan struct{}
	failed       *mapFile
	err          error
}

// begin starts to wait for a child; nil needs none.
func (m *idMaps) begin(ctx context.Context, r *raw.Run) (*mapper, error) {
	if m == nil {
		return nil, nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	r.Set(m.ours, uint64(pair[0]))
	r.Set(m.theirs, uint64(pair[1]))
	w := &mapper{ours: pair[0], theirs: pair[1], files: m.files, done: make(chan struct{})}
	if m.Helpers {
		w.ctx, w.cancel = context.WithCancel(ctx)
	}
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
	if pid <= 0 || !procHasOurIDs() {
		pid = pidOfPidfd(r.Pidfd())
	}
	for i := range w.files {
		f := &w.files[i]
		if err := w.write(pid, f); err != nil {
			w.failed, w.err = f, err
			_ = unix.Shutdown(w.ours, unix.SHUT_WR) // the child reads an end of file
			return
		}
	}
	_ = unix.Send(w.ours, []byte{'.'}, unix.MSG_NOSIGNAL)
}

// procHasOurIDs reports whether a number in /proc is a pid as we know it, and not
// that of another pid namespace.
func procHasOurIDs() bool {
	var buf, own [20]byte
	n, err := unix.Readlink("/proc/self", buf[:])
	return err == nil && string(buf[:n]) == string(strconv.AppendInt(own[:0], int64(os.Getpid()), 10))
}

// pidOfPidfd is the number in /proc of a pidfd's process, 0 if that can't be found
// out.
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
	w.ended.Store(true)
	if w.cancel != nil {
		w.cancel()
	}
	// Other children may have copies for a moment, so closing may not be enough.
	_ = unix.Shutdown(w.theirs, unix.SHUT_RDWR)
	<-w.done
	unix.Close(w.ours)
	unix.Close(w.theirs)
	if w.err == nil || errors.Is(w.err, errChildEnded) {
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

// errChildEnded is no failure of the maps: somebody has killed the child.
var errChildEnded = errors.New("the child has ended")

// write writes a file of a child, or has it written.
func (w *mapper) write(pid int, f *mapFile) error {
	if f.helper == "" {
		return writeMap(pid, f)
	}
	err := f.runHelper(w.ctx, pid)
	if err != nil && w.ended.Load() {
		return errChildEnded
	}
	return err
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
