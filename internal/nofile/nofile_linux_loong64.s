#include "textflag.h"

// func prlimit(l *Limit) (result int)
TEXT ·prlimit(SB), NOSPLIT, $0-16
	MOVV	$261, R11 // SYS_prlimit64; this package can't import the number
	MOVV	R0, R4
	MOVV	$7, R5 // RLIMIT_NOFILE
	MOVV	R0, R6
	MOVV	l+0(FP), R7
	SYSCALL
	MOVV	R4, result+8(FP)
	RET
