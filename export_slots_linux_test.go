//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import "github.com/safespawn/spawn/internal/fdtable"

// ReserveSlots reserves the slots.
func ReserveSlots() { fdtable.SlotsForTest() }

// Slots is the first slot and how many there are.
func Slots() (first, n int) { return fdtable.SlotsForTest() }

// SlotsPerGroup is how many files can be on slots.
const SlotsPerGroup = fdtable.SlotsPerGroup

// ForgetSlots gives up the slots, so that they are reserved anew.
func ForgetSlots() { fdtable.ForgetSlotsForTest() }
