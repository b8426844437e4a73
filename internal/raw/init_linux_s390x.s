#include "go_asm.h"
#include "textflag.h"

// initCode is a whole program. Its C code is beside the amd64 version; the labels are
// the same, in the same order.
TEXT initCode<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	$-64(R15), R9
	MOVD	$0, R8
	MOVD	R8, (R9)

	MOVD	$const_sysPrctl, R1
	MOVD	$const_prSetName, R2
	MOVD	8(R15), R3
	SYSCALL

	MOVD	$const_sysRtSigprocmask, R1
	MOVD	$const_sigSetmask, R2
	MOVD	R9, R3
	MOVD	$0, R4
	MOVD	$const_sigsetSize, R5
	SYSCALL

	MOVD	$const_sysRead, R1
	MOVD	$const_initGate, R2
	MOVD	$8(R9), R3
	MOVD	$1, R4
	SYSCALL

	MOVD	$const_sysClose, R1
	MOVD	$const_initGate, R2
	SYSCALL

	MOVD	$const_sysPrctl, R1
	MOVD	$const_prSetDumpable, R2
	MOVD	$0, R3
	SYSCALL

	MOVD	$const_initPollfd, R8
	MOVH	R8, 4(R9)

wait:
	MOVD	$const_sysPoll, R1
	MOVD	R9, R2
	MOVD	$1, R3
	MOVD	$-1, R4
	SYSCALL
	CMP	R2, $-const_eintr
	BEQ	wait
	CMP	R2, $1
	BNE	exit

	MOVD	$const_initKillByte, R8
	MOVB	R8, (R9)
	MOVD	$const_sysWrite, R1
	MOVD	$const_initKill, R2
	MOVD	R9, R3
	MOVD	$1, R4
	SYSCALL

exit:
	MOVD	$const_sysExitGroup, R1
	MOVD	$0, R2
	SYSCALL
	JMP	exit
	WORD	$const_initEnd0
	WORD	$const_initEnd1

// func initAddr() *byte
TEXT ·initAddr(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	$initCode<>(SB), R2
	MOVD	R2, ret+0(FP)
	RET
