#include "textflag.h"

// func prlimit(l *Limit) (result int)
TEXT ·prlimit(SB), NOSPLIT, $0-16
	MOVL	$302, AX // SYS_prlimit64; this package can't import the number
	XORL	DI, DI
	MOVL	$7, SI // RLIMIT_NOFILE
	XORL	DX, DX
	MOVQ	l+0(FP), R10
	SYSCALL
	MOVQ	AX, result+8(FP)
	RET
