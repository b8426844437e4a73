#include "go_asm.h"
#include "textflag.h"

// PLACE makes R7 the address of the variable whose index is in R7, by way of R12. Nothing
// but a variable is written through R7, and that right after it.
#define PLACE \
	MOVW	run_vars(R8), R12 \
	ADD	R7<<3, R12, R7

// VAR replaces reg by the value of a variable where a bit of Op.varArgs is set: the low
// half of what is at from, which reg has, is the variable's index, the high half a
// signed constant to add. Uses R7.
#define VAR(bit, from, reg) \
	MOVBU	Op_varArgs(R6), R7 \
	TST	$(1<<bit), R7 \
	BEQ	5(PC) \
	MOVW	run_vars(R8), R7 \
	MOVW	reg<<3(R7), reg \
	MOVW	(from+4)(R6), R7 \
	ADD	R7, reg

// func child(r *run)
//
// The parent's half ends in the only RET; what follows it is the child's half,
// and the contract in the package comment holds for every instruction there: no
// CALL, RET, PUSH or POP, no stack operand, no write but to the failure record
// and the variables. Never call any of it. The C code is beside the amd64
// version; the labels are the same, in the same order. No constant may be one for which
// the assembler adds a pool of literals.
//
//	R6  Op being performed
//	R8  run
//	R9  retries left; in a sweep, how often it was repeated
//	R0 to R5 arguments, R7 number, which the kernel may change; R12 free
//
// R10 and R11 are Go's. An argument is the low half of what the Op has for it, and so is a
// variable. The result of a call becomes the low half of a variable, and its high half zero,
// or all ones where it is an error.
TEXT ·child(SB), NOSPLIT|NOFRAME, $0-4
	MOVW	r+0(FP), R8

	MOVW	$const_sysRtSigprocmask, R7
	MOVW	$const_sigBlock, R0
	ADD	$run_allMask, R8, R1
	ADD	$run_oldMask, R8, R2
	MOVW	$const_sigsetSize, R3
	SWI	$0
	MOVW	R0, run_pid(R8)
	CMP	$0, R0
	BNE	return

	MOVW	run_nr(R8), R7
	MOVW	(run_arg+0)(R8), R0
	MOVW	(run_arg+4)(R8), R1
	MOVW	(run_arg+8)(R8), R2
	MOVW	(run_arg+12)(R8), R3
	MOVW	(run_arg+16)(R8), R4
	SWI	$0
	CMP	$0, R0
	BEQ	begin

	MOVW	R0, run_pid(R8)
	MOVW	$const_maskTries, R6

restore:
	MOVW	$const_sysRtSigprocmask, R7
	MOVW	$const_sigSetmask, R0
	ADD	$run_oldMask, R8, R1
	MOVW	$0, R2
	MOVW	$const_sigsetSize, R3
	SWI	$0
	CMP	$0, R0
	BEQ	return
	SUB.S	$1, R6
	BNE	restore

return:
	RET

begin:
	MOVW	run_ops(R8), R6

next:
	MOVHU	Op_flags(R6), R7
	TST	$const_flagSkipEqual, R7
	BEQ	perform
	MOVHU	Op_cond(R6), R7
	PLACE
	MOVW	(R7), R0
	MOVW	(Op_equal+0)(R6), R1
	CMP	R1, R0
	BNE	perform
	MOVW	4(R7), R0
	MOVW	(Op_equal+4)(R6), R1
	CMP	R1, R0
	BEQ	advance

perform:
	MOVW	Op_retries(R6), R9

again:
	MOVW	(Op_args+0)(R6), R0
	VAR(0, Op_args+0, R0)
	MOVW	(Op_args+8)(R6), R1
	VAR(1, Op_args+8, R1)
	MOVW	(Op_args+16)(R6), R2
	VAR(2, Op_args+16, R2)
	MOVW	(Op_args+24)(R6), R3
	VAR(3, Op_args+24, R3)
	MOVW	(Op_args+32)(R6), R4
	VAR(4, Op_args+32, R4)
	MOVW	(Op_args+40)(R6), R5
	VAR(5, Op_args+40, R5)
	MOVHU	Op_flags(R6), R7
	TST	$const_flagSweep, R7
	BEQ	enter

sweep:
	MOVW	Op_equal(R6), R12
	VAR(const_equalVar, Op_equal, R12)
	ADD.S	R9, R0
	BVS	advance // the last was the largest number
	CMP	R12, R0
	BGT	advance
	ADD	$1, R9

enter:
	MOVW	Op_nr(R6), R7
	SWI	$0
	MOVHU	Op_flags(R6), R7
	TST	$const_flagSweep, R7
	BNE	again
	CMN	$(-const_errnoFloor), R0
	BHI	failed

	TST	$const_flagKeep, R7
	BEQ	skip
	MOVW	$0, R1
	MOVHU	Op_keep(R6), R7
	PLACE
	MOVM.IA	[R0-R1], (R7)

skip:
	MOVBU	Op_skip(R6), R7
	MOVW	$Op__size, R12
	MUL	R12, R7, R0
	ADD	R0, R6

advance:
	ADD	$Op__size, R6
	B	next

failed:
	RSB	$0, R0
	TST	$const_flagIgnore, R7
	BNE	spared
	MOVBU	Op_again(R6), R7
	CMP	R7, R0
	BNE	tolerate
	CMP	$0, R9
	BEQ	tolerate
	SUB	$1, R9
	MOVW	$const_sysNanosleep, R7
	ADD	$run_pause, R8, R0
	MOVW	$0, R1
	SWI	$0
	B	again

tolerate:
	MOVBU	(Op_tolerate+0)(R6), R7
	CMP	R7, R0
	BEQ	spared
	MOVBU	(Op_tolerate+1)(R6), R7
	CMP	R7, R0
	BEQ	spared
	MOVBU	(Op_tolerate+2)(R6), R7
	CMP	R7, R0
	BEQ	spared

report:
	MOVW	R0, run_errno(R8)
	MOVW	R6, run_failed(R8)
	MOVW	run_errFD(R8), R0
	CMP	$0, R0
	BLT	exit
	ADD	$run_failed, R8, R1
	MOVW	$const_RecordSize, R2
	MOVW	$const_sysWrite, R7
	SWI	$0

exit:
	MOVW	$const_FailedStatus, R0
	MOVW	$const_sysExitGroup, R7
	SWI	$0
	B	exit // can't be reached, and must not fall through

spared:
	MOVHU	Op_flags(R6), R7
	TST	$const_flagKeepError, R7
	BEQ	advance
	RSB	$0, R0
	MVN	$0, R1
	MOVHU	Op_keep(R6), R7
	PLACE
	MOVM.IA	[R0-R1], (R7)
	B	advance
