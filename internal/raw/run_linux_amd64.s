#include "go_asm.h"
#include "textflag.h"

// VAR replaces reg by the value of a variable where bit of AX is set: the low
// half of reg is the variable's index, the high half a signed constant to add.
// BX is the first variable. Uses R15.
#define VAR(bit, reg) \
	BTL	$bit, AX \
	JCC	5(PC) \
	MOVL	reg, R15 \
	SARQ	$32, reg \
	MOVQ	(BX)(R15*8), R15 \
	ADDQ	R15, reg

// func child(r *run)
//
// The parent's half ends in the only RET; what follows it is the child's half,
// and the contract in the package comment holds for every instruction there: no
// CALL, RET, PUSH or POP, no stack operand, no write but to the failure record
// and the variables. Never call any of it.
//
//	R12  Op being performed
//	R13  run
//	R14  retries left; in a sweep, how often it was repeated
//	BX   first variable
//	AX, CX, R11, R15 and the argument registers are free
//
// In C:
//
//	for (op = r->ops;; op += 1 + skip) {
//		skip = 0;
//		if (op->flags & flagSkipEqual && vars[op->cond] == op->equal)
//			continue;
//		n = op->retries;
//	again:
//		load args, variables replaced;
//		if (op->flags & flagSweep && (args[0] += n++) > equal)
//			continue;
//		x = syscall(op->nr, args);
//		if (op->flags & flagSweep) goto again;
//		if (x is an error) {
//			if (op->flags & flagIgnore) goto spared;
//			if (x == op->again && n-- > 0) { nanosleep(&r->pause); goto again; }
//			if (x is in op->tolerate) goto spared;
//			r->failed = op; r->errno = x;
//			write(r->errFD, record); exit_group(127);
//		}
//		if (op->flags & flagKeep) vars[op->keep] = x;
//		skip = op->skip;
//		continue;
//	spared:
//		if (op->flags & flagKeepError) vars[op->keep] = -x;
//	}
TEXT ·child(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	r+0(FP), R13

	MOVL	$const_sysRtSigprocmask, AX
	MOVL	$const_sigBlock, DI
	LEAQ	run_allMask(R13), SI
	LEAQ	run_oldMask(R13), DX
	MOVL	$const_sigsetSize, R10
	SYSCALL
	MOVQ	AX, run_pid(R13)
	TESTQ	AX, AX
	JNE	return

	MOVQ	run_nr(R13), AX
	MOVQ	(run_arg+0)(R13), DI
	MOVQ	(run_arg+8)(R13), SI
	MOVQ	(run_arg+16)(R13), DX
	MOVQ	(run_arg+24)(R13), R10
	MOVQ	(run_arg+32)(R13), R8
	SYSCALL
	TESTQ	AX, AX
	JEQ	begin

	MOVQ	AX, run_pid(R13)
	MOVL	$const_maskTries, R12

restore:
	MOVL	$const_sysRtSigprocmask, AX
	MOVL	$const_sigSetmask, DI
	LEAQ	run_oldMask(R13), SI
	XORL	DX, DX
	MOVL	$const_sigsetSize, R10
	SYSCALL
	TESTQ	AX, AX
	JEQ	return
	DECL	R12
	JNE	restore

return:
	RET

begin:
	MOVQ	run_ops(R13), R12
	MOVQ	run_vars(R13), BX

next:
	TESTW	$const_flagSkipEqual, Op_flags(R12)
	JEQ	perform
	MOVWLZX	Op_cond(R12), AX
	MOVQ	(BX)(AX*8), AX
	CMPQ	AX, Op_equal(R12)
	JEQ	advance

perform:
	MOVL	Op_retries(R12), R14

again:
	MOVBLZX	Op_varArgs(R12), AX
	MOVQ	(Op_args+0)(R12), DI
	VAR(0, DI)
	MOVQ	(Op_args+8)(R12), SI
	VAR(1, SI)
	MOVQ	(Op_args+16)(R12), DX
	VAR(2, DX)
	MOVQ	(Op_args+24)(R12), R10
	VAR(3, R10)
	MOVQ	(Op_args+32)(R12), R8
	VAR(4, R8)
	MOVQ	(Op_args+40)(R12), R9
	VAR(5, R9)
	TESTW	$const_flagSweep, Op_flags(R12)
	JEQ	enter

sweep:
	MOVQ	Op_equal(R12), CX
	VAR(const_equalVar, CX)
	ADDQ	R14, DI
	CMPQ	DI, CX
	JGT	advance
	INCQ	R14

enter:
	MOVL	Op_nr(R12), AX
	SYSCALL
	TESTW	$const_flagSweep, Op_flags(R12)
	JNE	again
	CMPQ	AX, $const_errnoFloor
	JHI	failed

	TESTW	$const_flagKeep, Op_flags(R12)
	JEQ	skip
	MOVWLZX	Op_keep(R12), CX
	MOVQ	AX, (BX)(CX*8)

skip:
	MOVBLZX	Op_skip(R12), AX
	IMULQ	$Op__size, AX
	ADDQ	AX, R12

advance:
	ADDQ	$Op__size, R12
	JMP	next

failed:
	NEGQ	AX
	TESTW	$const_flagIgnore, Op_flags(R12)
	JNE	spared
	MOVBLZX	Op_again(R12), CX
	CMPQ	AX, CX
	JNE	tolerate
	TESTL	R14, R14
	JEQ	tolerate
	DECL	R14
	MOVL	$const_sysNanosleep, AX
	LEAQ	run_pause(R13), DI
	XORL	SI, SI
	SYSCALL
	JMP	again

tolerate:
	MOVBLZX	(Op_tolerate+0)(R12), CX
	CMPQ	AX, CX
	JEQ	spared
	MOVBLZX	(Op_tolerate+1)(R12), CX
	CMPQ	AX, CX
	JEQ	spared
	MOVBLZX	(Op_tolerate+2)(R12), CX
	CMPQ	AX, CX
	JEQ	spared

report:
	MOVQ	AX, run_errno(R13)
	MOVQ	R12, run_failed(R13)
	MOVQ	run_errFD(R13), DI
	TESTQ	DI, DI
	JLT	exit
	LEAQ	run_failed(R13), SI
	MOVL	$const_RecordSize, DX
	MOVL	$const_sysWrite, AX
	SYSCALL

exit:
	MOVL	$const_FailedStatus, DI
	MOVL	$const_sysExitGroup, AX
	SYSCALL
	JMP	exit // can't be reached, and must not fall through

spared:
	TESTW	$const_flagKeepError, Op_flags(R12)
	JEQ	advance
	MOVWLZX	Op_keep(R12), CX
	NEGQ	AX
	MOVQ	AX, (BX)(CX*8)
	JMP	advance
