#include "go_asm.h"
#include "textflag.h"

// VAR replaces reg by the value of a variable where bit of R9 is set: the low
// half of reg is the variable's index, the high half a signed constant to add.
// R22 is the first variable. Uses R10 and R11.
#define VAR(bit, reg) \
	TBZ	$bit, R9, 5(PC) \
	MOVWU	reg, R10 \
	ASR	$32, reg, R11 \
	MOVD	(R22)(R10<<3), R10 \
	ADD	R10, R11, reg

// func child(r *run)
//
// The parent's half ends in the only RET; what follows it is the child's half,
// and the contract in the package comment holds for every instruction there: no
// CALL, RET, PUSH or POP, no stack operand, no write but to the failure record
// and the variables. Never call any of it. The C code is beside the amd64
// version; the labels are the same, in the same order.
//
//	R19  Op being performed
//	R20  run
//	R21  retries left; in a sweep, how often it was repeated
//	R22  first variable
//	R23  flags of the Op
//	R0 to R5 arguments, R8 number, R9 to R12 free
TEXT ·child(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	r+0(FP), R20

	MOVD	$const_sysRtSigprocmask, R8
	MOVD	$const_sigBlock, R0
	ADD	$run_allMask, R20, R1
	ADD	$run_oldMask, R20, R2
	MOVD	$const_sigsetSize, R3
	SVC
	MOVD	R0, run_pid(R20)
	CBNZ	R0, return

	MOVD	run_nr(R20), R8
	MOVD	(run_arg+0)(R20), R0
	MOVD	(run_arg+8)(R20), R1
	MOVD	(run_arg+16)(R20), R2
	MOVD	(run_arg+24)(R20), R3
	MOVD	(run_arg+32)(R20), R4
	SVC
	CBZ	R0, begin

	MOVD	R0, run_pid(R20)
	MOVD	$const_maskTries, R19

restore:
	MOVD	$const_sysRtSigprocmask, R8
	MOVD	$const_sigSetmask, R0
	ADD	$run_oldMask, R20, R1
	MOVD	ZR, R2
	MOVD	$const_sigsetSize, R3
	SVC
	CBZ	R0, return
	SUB	$1, R19, R19
	CBNZ	R19, restore

return:
	RET

begin:
	MOVD	run_ops(R20), R19
	MOVD	run_vars(R20), R22

next:
	MOVHU	Op_flags(R19), R23
	TST	$const_flagSkipEqual, R23
	BEQ	perform
	MOVHU	Op_cond(R19), R10
	MOVD	(R22)(R10<<3), R10
	MOVD	Op_equal(R19), R11
	CMP	R11, R10
	BEQ	advance

perform:
	MOVWU	Op_retries(R19), R21

again:
	MOVBU	Op_varArgs(R19), R9
	MOVD	(Op_args+0)(R19), R0
	VAR(0, R0)
	MOVD	(Op_args+8)(R19), R1
	VAR(1, R1)
	MOVD	(Op_args+16)(R19), R2
	VAR(2, R2)
	MOVD	(Op_args+24)(R19), R3
	VAR(3, R3)
	MOVD	(Op_args+32)(R19), R4
	VAR(4, R4)
	MOVD	(Op_args+40)(R19), R5
	VAR(5, R5)
	TST	$const_flagSweep, R23
	BEQ	enter

sweep:
	MOVD	Op_equal(R19), R12
	VAR(const_equalVar, R12)
	ADD	R21, R0, R0
	CMP	R12, R0
	BGT	advance
	ADD	$1, R21, R21

enter:
	MOVWU	Op_nr(R19), R8
	SVC
	TST	$const_flagSweep, R23
	BNE	again
	CMN	$(-const_errnoFloor), R0
	BHI	failed

	TST	$const_flagKeep, R23
	BEQ	skip
	MOVHU	Op_keep(R19), R10
	MOVD	R0, (R22)(R10<<3)

skip:
	MOVBU	Op_skip(R19), R10
	MOVD	$Op__size, R11
	MUL	R11, R10, R10
	ADD	R10, R19, R19

advance:
	ADD	$Op__size, R19, R19
	B	next

failed:
	NEG	R0, R0
	TST	$const_flagIgnore, R23
	BNE	spared
	MOVBU	Op_again(R19), R10
	CMP	R10, R0
	BNE	tolerate
	CBZ	R21, tolerate
	SUB	$1, R21, R21
	MOVD	$const_sysNanosleep, R8
	ADD	$run_pause, R20, R0
	MOVD	ZR, R1
	SVC
	B	again

tolerate:
	MOVBU	(Op_tolerate+0)(R19), R10
	CMP	R10, R0
	BEQ	spared
	MOVBU	(Op_tolerate+1)(R19), R10
	CMP	R10, R0
	BEQ	spared
	MOVBU	(Op_tolerate+2)(R19), R10
	CMP	R10, R0
	BEQ	spared

report:
	MOVD	R0, run_errno(R20)
	MOVD	R19, run_failed(R20)
	MOVD	run_errFD(R20), R0
	TBNZ	$63, R0, exit
	ADD	$run_failed, R20, R1
	MOVD	$const_RecordSize, R2
	MOVD	$const_sysWrite, R8
	SVC

exit:
	MOVD	$const_FailedStatus, R0
	MOVD	$const_sysExitGroup, R8
	SVC
	B	exit // can't be reached, and must not fall through

spared:
	TST	$const_flagKeepError, R23
	BEQ	advance
	NEG	R0, R0
	MOVHU	Op_keep(R19), R10
	MOVD	R0, (R22)(R10<<3)
	B	advance
