#include "go_asm.h"
#include "textflag.h"

// initCode is a whole program, and no function of this one: InitCode copies its bytes.
// It needs no data, and its stack is the one that execve makes. Below the stack pointer
// is a struct pollfd, of the descriptor 0, that is also an empty signal mask before, and
// the place for the byte that it reads. Never call it.
//
// In C:
//
//	prctl(PR_SET_NAME, argv[0]);
//	rt_sigprocmask(SIG_SETMASK, &none, 0, 8);
//	read(2, &c, 1);
//	close(2);
//	prctl(PR_SET_DUMPABLE, 0);
//	while ((n = poll({0, POLLIN}, 1, -1)) == -EINTR);
//	if (n == 1) // else somebody has refused poll, and nothing is known of the parent
//		write(1, "1", 1);
//	exit_group(0);
TEXT initCode<>(SB), NOSPLIT|NOFRAME, $0-0
	LEAQ	-64(SP), BX
	MOVQ	$0, (BX)

	MOVL	$const_sysPrctl, AX
	MOVL	$const_prSetName, DI
	MOVQ	8(SP), SI
	SYSCALL

	MOVL	$const_sysRtSigprocmask, AX
	MOVL	$const_sigSetmask, DI
	MOVQ	BX, SI
	XORL	DX, DX
	MOVL	$const_sigsetSize, R10
	SYSCALL

	MOVL	$const_sysRead, AX
	MOVL	$const_initGate, DI
	LEAQ	8(BX), SI
	MOVL	$1, DX
	SYSCALL

	MOVL	$const_sysClose, AX
	MOVL	$const_initGate, DI
	SYSCALL

	MOVL	$const_sysPrctl, AX
	MOVL	$const_prSetDumpable, DI
	XORL	SI, SI
	SYSCALL

	MOVL	$const_initPollfd, AX
	SHLQ	$32, AX
	MOVQ	AX, (BX)

wait:
	MOVL	$const_sysPoll, AX
	MOVQ	BX, DI
	MOVL	$1, SI
	MOVQ	$-1, DX
	SYSCALL
	CMPQ	AX, $-const_eintr
	JEQ	wait
	CMPQ	AX, $1
	JNE	exit

	MOVL	$const_sysWrite, AX
	MOVL	$const_initKill, DI
	MOVB	$const_initKillByte, (BX)
	MOVQ	BX, SI
	MOVL	$1, DX
	SYSCALL

exit:
	MOVL	$const_sysExitGroup, AX
	XORL	DI, DI
	SYSCALL
	JMP	exit
	LONG	$const_initEnd0
	LONG	$const_initEnd1

// func initAddr() *byte
TEXT ·initAddr(SB), NOSPLIT|NOFRAME, $0-8
	LEAQ	initCode<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
