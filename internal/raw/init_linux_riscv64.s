#include "go_asm.h"
#include "textflag.h"

// initCode is a whole program. Its C code is beside the amd64 version; the labels are
// the same, in the same order. No constant may be one for which the assembler reads
// from memory, which would not be there.
TEXT initCode<>(SB), NOSPLIT|NOFRAME, $0-0
	ADD	$-64, X2, X19
	MOV	ZERO, (X19)

	MOV	$const_sysPrctl, X17
	MOV	$const_prSetName, X10
	MOV	8(X2), X11
	ECALL

	MOV	$const_sysRtSigprocmask, X17
	MOV	$const_sigSetmask, X10
	MOV	X19, X11
	MOV	ZERO, X12
	MOV	$const_sigsetSize, X13
	ECALL

	MOV	$const_sysRead, X17
	MOV	$const_initGate, X10
	ADD	$8, X19, X11
	MOV	$1, X12
	ECALL

	MOV	$const_sysClose, X17
	MOV	$const_initGate, X10
	ECALL

	MOV	$const_sysPrctl, X17
	MOV	$const_prSetDumpable, X10
	MOV	ZERO, X11
	ECALL

	MOV	$const_initPollfd, X6
	SLLI	$32, X6, X6
	MOV	X6, (X19)

wait:
	MOV	$const_sysPoll, X17
	MOV	X19, X10
	MOV	$1, X11
	MOV	ZERO, X12
	MOV	ZERO, X13
	MOV	$const_sigsetSize, X14
	ECALL
	MOV	$-const_eintr, X6
	BEQ	X6, X10, wait
	MOV	$1, X6
	BNE	X6, X10, exit

	MOV	$const_sysWrite, X17
	MOV	$const_initKill, X10
	MOV	$const_initKillByte, X6
	MOVB	X6, (X19)
	MOV	X19, X11
	MOV	$1, X12
	ECALL

exit:
	MOV	$const_sysExitGroup, X17
	MOV	ZERO, X10
	ECALL
	JMP	exit
	WORD	$const_initEnd0
	WORD	$const_initEnd1

// func initAddr() *byte
TEXT ·initAddr(SB), NOSPLIT|NOFRAME, $0-8
	MOV	$initCode<>(SB), X10
	MOV	X10, ret+0(FP)
	RET
