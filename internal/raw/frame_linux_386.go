package raw

// stackAlign is that of a frame, which lies at a fixed distance from the stack pointer.
const stackAlign = 4

// frame is what the child keeps in memory, as a call has all registers but the stack
// pointer. Each child has one of its own. The assembly finds it by the stack pointer.
type frame struct {
	run  uintptr    // run
	op   uintptr    // Op being performed
	left uint32     // retries left; in a sweep, how often it was repeated
	args [3]uintptr // the last arguments of the Op
}

// reset prepares a frame for a child that begins before the first Op, or in the one that
// makes it.
func (f *frame) reset(r *run, in *Op) { f.run, f.op = addr(r), addr(in) }
