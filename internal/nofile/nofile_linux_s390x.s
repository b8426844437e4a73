#include "textflag.h"

// func prlimit(l *Limit) (result int)
TEXT ·prlimit(SB), NOSPLIT|NOFRAME, $0-16
	MOVD	$334, R1 // SYS_prlimit64; this package can't import the number
	MOVD	$0, R2
	MOVD	$7, R3 // RLIMIT_NOFILE
	MOVD	$0, R4
	MOVD	l+0(FP), R5
	SYSCALL
	MOVD	R2, result+8(FP)
	RET
