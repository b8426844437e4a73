#include "go_asm.h"
#include "textflag.h"

// CALL performs the system call of nr. An error is the errno negated.
#define CALL(nr) \
	SYSCALL	nr \
	BVC	2(PC) \
	NEG	R3, R3

// initCode is a whole program. Its C code is beside the amd64 version; the labels are
// the same, in the same order. No constant may be one for which the assembler reads
// from memory, which would not be there.
TEXT initCode<>(SB), NOSPLIT|NOFRAME, $0-0
	ADD	$-64, R1, R15
	MOVD	$0, R14
	MOVD	R14, (R15)

	MOVD	$const_prSetName, R3
	MOVD	8(R1), R4
	CALL($const_sysPrctl)

	MOVD	$const_sigSetmask, R3
	MOVD	R15, R4
	MOVD	$0, R5
	MOVD	$const_sigsetSize, R6
	CALL($const_sysRtSigprocmask)

	MOVD	$const_initGate, R3
	ADD	$8, R15, R4
	MOVD	$1, R5
	CALL($const_sysRead)

	MOVD	$const_initGate, R3
	CALL($const_sysClose)

	MOVD	$const_prSetDumpable, R3
	MOVD	$0, R4
	CALL($const_sysPrctl)

	MOVD	$const_initPollfd, R14
	SLD	$32, R14, R14
	MOVD	R14, (R15)

wait:
	MOVD	R15, R3
	MOVD	$1, R4
	MOVD	$-1, R5
	CALL($const_sysPoll)
	CMP	R3, $-const_eintr
	BEQ	wait
	CMP	R3, $1
	BNE	exit

	MOVD	$const_initKillByte, R14
	MOVB	R14, (R15)
	MOVD	$const_initKill, R3
	MOVD	R15, R4
	MOVD	$1, R5
	CALL($const_sysWrite)

exit:
	MOVD	$0, R3
	SYSCALL	$const_sysExitGroup
	JMP	exit
	WORD	$const_initEnd0
	WORD	$const_initEnd1

// func initAddr() *byte
TEXT ·initAddr(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	$initCode<>(SB), R3
	MOVD	R3, ret+0(FP)
	RET
