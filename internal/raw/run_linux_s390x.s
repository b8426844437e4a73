#include "go_asm.h"
#include "textflag.h"

// VAR replaces reg by the value of a variable where bit of R1 is set: the low
// half of reg is the variable's index, the high half a signed constant to add.
// R12 is the first variable. Uses R11.
#define VAR(bit, reg) \
	TMLL	R1, $(1<<bit) \
	BEQ	6(PC) \
	MOVWZ	reg, R11 \
	SRAD	$32, reg, reg \
	SLD	$3, R11, R11 \
	MOVD	(R12)(R11*1), R11 \
	ADD	R11, reg, reg

// func child(r *run)
//
// The parent's half ends in the only RET; what follows it is the child's half,
// and the contract in the package comment holds for every instruction there: no
// CALL, RET, PUSH or POP, no stack operand, no write but to the failure record
// and the variables. Never call any of it. The C code is beside the amd64
// version; the labels are the same, in the same order.
//
//	R8   Op being performed
//	R9   run
//	R10  retries left; in a sweep, how often it was repeated
//	R12  first variable
//	R2 to R7 arguments, R1 number, R0 and R11 free
//
// A call changes R2 alone. R13, R14 and R15 are Go's and the ABI's. R10 and R11 are the
// assembler's only where an instruction needs several, and none here does.
TEXT ·child(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	r+0(FP), R9

	MOVD	$const_sysRtSigprocmask, R1
	MOVD	$const_sigBlock, R2
	MOVD	$run_allMask(R9), R3
	MOVD	$run_oldMask(R9), R4
	MOVD	$const_sigsetSize, R5
	SYSCALL
	MOVD	R2, run_pid(R9)
	CMP	R2, $0
	BNE	return

	MOVD	run_nr(R9), R1
	MOVD	(run_arg+0)(R9), R2
	MOVD	(run_arg+8)(R9), R3
	MOVD	(run_arg+16)(R9), R4
	MOVD	(run_arg+24)(R9), R5
	MOVD	(run_arg+32)(R9), R6
	SYSCALL
	CMP	R2, $0
	BEQ	begin

	MOVD	R2, run_pid(R9)
	MOVD	$const_maskTries, R8

restore:
	MOVD	$const_sysRtSigprocmask, R1
	MOVD	$const_sigSetmask, R2
	MOVD	$run_oldMask(R9), R3
	MOVD	$0, R4
	MOVD	$const_sigsetSize, R5
	SYSCALL
	CMP	R2, $0
	BEQ	return
	ADD	$-1, R8, R8
	CMP	R8, $0
	BNE	restore

return:
	RET

begin:
	MOVD	run_ops(R9), R8
	MOVD	run_vars(R9), R12

next:
	MOVHZ	Op_flags(R8), R1
	TMLL	R1, $const_flagSkipEqual
	BEQ	perform
	MOVHZ	Op_cond(R8), R11
	SLD	$3, R11, R11
	MOVD	(R12)(R11*1), R11
	MOVD	Op_equal(R8), R1
	CMP	R11, R1
	BEQ	advance

perform:
	MOVWZ	Op_retries(R8), R10

again:
	MOVBZ	Op_varArgs(R8), R1
	MOVD	(Op_args+0)(R8), R2
	VAR(0, R2)
	MOVD	(Op_args+8)(R8), R3
	VAR(1, R3)
	MOVD	(Op_args+16)(R8), R4
	VAR(2, R4)
	MOVD	(Op_args+24)(R8), R5
	VAR(3, R5)
	MOVD	(Op_args+32)(R8), R6
	VAR(4, R6)
	MOVD	(Op_args+40)(R8), R7
	VAR(5, R7)
	MOVHZ	Op_flags(R8), R11
	TMLL	R11, $const_flagSweep
	BEQ	enter

sweep:
	MOVD	Op_equal(R8), R0
	VAR(const_equalVar, R0)
	ADD	R10, R2, R2
	CMP	R2, R0
	BGT	advance
	ADD	$1, R10, R10

enter:
	MOVWZ	Op_nr(R8), R1
	SYSCALL
	MOVHZ	Op_flags(R8), R1
	TMLL	R1, $const_flagSweep
	BNE	again
	MOVD	$const_errnoFloor, R11
	CMPU	R2, R11
	BGT	failed

	TMLL	R1, $const_flagKeep
	BEQ	skip
	MOVHZ	Op_keep(R8), R11
	SLD	$3, R11, R11
	MOVD	R2, (R12)(R11*1)

skip:
	MOVBZ	Op_skip(R8), R11
	MULLD	$Op__size, R11, R11
	ADD	R11, R8, R8

advance:
	ADD	$Op__size, R8, R8
	JMP	next

failed:
	NEG	R2, R2
	TMLL	R1, $const_flagIgnore
	BNE	spared
	MOVBZ	Op_again(R8), R11
	CMP	R2, R11
	BNE	tolerate
	CMP	R10, $0
	BEQ	tolerate
	ADD	$-1, R10, R10
	MOVD	$const_sysNanosleep, R1
	MOVD	$run_pause(R9), R2
	MOVD	$0, R3
	SYSCALL
	JMP	again

tolerate:
	MOVBZ	(Op_tolerate+0)(R8), R11
	CMP	R2, R11
	BEQ	spared
	MOVBZ	(Op_tolerate+1)(R8), R11
	CMP	R2, R11
	BEQ	spared
	MOVBZ	(Op_tolerate+2)(R8), R11
	CMP	R2, R11
	BEQ	spared

report:
	MOVD	R2, run_errno(R9)
	MOVD	R8, run_failed(R9)
	MOVD	run_errFD(R9), R2
	CMP	R2, $0
	BLT	exit
	MOVD	$run_failed(R9), R3
	MOVD	$const_RecordSize, R4
	MOVD	$const_sysWrite, R1
	SYSCALL

exit:
	MOVD	$const_FailedStatus, R2
	MOVD	$const_sysExitGroup, R1
	SYSCALL
	JMP	exit // can't be reached, and must not fall through

spared:
	TMLL	R1, $const_flagKeepError
	BEQ	advance
	NEG	R2, R2
	MOVHZ	Op_keep(R8), R11
	SLD	$3, R11, R11
	MOVD	R2, (R12)(R11*1)
	JMP	advance
