#include "textflag.h"

// func prlimit(l *Limit) (result int)
TEXT ·prlimit(SB), NOSPLIT|NOFRAME, $0-16
	MOVD	$0, R3
	MOVD	$7, R4 // RLIMIT_NOFILE
	MOVD	$0, R5
	MOVD	l+0(FP), R6
	SYSCALL	$325 // SYS_prlimit64; this package can't import the number
	BVC	2(PC)
	NEG	R3, R3
	MOVD	R3, result+8(FP)
	RET
