#include "textflag.h"

// func prlimit(l *Limit) (result int)
TEXT ·prlimit(SB), NOSPLIT, $0-8
	MOVL	$340, AX // SYS_prlimit64; this package can't import the number
	XORL	BX, BX
	MOVL	$7, CX // RLIMIT_NOFILE
	XORL	DX, DX
	MOVL	l+0(FP), SI
	INT	$0x80
	MOVL	AX, result+4(FP)
	RET
