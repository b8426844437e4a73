package raw

// Op is one operation of the child: a system call, its arguments, and what is
// done with its result. The assembly reads it through go_asm.h.
type Op struct {
	nr       uint32    // system call number
	flags    uint16    // flag* bits
	varArgs  uint8     // bit i: args[i] names a variable; bit 6: equal does
	skip     uint8     // operations to pass over after a success
	keep     uint16    // flagKeep: variable that receives the result
	cond     uint16    // flagSkipEqual: variable compared with equal
	tolerate [3]uint8  // errnos after which the next operation is tried
	again    uint8     // errno after which this operation is retried
	retries  uint32    // how often, with a pause of run.pause in between
	step     int32     // index into Program.steps
	equal    uint64    // flagSkipEqual: the value; flagSweep: the last args[0]
	args     [6]uint64 // values, addresses, or variables (see varArg)
}

// Control bits of an Op.
const (
	flagIgnore    = 1 << iota // no error is a failure
	flagKeep                  // store the result in variable keep
	flagKeepError             // and also an error that is no failure
	flagSkipEqual             // do nothing when variable cond equals equal
	flagSweep                 // repeat with args[0] counting up to equal, errors ignored
)

// equalVar is the bit of Op.varArgs that stands for Op.equal.
const equalVar = 6

// varArg encodes a variable plus a constant as an argument: the index in the
// low half, the signed constant in the high half.
func varArg(v Var, plus int32) uint64 { return uint64(uint32(v)) | uint64(uint32(plus))<<32 }

// Var is a variable of a run: scratch memory that the parent may set before the
// clone and the child may store results in.
type Var uint16

// Step is what a failure is reported as. Several operations may belong to one.
type Step struct {
	Name   string
	Part   uint8  // what Index counts in
	Index  int    // of the file action or attribute, -1 for neither
	Object string // what it acts on
}

// Call is the readable form of one operation.
type Call struct {
	Sys   Sys
	Phase uint8
	Step  int
	Args  [6]Value
	When  *Condition // nil: always performed
	Sweep *Value     // not nil: repeated, Args[0] counting up to this
	// Else is true where the call is only tried because the one before it
	// failed in an expected way.
	Else bool
	Keep Var // where the result goes, 0 for nowhere
}

// Condition says when an operation is passed over.
type Condition struct {
	Var   Var
	Equal uint64
}

// Value is an argument: a number, text in the program, or a variable.
type Value struct {
	Kind ValueKind
	Num  uint64 // number; address in the program; constant added to the variable, or to its address
	Var  Var
	Text string // KindText, KindPlace
}

// ValueKind says what a Value is.
type ValueKind uint8

// The kinds of Value.
const (
	KindNumber ValueKind = iota
	KindText
	KindAddress
	KindVar
	KindVarAddress
	KindPlace // the address of a place in the run, whose name is Text
)
