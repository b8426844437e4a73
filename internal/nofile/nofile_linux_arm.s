#include "textflag.h"

// func prlimit(l *Limit) (result int)
TEXT ·prlimit(SB), NOSPLIT, $0-8
	MOVW	$369, R7 // SYS_prlimit64; this package can't import the number
	MOVW	$0, R0
	MOVW	$7, R1 // RLIMIT_NOFILE
	MOVW	$0, R2
	MOVW	l+0(FP), R3
	SWI	$0
	MOVW	R0, result+4(FP)
	RET
