#include "go_asm.h"
#include "textflag.h"

// FRAME sets BP to the child's frame, whose distance from the stack pointer is fixed.
#define FRAME \
	MOVL	SP, BP \
	ADDL	$(stack_frame-const_stackSize), BP

// VAR replaces reg by the value of a variable where a bit of Op.varArgs is set: the low
// half of what is at from, which reg has, is the variable's index, the high half a
// signed constant to add. SI is the Op, and DI the first variable.
#define VAR(bit, from, reg) \
	TESTB	$(1<<bit), Op_varArgs(SI) \
	JEQ	3(PC) \
	MOVL	(DI)(reg*8), reg \
	ADDL	(from+4)(SI), reg

// func child(r *run)
//
// The parent's half ends in the only RET; what follows it is the child's half,
// and the contract in the package comment holds for every instruction there: no
// CALL, RET, PUSH or POP, no stack operand, no write but to the failure record,
// the variables and the frame. Never call any of it. The C code is beside the
// amd64 version; the labels are the same, in the same order.
//
// A call has six registers for its arguments, and one for its number. Only the stack
// pointer is left, which no child shares with another: it says where the frame is.
// The call itself is INT, as the kernel's sysenter needs a stack.
//
//	SI  Op being performed, also in the frame
//	DI  first variable
//	BP  frame
//	SP  never changes
//	AX, BX, CX, DX are free
//
// An argument is the low half of what the Op has for it, and so is a variable. The
// result of a call becomes the low half of a variable, and its high half zero, or all ones
// where it is an error.
TEXT ·child(SB), NOSPLIT|NOFRAME, $0-4
	MOVL	r+0(FP), BP

	MOVL	$const_sysRtSigprocmask, AX
	MOVL	$const_sigBlock, BX
	LEAL	run_allMask(BP), CX
	LEAL	run_oldMask(BP), DX
	MOVL	$const_sigsetSize, SI
	INT	$0x80
	MOVL	AX, run_pid(BP)
	TESTL	AX, AX
	JNE	return

	MOVL	run_nr(BP), AX
	MOVL	(run_arg+0)(BP), BX
	MOVL	(run_arg+4)(BP), CX
	MOVL	(run_arg+8)(BP), DX
	MOVL	(run_arg+12)(BP), SI
	MOVL	(run_arg+16)(BP), DI
	INT	$0x80
	TESTL	AX, AX
	JEQ	begin

	MOVL	AX, run_pid(BP)
	MOVL	$const_maskTries, DI

restore:
	MOVL	$const_sysRtSigprocmask, AX
	MOVL	$const_sigSetmask, BX
	LEAL	run_oldMask(BP), CX
	XORL	DX, DX
	MOVL	$const_sigsetSize, SI
	INT	$0x80
	TESTL	AX, AX
	JEQ	return
	DECL	DI
	JNE	restore

return:
	RET

begin:
	FRAME
	MOVL	frame_run(BP), DI
	MOVL	run_ops(DI), SI
	MOVL	run_vars(DI), DI

next:
	MOVL	SI, frame_op(BP)
	TESTW	$const_flagSkipEqual, Op_flags(SI)
	JEQ	perform
	MOVWLZX	Op_cond(SI), AX
	MOVL	(DI)(AX*8), CX
	CMPL	CX, (Op_equal+0)(SI)
	JNE	perform
	MOVL	4(DI)(AX*8), CX
	CMPL	CX, (Op_equal+4)(SI)
	JEQ	advance

perform:
	MOVL	Op_retries(SI), AX
	MOVL	AX, frame_left(BP)

again:
	MOVL	(Op_args+0)(SI), BX
	VAR(0, Op_args+0, BX)
	MOVL	(Op_args+8)(SI), CX
	VAR(1, Op_args+8, CX)
	MOVL	(Op_args+16)(SI), DX
	VAR(2, Op_args+16, DX)
	MOVL	(Op_args+24)(SI), AX
	VAR(3, Op_args+24, AX)
	MOVL	AX, (frame_args+0)(BP)
	MOVL	(Op_args+32)(SI), AX
	VAR(4, Op_args+32, AX)
	MOVL	AX, (frame_args+4)(BP)
	MOVL	(Op_args+40)(SI), AX
	VAR(5, Op_args+40, AX)
	MOVL	AX, (frame_args+8)(BP)
	TESTW	$const_flagSweep, Op_flags(SI)
	JEQ	enter

sweep:
	MOVL	Op_equal(SI), AX
	VAR(const_equalVar, Op_equal, AX)
	ADDL	frame_left(BP), BX
	JOS	advance // the last was the largest number
	CMPL	BX, AX
	JGT	advance
	INCL	frame_left(BP)

enter:
	MOVL	Op_nr(SI), AX
	MOVL	(frame_args+0)(BP), SI
	MOVL	(frame_args+4)(BP), DI
	MOVL	(frame_args+8)(BP), BP
	INT	$0x80
	FRAME
	MOVL	frame_op(BP), SI
	MOVL	frame_run(BP), DI
	MOVL	run_vars(DI), DI
	TESTW	$const_flagSweep, Op_flags(SI)
	JNE	again
	CMPL	AX, $const_errnoFloor
	JHI	failed

	TESTW	$const_flagKeep, Op_flags(SI)
	JEQ	skip
	MOVWLZX	Op_keep(SI), CX
	MOVL	AX, (DI)(CX*8)
	MOVL	$0, 4(DI)(CX*8)

skip:
	MOVBLZX	Op_skip(SI), AX
	IMULL	$Op__size, AX
	ADDL	AX, SI

advance:
	ADDL	$Op__size, SI
	JMP	next

failed:
	NEGL	AX
	TESTW	$const_flagIgnore, Op_flags(SI)
	JNE	spared
	MOVBLZX	Op_again(SI), CX
	CMPL	AX, CX
	JNE	tolerate
	CMPL	frame_left(BP), $0
	JEQ	tolerate
	DECL	frame_left(BP)
	MOVL	$const_sysNanosleep, AX
	MOVL	frame_run(BP), BX
	ADDL	$run_pause, BX
	XORL	CX, CX
	INT	$0x80
	JMP	again

tolerate:
	MOVBLZX	(Op_tolerate+0)(SI), CX
	CMPL	AX, CX
	JEQ	spared
	MOVBLZX	(Op_tolerate+1)(SI), CX
	CMPL	AX, CX
	JEQ	spared
	MOVBLZX	(Op_tolerate+2)(SI), CX
	CMPL	AX, CX
	JEQ	spared

report:
	MOVL	frame_run(BP), DI
	MOVL	AX, run_errno(DI)
	MOVL	SI, run_failed(DI)
	MOVL	run_errFD(DI), BX
	TESTL	BX, BX
	JLT	exit
	LEAL	run_failed(DI), CX
	MOVL	$const_RecordSize, DX
	MOVL	$const_sysWrite, AX
	INT	$0x80

exit:
	MOVL	$const_FailedStatus, BX
	MOVL	$const_sysExitGroup, AX
	INT	$0x80
	JMP	exit // can't be reached, and must not fall through

spared:
	TESTW	$const_flagKeepError, Op_flags(SI)
	JEQ	advance
	MOVWLZX	Op_keep(SI), CX
	NEGL	AX
	MOVL	AX, (DI)(CX*8)
	MOVL	$-1, 4(DI)(CX*8)
	JMP	advance
