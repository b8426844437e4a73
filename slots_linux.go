//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
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
type slotTable struct {
	mu     sync.Mutex
	first  int // 0: none are reserved
	busy   [slotGroups]bool
	broken bool // somebody has closed a slot, which may be anybody's now
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
	if t.broken || fdLimit() < fewFiles {
		return 0, false
	}
	fd, err := unix.Open(os.DevNull, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
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

// take puts files on the slots of a group that is free and returns the first of
// its numbers; ok is false when there is none.
func (t *slotTable) take(files []int) (first int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := slices.Index(t.busy[:], false)
	if g < 0 || t.broken {
		return 0, false
	}
	first = t.first + g*slotsPerGroup
	for i, fd := range files {
		if !ours(first+i) || !ours(t.neutral()) {
			t.broken = true
		}
		if t.broken || unix.Dup3(fd, first+i, unix.O_CLOEXEC) != nil {
			t.clear(first, i)
			return 0, false
		}
	}
	t.busy[g] = true
	return first, true
}

// ours reports whether a slot still has the neutral file: no other that is opened
// for its path only comes to such a number.
func ours(slot int) bool {
	fl, err := unix.FcntlInt(uintptr(slot), unix.F_GETFL, 0)
	return err == nil && fl&unix.O_PATH != 0
}

// release takes n files off the slots from first on.
func (t *slotTable) release(first, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear(first, n)
	t.busy[(first-t.first)/slotsPerGroup] = false
}

// clear puts the neutral file back. Without it the slots are lost, but no file of
// the caller is kept open.
func (t *slotTable) clear(first, n int) {
	for i := range n {
		if unix.Dup3(t.neutral(), first+i, unix.O_CLOEXEC) != nil {
			unix.Close(first + i)
			t.broken = true
		}
	}
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
func planSlots(actions []action, files []int, tty int) slotPlan {
	if tty < 0 && !slices.ContainsFunc(files, func(fd int) bool { return fd >= 0 }) {
		return slotPlan{}
	}
	first, ok := slots.reserve()
	if !ok {
		return slotPlan{}
	}
	return chooseSlots(first, actions, files, tty)
}

// chooseSlots is planSlots with slots from first on. There is nothing for files
// with high numbers when they are too many, or when an action mentions a slot.
func chooseSlots(first int, actions []action, files []int, tty int) slotPlan {
	var high fdSet
	for _, fd := range files {
		if fd >= highFD {
			high.add(fd)
		}
	}
	if tty >= highFD {
		high.add(tty)
	}
	if len(high) == 0 || len(high) > slotsPerGroup {
		return slotPlan{}
	}
	for i := range actions {
		x := &actions[i]
		if within(x.fd, first) || within(x.from, first) {
			return slotPlan{}
		}
	}
	return slotPlan{first, high}
}

// within reports whether n is a slot, or the neutral file.
func within(n, first int) bool { return n >= first && n <= first+slotsPerGroup*slotGroups }
