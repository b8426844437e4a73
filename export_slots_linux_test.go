//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

// ReserveSlots reserves the slots.
func ReserveSlots() { slots.reserve() }

// Slots is the first slot and how many there are.
func Slots() (first, n int) { return slots.first, slotsPerGroup * slotGroups }

// SlotsPerGroup is how many files can be on slots.
const SlotsPerGroup = slotsPerGroup

// ForgetSlots gives up the slots, so that they are reserved anew.
func ForgetSlots() {
	slots.mu.Lock()
	defer slots.mu.Unlock()
	for fd := slots.first; fd <= slots.neutral(); fd++ {
		if slots.isNeutral(fd) {
			closeAll([]int{fd})
		}
	}
	slots.first, slots.broken = 0, false
}
