#include "go_asm.h"
#include "textflag.h"

// initCode is a whole program. Its C code is beside the amd64 version; the labels are
// the same, in the same order. No constant may be one for which the assembler adds a pool
// of literals, which would lie behind the end.
TEXT initCode<>(SB), NOSPLIT|NOFRAME, $0-0
	SUB	$64, R13, R8
	MOVW	$0, R0
	MOVW	R0, 0(R8)
	MOVW	R0, 4(R8)

	MOVW	$const_sysPrctl, R7
	MOVW	$const_prSetName, R0
	MOVW	4(R13), R1
	SWI	$0

	MOVW	$const_sysRtSigprocmask, R7
	MOVW	$const_sigSetmask, R0
	MOVW	R8, R1
	MOVW	$0, R2
	MOVW	$const_sigsetSize, R3
	SWI	$0

	MOVW	$const_sysRead, R7
	MOVW	$const_initGate, R0
	ADD	$8, R8, R1
	MOVW	$1, R2
	SWI	$0

	MOVW	$const_sysClose, R7
	MOVW	$const_initGate, R0
	SWI	$0

	MOVW	$const_sysPrctl, R7
	MOVW	$const_prSetDumpable, R0
	MOVW	$0, R1
	SWI	$0

	MOVW	$const_initPollfd, R0
	MOVW	R0, 4(R8)

wait:
	MOVW	$const_sysPoll, R7
	MOVW	R8, R0
	MOVW	$1, R1
	MOVW	$-1, R2
	SWI	$0
	CMN	$const_eintr, R0
	BEQ	wait
	CMP	$1, R0
	BNE	exit

	MOVW	$const_sysWrite, R7
	MOVW	$const_initKillByte, R0
	MOVB	R0, (R8)
	MOVW	$const_initKill, R0
	MOVW	R8, R1
	MOVW	$1, R2
	SWI	$0

exit:
	MOVW	$const_sysExitGroup, R7
	MOVW	$0, R0
	SWI	$0
	B	exit
	WORD	$const_initEnd0
	WORD	$const_initEnd1

// func initAddr() *byte
TEXT ·initAddr(SB), NOSPLIT|NOFRAME, $0-4
	MOVW	$initCode<>(SB), R0
	MOVW	R0, ret+0(FP)
	RET
