#include "textflag.h"

// func prlimit(l *Limit) (result int)
TEXT ·prlimit(SB), NOSPLIT, $0-16
	MOV	$261, X17 // SYS_prlimit64; this package can't import the number
	MOV	ZERO, X10
	MOV	$7, X11 // RLIMIT_NOFILE
	MOV	ZERO, X12
	MOV	l+0(FP), X13
	ECALL
	MOV	X10, result+8(FP)
	RET
