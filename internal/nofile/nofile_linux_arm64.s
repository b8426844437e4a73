#include "textflag.h"

// func prlimit(l *Limit) (result int)
TEXT ·prlimit(SB), NOSPLIT, $0-16
	MOVD	$261, R8 // SYS_prlimit64; this package can't import the number
	MOVD	ZR, R0
	MOVD	$7, R1 // RLIMIT_NOFILE
	MOVD	ZR, R2
	MOVD	l+0(FP), R3
	SVC
	MOVD	R0, result+8(FP)
	RET
