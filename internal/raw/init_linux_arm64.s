#include "go_asm.h"
#include "textflag.h"

// initCode is a whole program. Its C code is beside the amd64 version; the labels are
// the same, in the same order. No constant may be one for which the assembler adds a pool
// of literals, which would lie behind the end.
TEXT initCode<>(SB), NOSPLIT|NOFRAME, $0-0
	SUB	$64, RSP, R19
	MOVD	ZR, (R19)

	MOVD	$const_sysPrctl, R8
	MOVD	$const_prSetName, R0
	MOVD	8(RSP), R1
	SVC

	MOVD	$const_sysRtSigprocmask, R8
	MOVD	$const_sigSetmask, R0
	MOVD	R19, R1
	MOVD	ZR, R2
	MOVD	$const_sigsetSize, R3
	SVC

	MOVD	$const_sysRead, R8
	MOVD	$const_initGate, R0
	ADD	$8, R19, R1
	MOVD	$1, R2
	SVC

	MOVD	$const_sysClose, R8
	MOVD	$const_initGate, R0
	SVC

	MOVD	$const_sysPrctl, R8
	MOVD	$const_prSetDumpable, R0
	MOVD	ZR, R1
	SVC

	MOVD	$const_initPollfd, R9
	LSL	$32, R9, R9
	MOVD	R9, (R19)

wait:
	MOVD	$const_sysPoll, R8
	MOVD	R19, R0
	MOVD	$1, R1
	MOVD	ZR, R2
	MOVD	ZR, R3
	MOVD	$const_sigsetSize, R4
	SVC
	CMN	$const_eintr, R0
	BEQ	wait
	CMP	$1, R0
	BNE	exit

	MOVD	$const_sysWrite, R8
	MOVD	$const_initKill, R0
	MOVD	$const_initKillByte, R9
	MOVB	R9, (R19)
	MOVD	R19, R1
	MOVD	$1, R2
	SVC

exit:
	MOVD	$const_sysExitGroup, R8
	MOVD	ZR, R0
	SVC
	B	exit
	WORD	$const_initEnd0
	WORD	$const_initEnd1

// func initAddr() *byte
TEXT ·initAddr(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	$initCode<>(SB), R0
	MOVD	R0, ret+0(FP)
	RET
