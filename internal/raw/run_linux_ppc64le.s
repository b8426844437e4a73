#include "go_asm.h"
#include "textflag.h"

// PLACE makes R19 the address of the variable whose index is in R19. R17 is the first
// variable. Nothing else changes R19, and nothing but a variable is written by it.
#define PLACE \
	SLD	$3, R19, R19 \
	ADD	R17, R19, R19

// VAR replaces reg by the value of a variable where bit of R9 is set: the low
// half of reg is the variable's index, the high half a signed constant to add.
// Uses R10 and R19.
#define VAR(bit, reg) \
	ANDCC	$(1<<bit), R9, R10 \
	BEQ	7(PC) \
	MOVWZ	reg, R19 \
	SRAD	$32, reg, reg \
	SLD	$3, R19, R19 \
	ADD	R17, R19, R19 \
	MOVD	(R19), R10 \
	ADD	R10, reg, reg

// CALL performs the system call of nr. The kernel tells an error by a flag and the errno;
// here it is the errno negated, as on other architectures. SYSCALL is two or three
// instructions: the number comes to R0, which is 0 again afterwards.
#define CALL(nr) \
	SYSCALL	nr \
	BVC	2(PC) \
	NEG	R3, R3

// func child(r *run)
//
// The parent's half ends in the only RET; what follows it is the child's half,
// and the contract in the package comment holds for every instruction there: no
// CALL, RET, PUSH or POP, no stack operand, no write but to the failure record
// and the variables. Never call any of it. The C code is beside the amd64
// version; the labels are the same, in the same order.
//
//	R14  Op being performed
//	R15  run
//	R16  retries left; in a sweep, how often it was repeated
//	R17  first variable
//	R18  flags of the Op
//	R19  a variable
//	R20  number
//	R3 to R8 arguments, R9, R10, R11 free
//
// The kernel keeps R14 and beyond. R1, R2, R13 and R30 are the ABI's and Go's, R31 is the assembler's.
TEXT ·child(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	r+0(FP), R15

	MOVD	$const_sigBlock, R3
	ADD	$run_allMask, R15, R4
	ADD	$run_oldMask, R15, R5
	MOVD	$const_sigsetSize, R6
	CALL($const_sysRtSigprocmask)
	MOVD	R3, run_pid(R15)
	CMP	R3, $0
	BNE	return

	MOVD	run_nr(R15), R20
	MOVD	(run_arg+0)(R15), R3
	MOVD	(run_arg+8)(R15), R4
	MOVD	(run_arg+16)(R15), R5
	MOVD	(run_arg+24)(R15), R6
	MOVD	(run_arg+32)(R15), R7
	CALL(R20)
	CMP	R3, $0
	BEQ	begin

	MOVD	R3, run_pid(R15)
	MOVD	$const_maskTries, R14

restore:
	MOVD	$const_sigSetmask, R3
	ADD	$run_oldMask, R15, R4
	MOVD	$0, R5
	MOVD	$const_sigsetSize, R6
	CALL($const_sysRtSigprocmask)
	CMP	R3, $0
	BEQ	return
	ADD	$-1, R14, R14
	CMP	R14, $0
	BNE	restore

return:
	RET

begin:
	MOVD	run_ops(R15), R14
	MOVD	run_vars(R15), R17

next:
	MOVHZ	Op_flags(R14), R18
	ANDCC	$const_flagSkipEqual, R18, R10
	BEQ	perform
	MOVHZ	Op_cond(R14), R19
	PLACE
	MOVD	(R19), R10
	MOVD	Op_equal(R14), R11
	CMP	R10, R11
	BEQ	advance

perform:
	MOVWZ	Op_retries(R14), R16

again:
	MOVBZ	Op_varArgs(R14), R9
	MOVD	(Op_args+0)(R14), R3
	VAR(0, R3)
	MOVD	(Op_args+8)(R14), R4
	VAR(1, R4)
	MOVD	(Op_args+16)(R14), R5
	VAR(2, R5)
	MOVD	(Op_args+24)(R14), R6
	VAR(3, R6)
	MOVD	(Op_args+32)(R14), R7
	VAR(4, R7)
	MOVD	(Op_args+40)(R14), R8
	VAR(5, R8)
	ANDCC	$const_flagSweep, R18, R10
	BEQ	enter

sweep:
	MOVD	Op_equal(R14), R11
	VAR(const_equalVar, R11)
	ADD	R16, R3, R3
	CMP	R11, R3
	BLT	advance
	ADD	$1, R16, R16

enter:
	MOVWZ	Op_nr(R14), R20
	CALL(R20)
	ANDCC	$const_flagSweep, R18, R10
	BNE	again
	MOVD	$const_errnoFloor, R10
	CMPU	R10, R3
	BLT	failed

	ANDCC	$const_flagKeep, R18, R10
	BEQ	skip
	MOVHZ	Op_keep(R14), R19
	PLACE
	MOVD	R3, (R19)

skip:
	MOVBZ	Op_skip(R14), R10
	MULLD	$Op__size, R10, R10
	ADD	R10, R14, R14

advance:
	ADD	$Op__size, R14, R14
	JMP	next

failed:
	NEG	R3, R3
	ANDCC	$const_flagIgnore, R18, R10
	BNE	spared
	MOVBZ	Op_again(R14), R10
	CMP	R10, R3
	BNE	tolerate
	CMP	R16, $0
	BEQ	tolerate
	ADD	$-1, R16, R16
	ADD	$run_pause, R15, R3
	MOVD	$0, R4
	CALL($const_sysNanosleep)
	JMP	again

tolerate:
	MOVBZ	(Op_tolerate+0)(R14), R10
	CMP	R10, R3
	BEQ	spared
	MOVBZ	(Op_tolerate+1)(R14), R10
	CMP	R10, R3
	BEQ	spared
	MOVBZ	(Op_tolerate+2)(R14), R10
	CMP	R10, R3
	BEQ	spared

report:
	MOVD	R3, run_errno(R15)
	MOVD	R14, run_failed(R15)
	MOVD	run_errFD(R15), R3
	CMP	R3, $0
	BLT	exit
	ADD	$run_failed, R15, R4
	MOVD	$const_RecordSize, R5
	CALL($const_sysWrite)

exit:
	MOVD	$const_FailedStatus, R3
	SYSCALL	$const_sysExitGroup
	JMP	exit // can't be reached, and must not fall through

spared:
	ANDCC	$const_flagKeepError, R18, R10
	BEQ	advance
	NEG	R3, R3
	MOVHZ	Op_keep(R14), R19
	PLACE
	MOVD	R3, (R19)
	JMP	advance
