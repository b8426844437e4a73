#include "go_asm.h"
#include "textflag.h"

// initCode is a whole program. Its C code is beside the amd64 version; the labels are
// the same, in the same order. No constant may be one for which the assembler reads
// from memory, which would not be there.
TEXT initCode<>(SB), NOSPLIT|NOFRAME, $0-0
	ADDV	$-64, R3, R23
	MOVV	R0, (R23)

	MOVV	$const_sysPrctl, R11
	MOVV	$const_prSetName, R4
	MOVV	8(R3), R5
	SYSCALL

	MOVV	$const_sysRtSigprocmask, R11
	MOVV	$const_sigSetmask, R4
	MOVV	R23, R5
	MOVV	R0, R6
	MOVV	$const_sigsetSize, R7
	SYSCALL

	MOVV	$const_sysRead, R11
	MOVV	$const_initGate, R4
	ADDV	$8, R23, R5
	MOVV	$1, R6
	SYSCALL

	MOVV	$const_sysClose, R11
	MOVV	$const_initGate, R4
	SYSCALL

	MOVV	$const_sysPrctl, R11
	MOVV	$const_prSetDumpable, R4
	MOVV	R0, R5
	SYSCALL

	MOVV	$const_initPollfd, R12
	SLLV	$32, R12, R12
	MOVV	R12, (R23)

wait:
	MOVV	$const_sysPoll, R11
	MOVV	R23, R4
	MOVV	$1, R5
	MOVV	R0, R6
	MOVV	R0, R7
	MOVV	$const_sigsetSize, R8
	SYSCALL
	MOVV	$-const_eintr, R12
	BEQ	R12, R4, wait
	MOVV	$1, R12
	BNE	R12, R4, exit

	MOVV	$const_sysWrite, R11
	MOVV	$const_initKill, R4
	MOVV	$const_initKillByte, R12
	MOVB	R12, (R23)
	MOVV	R23, R5
	MOVV	$1, R6
	SYSCALL

exit:
	MOVV	$const_sysExitGroup, R11
	MOVV	R0, R4
	SYSCALL
	JMP	exit
	WORD	$const_initEnd0
	WORD	$const_initEnd1

// func initAddr() *byte
TEXT ·initAddr(SB), NOSPLIT|NOFRAME, $0-8
	MOVV	$initCode<>(SB), R4
	MOVV	R4, ret+0(FP)
	RET
