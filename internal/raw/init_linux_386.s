#include "go_asm.h"
#include "textflag.h"

// initCode is a whole program. Its C code is beside the amd64 version; the labels are
// the same, in the same order.
TEXT initCode<>(SB), NOSPLIT|NOFRAME, $0-0
	LEAL	-64(SP), DI
	MOVL	$0, 0(DI)
	MOVL	$0, 4(DI)

	MOVL	$const_sysPrctl, AX
	MOVL	$const_prSetName, BX
	MOVL	4(SP), CX
	INT	$0x80

	MOVL	$const_sysRtSigprocmask, AX
	MOVL	$const_sigSetmask, BX
	MOVL	DI, CX
	XORL	DX, DX
	MOVL	$const_sigsetSize, SI
	INT	$0x80

	MOVL	$const_sysRead, AX
	MOVL	$const_initGate, BX
	LEAL	8(DI), CX
	MOVL	$1, DX
	INT	$0x80

	MOVL	$const_sysClose, AX
	MOVL	$const_initGate, BX
	INT	$0x80

	MOVL	$const_sysPrctl, AX
	MOVL	$const_prSetDumpable, BX
	XORL	CX, CX
	INT	$0x80

	MOVL	$const_initPollfd, 4(DI)

wait:
	MOVL	$const_sysPoll, AX
	MOVL	DI, BX
	MOVL	$1, CX
	MOVL	$-1, DX
	INT	$0x80
	CMPL	AX, $-const_eintr
	JEQ	wait
	CMPL	AX, $1
	JNE	exit

	MOVL	$const_sysWrite, AX
	MOVL	$const_initKill, BX
	MOVB	$const_initKillByte, 0(DI)
	MOVL	DI, CX
	MOVL	$1, DX
	INT	$0x80

exit:
	MOVL	$const_sysExitGroup, AX
	XORL	BX, BX
	INT	$0x80
	JMP	exit
	LONG	$const_initEnd0
	LONG	$const_initEnd1

// func initAddr() *byte
TEXT ·initAddr(SB), NOSPLIT|NOFRAME, $0-4
	MOVL	$initCode<>(SB), AX
	MOVL	AX, ret+0(FP)
	RET
