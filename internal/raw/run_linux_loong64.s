#include "go_asm.h"
#include "textflag.h"

// PLACE makes R28 the address of the variable whose index is in R28. R26 is the first
// variable. Nothing else changes R28, and nothing but a variable is written by it.
#define PLACE \
	SLLV	$3, R28, R28 \
	ADDV	R26, R28, R28

// VAR replaces reg by the value of a variable where bit of R12 is set: the low
// half of reg is the variable's index, the high half a signed constant to add.
// Uses R13 and R28.
#define VAR(bit, reg) \
	AND	$(1<<bit), R12, R13 \
	BEQ	R13, 7(PC) \
	MOVWU	reg, R28 \
	SRAV	$32, reg, reg \
	SLLV	$3, R28, R28 \
	ADDV	R26, R28, R28 \
	MOVV	(R28), R13 \
	ADDV	R13, reg, reg

// func child(r *run)
//
// The parent's half ends in the only RET; what follows it is the child's half,
// and the contract in the package comment holds for every instruction there: no
// CALL, RET, PUSH or POP, no stack operand, no write but to the failure record
// and the variables. Never call any of it. The C code is beside the amd64
// version; the labels are the same, in the same order.
//
//	R23  Op being performed
//	R24  run
//	R25  retries left; in a sweep, how often it was repeated
//	R26  first variable
//	R27  flags of the Op
//	R28  a variable
//	R4 to R9 arguments, R11 number, R12, R13, R14 free
//
// The kernel keeps no register from R12 to R20. R2, R21 and R22 are the thread's and Go's.
TEXT ·child(SB), NOSPLIT|NOFRAME, $0-8
	MOVV	r+0(FP), R24

	MOVV	$const_sysRtSigprocmask, R11
	MOVV	$const_sigBlock, R4
	ADDV	$run_allMask, R24, R5
	ADDV	$run_oldMask, R24, R6
	MOVV	$const_sigsetSize, R7
	SYSCALL
	MOVV	R4, run_pid(R24)
	BNE	R4, return

	MOVV	run_nr(R24), R11
	MOVV	(run_arg+0)(R24), R4
	MOVV	(run_arg+8)(R24), R5
	MOVV	(run_arg+16)(R24), R6
	MOVV	(run_arg+24)(R24), R7
	MOVV	(run_arg+32)(R24), R8
	SYSCALL
	BEQ	R4, begin

	MOVV	R4, run_pid(R24)
	MOVV	$const_maskTries, R23

restore:
	MOVV	$const_sysRtSigprocmask, R11
	MOVV	$const_sigSetmask, R4
	ADDV	$run_oldMask, R24, R5
	MOVV	R0, R6
	MOVV	$const_sigsetSize, R7
	SYSCALL
	BEQ	R4, return
	SUBV	$1, R23, R23
	BNE	R23, restore

return:
	RET

begin:
	MOVV	run_ops(R24), R23
	MOVV	run_vars(R24), R26

next:
	MOVHU	Op_flags(R23), R27
	AND	$const_flagSkipEqual, R27, R13
	BEQ	R13, perform
	MOVHU	Op_cond(R23), R28
	PLACE
	MOVV	(R28), R13
	MOVV	Op_equal(R23), R14
	BEQ	R13, R14, advance

perform:
	MOVWU	Op_retries(R23), R25

again:
	MOVBU	Op_varArgs(R23), R12
	MOVV	(Op_args+0)(R23), R4
	VAR(0, R4)
	MOVV	(Op_args+8)(R23), R5
	VAR(1, R5)
	MOVV	(Op_args+16)(R23), R6
	VAR(2, R6)
	MOVV	(Op_args+24)(R23), R7
	VAR(3, R7)
	MOVV	(Op_args+32)(R23), R8
	VAR(4, R8)
	MOVV	(Op_args+40)(R23), R9
	VAR(5, R9)
	AND	$const_flagSweep, R27, R13
	BEQ	R13, enter

sweep:
	MOVV	Op_equal(R23), R14
	VAR(const_equalVar, R14)
	ADDV	R25, R4, R4
	BLT	R14, R4, advance
	ADDV	$1, R25, R25

enter:
	MOVWU	Op_nr(R23), R11
	SYSCALL
	AND	$const_flagSweep, R27, R13
	BNE	R13, again
	MOVV	$const_errnoFloor, R13
	BLTU	R13, R4, failed

	AND	$const_flagKeep, R27, R13
	BEQ	R13, skip
	MOVHU	Op_keep(R23), R28
	PLACE
	MOVV	R4, (R28)

skip:
	MOVBU	Op_skip(R23), R13
	MOVV	$Op__size, R14
	MULV	R14, R13, R13
	ADDV	R13, R23, R23

advance:
	ADDV	$Op__size, R23, R23
	JMP	next

failed:
	SUBV	R4, R0, R4
	AND	$const_flagIgnore, R27, R13
	BNE	R13, spared
	MOVBU	Op_again(R23), R13
	BNE	R13, R4, tolerate
	BEQ	R25, tolerate
	SUBV	$1, R25, R25
	MOVV	$const_sysNanosleep, R11
	ADDV	$run_pause, R24, R4
	MOVV	R0, R5
	SYSCALL
	JMP	again

tolerate:
	MOVBU	(Op_tolerate+0)(R23), R13
	BEQ	R13, R4, spared
	MOVBU	(Op_tolerate+1)(R23), R13
	BEQ	R13, R4, spared
	MOVBU	(Op_tolerate+2)(R23), R13
	BEQ	R13, R4, spared

report:
	MOVV	R4, run_errno(R24)
	MOVV	R23, run_failed(R24)
	MOVV	run_errFD(R24), R4
	BLT	R4, exit
	ADDV	$run_failed, R24, R5
	MOVV	$const_RecordSize, R6
	MOVV	$const_sysWrite, R11
	SYSCALL

exit:
	MOVV	$const_FailedStatus, R4
	MOVV	$const_sysExitGroup, R11
	SYSCALL
	JMP	exit // can't be reached, and must not fall through

spared:
	AND	$const_flagKeepError, R27, R13
	BEQ	R13, advance
	SUBV	R4, R0, R4
	MOVHU	Op_keep(R23), R28
	PLACE
	MOVV	R4, (R28)
	JMP	advance
