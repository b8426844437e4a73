//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable

import (
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// A child shares this process's table of descriptors until it keeps a copy of the
// low ones. A file with a high number would make that a long copy: with 15,000
// files open, a pipe made just before the spawn has the number 15,000. So a few
// low numbers are kept for such files. They are there only while a child is made;
// at all other times a neutral file has the place.
const (
	slotsPerGroup = 3 // for one child: what stdin, stdout and stderr need
	slotGroups    = 4 // children at the same time
	firstSlot     = 32
	lastSlot      = 128 // where no more low numbers are looked for

	// highFD is from where on a file gets a slot: the copy of a descriptor takes
	// about 0.05 µs, and the slot two system calls.
	highFD = 64
	// fewFiles is a limit of open files under which copies are short anyway.
	fewFiles = 1024
)

var slots slotTable

// slotTable are numbers in a row from first on, in groups, and after them that of
// the neutral file.
//
// Other code may close any number, or put a file of its own there. So before a slot
// is overwritten it is asked what it has: the neutral file, or what was put there.
// What is not ours is left alone, and the slots are then used no more.
type slotTable struct {
	mu     sync.Mutex
	first  int // 0: none are reserved
	file   slotFile
	busy   [slotGroups]bool
	broken bool
}

// slotFile is what the neutral file is known by. The null device is anybody's, but
// nobody else opens it for its path only.
type slotFile struct {
	dev, ino, rdev uint64
	mode           uint32
}

// fileAt is what is at a number; ok is false where nothing is.
func fileAt(fd int) (f slotFile, ok bool) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return f, false
	}
	return slotFile{st.Dev, st.Ino, st.Rdev, st.Mode}, true
}

func (t *slotTable) neutral() int { return t.first + slotsPerGroup*slotGroups }

// reserve takes the numbers if that hasn't been done, and returns the first of
// them. It fails where there are not enough low ones in a row, perhaps not for
// ever.
func (t *slotTable) reserve() (first int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first != 0 {
		return t.first, true
	}
	if t.broken || highfd.Limit() < fewFiles {
		return 0, false
	}
	fd, err := highfd.Open(os.DevNull, unix.O_PATH, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	if t.file, ok = fileAt(fd); !ok {
		return 0, false
	}
	t.first = inARow(fd, slotsPerGroup*slotGroups+1)
	return t.first, t.first != 0
}

// inARow duplicates fd to n low numbers in a row and returns the first, or 0.
func inARow(fd, n int) int {
	var got []int
	for {
		next := firstSlot
		if len(got) > 0 {
			next = got[len(got)-1] + 1
		}
		k, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, next)
		if err != nil || k >= lastSlot {
			if err == nil {
				unix.Close(k)
			}
			closeAll(got)
			return 0
		}
		if k != next {
			closeAll(got)
			got = got[:0]
		}
		if got = append(got, k); len(got) == n {
			return got[0]
		}
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// NeedsSlots reports whether files have to be put on slots.
func (t *Table) NeedsSlots() bool { return len(t.slots) > 0 }

// TakeSlots puts the files that need it on the slots of a group. ok is false where that
// was not possible: nothing is on a slot then. Otherwise the group is to be released.
func (t *Table) TakeSlots() (group Group, ok bool) { return slots.take(t.slots, t.reopen) }

// SetSlots tells the child where they are.
func (t *Table) SetSlots(r *raw.Run, g *Group) { r.Set(t.vars.slot, uint64(g.first)) }

// Release takes the files off the slots.
func (g *Group) Release() { slots.release(g) }

// take is TakeSlots. It fails where no group is free, where a slot has a file that is
// not the neutral one, and where a file can't be duplicated.
func (t *slotTable) take(files []int, reopen Set) (group Group, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := slices.Index(t.busy[:], false)
	if g < 0 || t.broken {
		return group, false
	}
	group.first = t.first + g*slotsPerGroup
	for _, fd := range files {
		if !t.put(&group, fd, reopen.Has(fd)) {
			t.clear(&group)
			return group, false
		}
	}
	t.busy[g] = true
	return group, true
}

// Group is a group of slots that is used, and what is on them.
type Group struct {
	first, n int
	files    [slotsPerGroup]slotFile
}

// put puts a file, or the same opened anew, on the next slot of a group.
func (t *slotTable) put(g *Group, fd int, reopen bool) bool {
	slot := g.first + g.n
	if !t.isNeutral(slot) {
		t.broken = true
		return false
	}
	if reopen {
		n, err := highfd.DupBlocking(fd)
		if err != nil {
			return false
		}
		defer unix.Close(n)
		fd = n
	}
	if unix.Dup3(fd, slot, unix.O_CLOEXEC) != nil {
		return false
	}
	var ok bool
	g.files[g.n], ok = fileAt(slot)
	g.n++
	return ok
}

// isNeutral reports whether a number still has the neutral file.
func (t *slotTable) isNeutral(fd int) bool {
	if f, ok := fileAt(fd); !ok || f != t.file {
		return false
	}
	fl, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && fl&unix.O_PATH != 0
}

// release takes the files off the slots of a group.
func (t *slotTable) release(g *Group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear(g)
	t.busy[(g.first-t.first)/slotsPerGroup] = false
}

// clear puts the neutral file back. Without it the slots are lost, but no file of
// the caller is kept open.
func (t *slotTable) clear(g *Group) {
	neutral := t.isNeutral(t.neutral())
	for i := range g.n {
		slot := g.first + i
		if f, ok := fileAt(slot); !ok || f != g.files[i] {
			t.broken = true
		} else if !neutral || unix.Dup3(t.neutral(), slot, unix.O_CLOEXEC) != nil {
			unix.Close(slot)
			t.broken = true
		}
	}
	g.n = 0
}

// slotPlan is what a program needs of the slots.
type slotPlan struct {
	first int   // of all slots; 0: no file of the program has a high number
	files []int // descriptors that go on the slots of a group, in order
}

// last is the number after all slots, that of the neutral file.
func (s slotPlan) last() int { return s.first + slotsPerGroup*slotGroups }

// planSlots finds the files that have high numbers, and reserves slots with the
// first file at all: later there may be no low numbers.
func planSlots(actions []plan.Action, files, late []int, reopen Set) slotPlan {
	if len(late) == 0 && !slices.ContainsFunc(files, func(fd int) bool { return fd >= 0 }) {
		return slotPlan{}
	}
	first, ok := slots.reserve()
	if !ok {
		return slotPlan{}
	}
	return chooseSlots(first, actions, append(late, files...), reopen)
}

// chooseSlots is planSlots with slots from first on. There is nothing for files
// with high numbers when they are too many, or when an action mentions a slot.
func chooseSlots(first int, actions []plan.Action, files []int, reopen Set) slotPlan {
	var high Set
	for _, fd := range files {
		if fd >= highFD {
			high.Add(fd)
		}
	}
	if len(high) == 0 {
		return slotPlan{}
	}
	for _, fd := range reopen {
		high.Add(fd) // they have a number of their own in any case
	}
	if len(high) > slotsPerGroup {
		return slotPlan{}
	}
	for i := range actions {
		x := &actions[i]
		if within(x.FD, first) || within(x.From, first) {
			return slotPlan{}
		}
	}
	return slotPlan{first, high}
}

// within reports whether n is a slot, or the neutral file.
func within(n, first int) bool { return n >= first && n <= first+slotsPerGroup*slotGroups }
