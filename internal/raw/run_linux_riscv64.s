#include "go_asm.h"
#include "textflag.h"

// PLACE makes X23 the address of the variable whose index is in X23. X21 is the first
// variable. Nothing else changes X23, and nothing but a variable is written by it.
#define PLACE \
	SLLI	$3, X23, X23 \
	ADD	X21, X23, X23

// VAR replaces reg by the value of a variable where bit of X5 is set: the low
// half of reg is the variable's index, the high half a signed constant to add.
// Uses X6 and X23.
#define VAR(bit, reg) \
	ANDI	$(1<<bit), X5, X6 \
	BEQZ	X6, 7(PC) \
	MOVWU	reg, X23 \
	SRAI	$32, reg, reg \
	SLLI	$3, X23, X23 \
	ADD	X21, X23, X23 \
	MOV	(X23), X6 \
	ADD	X6, reg, reg

// func child(r *run)
//
// The parent's half ends in the only RET; what follows it is the child's half,
// and the contract in the package comment holds for every instruction there: no
// CALL, RET, PUSH or POP, no stack operand, no write but to the failure record
// and the variables. Never call any of it. The C code is beside the amd64
// version; the labels are the same, in the same order.
//
//	X18  Op being performed
//	X19  run
//	X20  retries left; in a sweep, how often it was repeated
//	X21  first variable
//	X22  flags of the Op
//	X23  a variable
//	X10 to X15 arguments, X17 number, X5, X6, X7 free
//
// The kernel keeps all registers but the result's. X4 and X27 are Go's.
TEXT ·child(SB), NOSPLIT|NOFRAME, $0-8
	MOV	r+0(FP), X19

	MOV	$const_sysRtSigprocmask, X17
	MOV	$const_sigBlock, X10
	ADD	$run_allMask, X19, X11
	ADD	$run_oldMask, X19, X12
	MOV	$const_sigsetSize, X13
	ECALL
	MOV	X10, run_pid(X19)
	BNEZ	X10, return

	MOV	run_nr(X19), X17
	MOV	(run_arg+0)(X19), X10
	MOV	(run_arg+8)(X19), X11
	MOV	(run_arg+16)(X19), X12
	MOV	(run_arg+24)(X19), X13
	MOV	(run_arg+32)(X19), X14
	ECALL
	BEQZ	X10, begin

	MOV	X10, run_pid(X19)
	MOV	$const_maskTries, X18

restore:
	MOV	$const_sysRtSigprocmask, X17
	MOV	$const_sigSetmask, X10
	ADD	$run_oldMask, X19, X11
	MOV	ZERO, X12
	MOV	$const_sigsetSize, X13
	ECALL
	BEQZ	X10, return
	SUB	$1, X18, X18
	BNEZ	X18, restore

return:
	RET

begin:
	MOV	run_ops(X19), X18
	MOV	run_vars(X19), X21

next:
	MOVHU	Op_flags(X18), X22
	ANDI	$const_flagSkipEqual, X22, X6
	BEQZ	X6, perform
	MOVHU	Op_cond(X18), X23
	PLACE
	MOV	(X23), X6
	MOV	Op_equal(X18), X7
	BEQ	X6, X7, advance

perform:
	MOVWU	Op_retries(X18), X20

again:
	MOVBU	Op_varArgs(X18), X5
	MOV	(Op_args+0)(X18), X10
	VAR(0, X10)
	MOV	(Op_args+8)(X18), X11
	VAR(1, X11)
	MOV	(Op_args+16)(X18), X12
	VAR(2, X12)
	MOV	(Op_args+24)(X18), X13
	VAR(3, X13)
	MOV	(Op_args+32)(X18), X14
	VAR(4, X14)
	MOV	(Op_args+40)(X18), X15
	VAR(5, X15)
	ANDI	$const_flagSweep, X22, X6
	BEQZ	X6, enter

sweep:
	MOV	Op_equal(X18), X7
	VAR(const_equalVar, X7)
	ADD	X20, X10, X10
	BLT	X7, X10, advance
	ADD	$1, X20, X20

enter:
	MOVWU	Op_nr(X18), X17
	ECALL
	ANDI	$const_flagSweep, X22, X6
	BNEZ	X6, again
	MOV	$const_errnoFloor, X6
	BLTU	X6, X10, failed

	ANDI	$const_flagKeep, X22, X6
	BEQZ	X6, skip
	MOVHU	Op_keep(X18), X23
	PLACE
	MOV	X10, (X23)

skip:
	MOVBU	Op_skip(X18), X6
	MOV	$Op__size, X7
	MUL	X7, X6, X6
	ADD	X6, X18, X18

advance:
	ADD	$Op__size, X18, X18
	JMP	next

failed:
	NEG	X10, X10
	ANDI	$const_flagIgnore, X22, X6
	BNEZ	X6, spared
	MOVBU	Op_again(X18), X6
	BNE	X6, X10, tolerate
	BEQZ	X20, tolerate
	SUB	$1, X20, X20
	MOV	$const_sysNanosleep, X17
	ADD	$run_pause, X19, X10
	MOV	ZERO, X11
	ECALL
	JMP	again

tolerate:
	MOVBU	(Op_tolerate+0)(X18), X6
	BEQ	X6, X10, spared
	MOVBU	(Op_tolerate+1)(X18), X6
	BEQ	X6, X10, spared
	MOVBU	(Op_tolerate+2)(X18), X6
	BEQ	X6, X10, spared

report:
	MOV	X10, run_errno(X19)
	MOV	X18, run_failed(X19)
	MOV	run_errFD(X19), X10
	BLTZ	X10, exit
	ADD	$run_failed, X19, X11
	MOV	$const_RecordSize, X12
	MOV	$const_sysWrite, X17
	ECALL

exit:
	MOV	$const_FailedStatus, X10
	MOV	$const_sysExitGroup, X17
	ECALL
	JMP	exit // can't be reached, and must not fall through

spared:
	ANDI	$const_flagKeepError, X22, X6
	BEQZ	X6, advance
	NEG	X10, X10
	MOVHU	Op_keep(X18), X23
	PLACE
	MOV	X10, (X23)
	JMP	advance
