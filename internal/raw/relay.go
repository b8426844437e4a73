package raw

// relay is what a program has of the operations that make a second child.
type relay struct {
	there bool
	flags Var // for clone(2): its flags
}

// relayState says how far the first child of a run has come. The word is where the
// kernel stores 0, and wakes who waits for that, when the first child does not share
// memory any more.
const (
	relayUnborn = 1 << iota // the second child has not run yet; it clears this
	relayAlive
)

// futexWakeOp is FUTEX_WAKE_OP, and andNot the operation on the second word that clears
// relayUnborn: FUTEX_OP_ANDN, of which linux/futex.h says how it is put together.
const (
	futexWakeOp = 5
	andNot      = 3<<28 | relayUnborn<<12
)

// Relay ends the first child's part of the program, in a phase: its operations are
// those of the phases before. It makes a second child, a sibling of itself, which
// goes on with the operations that follow. The parent's Clone is for this second
// child. Relay is to be called but once.
//
// The first child, the relay, shares memory and descriptors with the parent, whatever
// the Clone says, and the parent's thread does not wait for it in clone. It is a process
// of its own only so that something can be done to it which the second child inherits,
// or which counts for its children alone, as with setns of a pid namespace. So its operations must not
// change descriptors, nor wait for anything. With CLONE_VFORK it is the relay that sleeps
// until the second child is past execve, and then ends. The kernel takes the second
// child for one in vfork, and yet the parent's thread is free.
func (b *Builder) Relay(phase uint8, legacy bool) {
	b.relay.there = true
	made := b.Var()
	if legacy {
		b.relay.flags = b.Var()
		stack, tid, word := b.addrAt(placeStack), b.addrAt(placeTID), b.addrAt(placeWord)
		args := cloneOrder(VarArg(b.relay.flags, 0), stack, tid, word, word)
		b.Call(phase, SysClone, args[:]...).Keep(made)
	} else {
		b.Call(phase, Clone3, b.addrAt(placeArgs), Int(cloneArgsSize)).Keep(made)
	}
	// With CLONE_VFORK the relay comes to this when the second child has come further
	// long ago. Without, neither sees the other's variable.
	b.Call(phase, ExitGroup, Int(0)).SkipEqual(made, 0)
	state := b.addrAt(placeState)
	b.Call(phase, Futex, state, Int(futexWakeOp), Int(1), Int(0), state, Int(andNot)).Ignore()
}

// Announce has the child say that it is about to come to something that its parent waits
// for: Announced is true from then on, and Await returns. The child must share memory.
func (b *Builder) Announce(phase uint8) {
	word := b.addrAt(placeWord)
	b.Call(phase, Futex, word, Int(futexWakeOp), Int(1), Int(0), word, Int(or|announced<<12)).Ignore()
}

// announced is a bit of the word that the kernel clears, and or the operation that sets it:
// FUTEX_OP_OR.
const (
	announced = 2
	or        = 2 << 28
)

// cloneArgsSize is CLONE_ARGS_SIZE_VER2, the size of clone3's structure.
const cloneArgsSize = 88
