package plan

import "github.com/safespawn/spawn/internal/raw"

// SetBit sets a bit of a 32-bit word in variables.
func (p *Plan) SetBit(ph Phase, v raw.Var, offset int32, bit int) {
	const orBit = 2 | 8 // FUTEX_OP_OR, FUTEX_OP_OPARG_SHIFT
	p.edit(ph, v, offset, orBit<<opShift|int64(bit)<<argShift)
}

// ClearWord makes a 32-bit word in variables 0.
func (p *Plan) ClearWord(ph Phase, v raw.Var, offset int32) {
	p.edit(ph, v, offset, 0) // FUTEX_OP_SET to 0
}

const opShift, argShift = 28, 12 // of the last argument of FUTEX_WAKE_OP

// edit changes a 32-bit word in variables. The child has no instruction for that,
// but futex(2) does, as a part of FUTEX_WAKE_OP; here nobody is woken.
func (p *Plan) edit(ph Phase, v raw.Var, offset int32, op int64) {
	const wakeOp = 5 | 128 // FUTEX_WAKE_OP, FUTEX_PRIVATE_FLAG
	word := p.Builder().AddrIn(v, offset)
	p.Call(ph, raw.Futex, word, raw.Int(wakeOp), raw.Int(0), raw.Int(0), word, raw.Int(op))
}
