//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestChildKeepsItsContract(t *testing.T) {
	for arch, c := range contracts {
		t.Run(arch, func(t *testing.T) {
			code := codeOf(userFunctions(t, arch), symbolPrefix+`child(\.abi0)?$`)
			if err := c.childHalf(code); err != nil {
				t.Error(err)
			}
		})
	}
}

// Between entersyscall and exitsyscall a call of anything that may grow the
// stack would end the program, in any build. That of an index out of range does end it.
func TestSyscallStateCallsOnlyTheChild(t *testing.T) {
	const entersyscall, rawSyscall, own = "runtime.entersyscall(SB)", "syscall.RawSyscall6(SB)", "github.com/safespawn/spawn/internal/raw."
	functions := []struct {
		name    string
		allowed []string
		least   int // calls
	}{
		{`inSyscall`, []string{entersyscall, "runtime.exitsyscall(SB)", own + "child(SB)"}, 3},
		{`\(\*Run\)\.here`, []string{own + "(*Run).perform(SB)", rawSyscall}, 2},
		{`\(\*Run\)\.perform`, []string{own + "(*Run).call(SB)", own + "(*Run).value(SB)", rawSyscall, panicBounds}, 1},
		{`\(\*Run\)\.call`, []string{own + "(*Run).value(SB)", rawSyscall, panicBounds}, 1},
		{`\(\*Run\)\.value`, []string{panicBounds}, 0},
	}
	for _, flags := range [][]string{{}, {"-gcflags=-N -l"}} {
		if slices.Contains(buildSettings(), debug.BuildSetting{Key: "-race", Value: "true"}) {
			flags = append(flags, "-race")
		}
		built := userFunctions(t, runtime.GOARCH, flags...)
		for _, f := range functions {
			called := 0
			for _, i := range codeOf(built, symbolPrefix+f.name+`$`) {
				if i.mnemonic != "CALL" && i.mnemonic != "BL" {
					continue
				}
				called++
				if !slices.Contains(f.allowed, strings.Replace(i.operands[0], ".abi0", "", 1)) {
					t.Errorf("%v: %s calls %s", flags, f.name, i.operands[0])
				}
			}
			if called < f.least {
				t.Errorf("%v: %s has %d calls, want %d", flags, f.name, called, f.least)
			}
		}
	}
}

const panicBounds = "runtime.panicBounds(SB)"

func buildSettings() []debug.BuildSetting {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return info.Settings
}

// The checker must refuse what the contract forbids.
func TestCheckerRefuses(t *testing.T) {
	const first, last = 0x1000, 0x2000
	for arch, lines := range map[string]struct{ good, bad []string }{
		"386": {
			good: []string{
				"INT $0x80", "MOVL SP, BP", "ADDL $0x4, BP", "MOVL AX, 0x44(DI)", "MOVL SI, 0x40(DI)", "MOVL AX, 0(DI)(CX*8)",
				"MOVL $0x0, 0x4(DI)(CX*8)", "MOVL SI, 0x4(BP)", "DECL 0x8(BP)", "MOVL 0x14(BP), BP", "JMP 0x1800", "MOVL 0(SI), AX",
				"CMPL AX, 0x18(SI)", "TESTW $0x8, 0x4(SI)", "JAE 0x1010", "ADDL AX, SI",
			},
			bad: []string{
				"INT $0x3", "SYSENTER", "SYSCALL", "CALL runtime.morestack(SB)", "CALL AX", "CALL GS:0x10", "RET", "PUSHL BP", "POPL BP", "LEAVE",
				"MOVL BP, SP", "MOVL SP, AX", "ADDL $0x4, SP", "LEAL 0x4(SP), BP", "MOVL AX, 0x4(SP)", "MOVL 0x4(SP), AX", "CMPL AX, 0(SP)",
				"MOVL AX, 0(SI)", "MOVL AX, 0x48(DI)", "MOVL AX, 0(DI)", "MOVL AX, 0(BP)", "MOVL AX, 0x18(BP)", "MOVL AX, -0x4(BP)",
				"MOVL AX, 0x8(DI)(CX*8)", "MOVL AX, 0x4(DI)(CX*4)", "MOVL AX, 0(SI)(CX*8)", "MOVL AX, runtime.x(SB)", "XCHGL AX, 0x40(DI)",
				"MOVUPS X0, 0x40(DI)", "REP", "STOSL AX, ES:0(DI)", "JMP 0x3000", "JMP 0xfff", "JMP AX", "JMP runtime.goexit(SB)", "?",
			},
		},
		"amd64": {
			good: []string{
				"SYSCALL", "MOVQ AX, 0x70(R13)", "MOVQ R12, 0x78(R13)", "MOVQ AX, 0(BX)(CX*8)", "JMP 0x1800",
				"MOVQ 0x8(R13), BX", "CMPQ AX, 0x18(R12)", "TESTW $0x8, 0x4(R12)", "JAE 0x1010", "ADDQ AX, R12",
			},
			bad: []string{
				"CALL runtime.morestack(SB)", "CALL AX", "RET", "PUSHQ BP", "POPQ BP", "LEAVE", "INT $0x80", "HLT",
				"MOVQ AX, 0x8(SP)", "MOVQ 0x8(SP), AX", "MOVQ SP, AX", "LEAQ 0x8(SP), AX", "SUBQ $0x8, SP", "MOVL ESP, AX",
				"CMPQ AX, 0(SP)", "MOVQ AX, 0(R12)", "MOVQ AX, 0x80(R13)", "MOVQ AX, 0(R13)", "MOVQ AX, 0(BX)",
				"MOVQ AX, runtime.x(SB)", "INCQ 0x70(R14)", "XCHGQ AX, 0x70(R13)", "LOCK XADDQ AX, 0x70(R13)",
				"MOVUPS X0, 0x70(R13)", "REP", "STOSQ AX, ES:0(DI)", "JMP 0x3000", "JMP 0xfff", "JMP AX", "JE 0x8(R13)",
				"JMP runtime.goexit(SB)", "?",
			},
		},
		"arm": {
			good: []string{
				"SVC $0", "MOVW R0, 0x44(R8)", "MOVW R6, 0x40(R8)", "STM [R0-R1], R7", "B 0x1800", "B.HI 0x1010", "MOVW (R7), R0", "MOVW 0x4(R7), R0",
				"MOVW (R8), R6", "MOVHU 0x4(R6), R7", "MOVW (R7)(R0<<3), R0", "ADD R7<<$3, R12, R7", "ADD.S R9, R0, R0", "CMN $4096, R0", "TST $8, R7",
			},
			bad: []string{
				"BL runtime.morestack(SB)", "BL 0x1800", "BL (R12)", "BLX R12", "ADD $0, R14, R15", "MOVW R14, R15", "B (R12)", "B 0x3000", "B 0xfff", "B.EQ 0x3000",
				"SVC $1", "SVC.EQ $0", "MOVW R0, 0x4(R13)", "MOVW 0x4(R13), R0", "MOVW.W R14, -0x8(R13)", "MOVW.P 0x8(R13), R15", "SUB $8, R13, R13",
				"ADD $8, R13, R0", "MOVW R13, R0", "MOVW R0, R13", "MOVW R0, R14", "MOVW R0, R10", "MOVW 0x8(R10), R0", "MOVW R0, R11", "MOVW 0x8(R15), R0",
				"MOVW R0, (R6)", "MOVW R0, (R8)", "MOVW R0, 0x48(R8)", "MOVW R0, 0x4(R7)", "MOVW R0, (R12)(R7<<3)", "MOVW R0, (R12)", "MOVB R0, 0x44(R8)",
				"MOVH R0, 0x44(R8)", "STM [R0-R2], R7", "STM [R0-R1], R12", "STM.W [R0-R1], R7", "STM.EQ [R0-R1], R7", "LDM [R0-R1], R7", "LDM.W [R0,R15], R13",
				"MOVW.W R0, 0x44(R8)", "MOVW.NE R0, 0x44(R8)", "STRD R0, R1, (R7)", "SWPW (R7), R0, R1", "STREX R0, (R7), R1", "MOVD F0, (R7)",
				"MOVW R0, runtime.x(SB)", "BKPT $0", "ADDRLS R7, R4, LR", "?",
			},
		},
		"arm64": {
			good: []string{
				"SVC $0", "MOVD R0, 112(R20)", "MOVD R0, 120(R20)", "MOVD R0, (R22)(R10<<3)", "JMP 0(PC)", "BLS 4(PC)",
				"MOVD (R20), R19", "CMN $(1<<12), R0", "TBNZ $63, R0, 5(PC)", "MOVD (R22)(R10<<3), R10",
			},
			bad: []string{
				"CALL runtime.morestack(SB)", "BL 5(PC)", "CALL (R1)", "RET", "JMP (R1)", "JMP 2000(PC)", "BNE -1(PC)",
				"MOVD R0, 8(RSP)", "MOVD 8(RSP), R0", "MOVD.W R30, -32(RSP)", "MOVD.P 32(RSP), R30", "SUB $8, RSP, R29",
				"MOVD R0, R30", "MOVD R0, R29", "MOVD R0, LR", "MOVD RSP, R0", "ADD $16, RSP, RSP",
				"MOVD R0, (R19)", "MOVD R0, 128(R20)", "MOVD R0, (R20)", "MOVD R0, (R22)", "MOVB R0, 112(R20)",
				"STP (R0, R1), 112(R20)", "LDP (RSP), (R0, R1)", "STXR R0, (R20), R1", "LDADDALD R0, (R20), R1",
				"MOVD R0, runtime.x(SB)", "BRK $0", "?",
			},
		},
		"loong64": {
			good: []string{
				"SYSCALL", "NOOP", "MOVV R4, 120(R24)", "MOVV R23, 112(R24)", "MOVV R4, 0(R28)", "JMP 0(PC)", "BLTU R13, R4, 15(PC)", "BEQ R4, 3(PC)",
				"MOVV 0(R24), R23", "MOVV 0(R28), R13", "ADDV R26, R28", "SLLV $3, R28", "ADDV $112, R24, R5", "LU12IW $-1, R13", "MOVW $64, R11",
			},
			bad: []string{
				"CALL runtime.morestack(SB)", "CALL (R12)", "RET", "JMP (R1)", "JMP (R12)", "JMP 2000(PC)", "JMP 1025(PC)", "BNE R13, -1(PC)",
				"MOVV R4, 8(R3)", "MOVV 8(R3), R4", "ADDV $-16, R3", "ADDV $8, R3, R4", "MOVV R3, R4", "MOVV R4, R1", "MOVV R4, R2", "MOVV R4, R21",
				"MOVV R4, R22", "MOVV R4, g", "MOVV R4, 0(R23)", "MOVV R4, 0(R26)", "MOVV R4, 8(R28)", "MOVV R4, 128(R24)", "MOVV R4, 0(R24)",
				"MOVB R4, 112(R24)", "SCV R4, 0(R24)", "MOVV R4, (R26)(R28)", "AMADDV R4, (R24), R5", "MOVD F0, 0(R28)", "VMOVQ V0, 0(R28)",
				"PCALAU12I $1, R13", "MOVV R4, runtime.x(SB)", "BREAK", "Unknown ALSL.D $3, R26, R28, R28", "?",
			},
		},
		"ppc64le": {
			good: []string{
				"SC $0", "XOR R0,R0,R0", "MOVD R3,120(R15)", "MOVD R14,112(R15)", "MOVD R3,0(R19)", "BR 0x1800", "BNSO 0x1010", "MOVD 0(R15),R14",
				"MOVD 0(R19),R10", "ADD R17,R19,R19", "RLDICR R19,$3,$60,R19", "RLDIC R3,$0,$32,R19", "ADD R15,$112,R4", "CMPU R10,R3", "ANDCC R18,$8,R10",
			},
			bad: []string{
				"CALL runtime.morestack(SB)", "BL 0x1800", "BL CTR", "BR CTR", "BR LR", "RET", "BCLR 20,lt", "BR 0x3000", "BR 0xfff", "BEQ 0x3000",
				"SC $1", "SCV $0", "MOVD R3,8(R1)", "MOVD 8(R1),R3", "MOVDU R1,-32(R1)", "ADD R1,$-32,R1", "ADD R1,$8,R3", "OR R1,R1,R3", "OR R3,R3,R1",
				"OR R3,R3,R2", "OR R3,R3,R13", "OR R3,R3,R30", "OR R3,R3,R31", "MOVD LR,R3", "MOVD R3,CTR", "MOVD R3,0(R14)", "MOVD R3,0(R17)", "MOVD R3,8(R19)",
				"MOVD R3,128(R15)", "MOVD R3,0(R15)", "MOVB R3,112(R15)", "MOVW R3,0(R19)", "MOVDU R3,112(R15)", "MOVD R3,(R17)(R19)", "STDCCC R3,(R15)",
				"STQ R4,0(R19)", "FMOVD F0,0(R19)", "STXVD2X VS0,(R19)", "MOVD R3,runtime.x(SB)", "DCBZ (R15)", "TW $31,R0,R0", "TRAP", "?",
			},
		},
		"riscv64": {
			good: []string{
				"ECALL", "MOV X10, 120(X19)", "MOV X18, 112(X19)", "MOV X10, (X23)", "JMP 1(PC)", "BLTU X6, X10, 11(PC)", "BNEZ X6, 4(PC)",
				"MOV (X19), X18", "MOV (X23), X6", "ADD X21, X23, X23", "SLLI $3, X23, X23", "ADDI $112, X19, X11", "LUI $4294967295, X6",
			},
			bad: []string{
				"CALL runtime.morestack(SB)", "JAL X1, 5(PC)", "JALR X1, (X5)", "CALL (X5)", "RET", "JMP (X1)", "JMP (X5)", "JMP 2000(PC)",
				"JMP 1024(PC)", "JMP 0(PC)", "BEQZ X6, -1(PC)", "MOV X10, 8(X2)", "MOV 8(X2), X10", "ADDI $-16, X2, X2", "ADDI $8, X2, X10", "MOV X2, X10",
				"MOV X10, X1", "MOV X10, X4", "MOV X10, X27", "MOV X10, g", "MOV X10, (X18)", "MOV X10, (X21)", "MOV X10, 8(X23)", "MOV X10, 128(X19)",
				"MOV X10, (X19)", "MOVB X10, 112(X19)", "MOVW X10, (X23)", "SCD X10, (X19), X11", "AMOADDD X10, (X19), X11", "MOVD F0, (X23)",
				"AUIPC $0, X6", "MOV X10, runtime.x(SB)", "EBREAK", "VSE8V V1, (X23)", "?",
			},
		},
		"s390x": {
			good: []string{
				"SYSALL $0", "MOVD R2, 120(R9)", "MOVD R8, 112(R9)", "MOVD R2, (R12)(R11*1)", "BR 1(PC)", "BGT 4(PC)", "MOVD (R9), R8",
				"MOVD (R12)(R11*1), R11", "MOVD 112(R0)(R9*1), R3", "MOVHZ 8(R8), R11", "MOVB $127, R2", "MOVH $248, R1", "SLD 3(R0), R11, R11",
				"SRAD 32(R0), R2, R2", "MGHI R11, $80", "SUB $1, R10", "CMPU R2, R11", "TMLL R1, $4",
			},
			bad: []string{
				"CALL runtime.morestack(SB)", "BL 5(PC)", "BL R14, R1", "BRASL R14, 0x1800", "RET", "BR R14", "BR R1", "BR (R1)", "BR 2000(PC)", "BR 1024(PC)",
				"BNE -1(PC)", "SYSALL $1", "MOVD R2, 8(R15)", "MOVD 8(R15), R2", "MOVD -64(R0)(R15*1), R9", "ADD $-16, R15", "MOVD R15, R2", "MOVD R2, R14",
				"MOVD R2, R13", "MOVD R2, g", "MOVD R2, (R8)", "MOVD R2, (R12)", "MOVD R2, 8(R12)(R11*1)", "MOVD R2, (R12)(R1*1)", "MOVD R2, 128(R9)", "MOVD R2, (R9)",
				"STC R2, 112(R9)", "STH R2, 112(R9)", "MOVW R2, 112(R9)", "STMG R6, R15, 48(R9)", "MVC $8, (R8), 112(R9)", "XC $8, 112(R9), 112(R9)", "ADD $1, (R8)",
				"CSG R2, R3, 112(R9)", "LAAG R2, R3, 112(R9)", "FMOVD F0, (R12)(R11*1)", "VST V0, (R12)(R11*1)", "LARL 5(PC), R2", "MOVD R2, runtime.x(SB)",
				"EX R1, 5(PC)", "TRAP", "?",
			},
		},
	} {
		c := contracts[arch]
		for _, line := range lines.good {
			if err := c.check(parseInstruction(first, line), first, last); err != nil {
				t.Errorf("%s: refused: %v", arch, err)
			}
		}
		for _, line := range lines.bad {
			if c.check(parseInstruction(first, line), first, last) == nil {
				t.Errorf("%s: accepted: %s", arch, line)
			}
		}
	}
}

func TestCheckerRefusesFunctions(t *testing.T) {
	c := contracts["amd64"]
	const half = "SYSCALL;SYSCALL;SYSCALL;JMP 0x1000"
	for text, want := range map[string]bool{
		"SYSCALL;RET;" + half:                   true,
		"":                                      false,
		half:                                    false,
		"SYSCALL;RET":                           false,
		"SYSCALL;RET;?":                         false,
		"RET;" + half + ";RET":                  false,
		"RET;SYSCALL;JMP 0x1000":                false,
		"RET;SYSCALL;SYSCALL;SYSCALL;NEGQ AX":   false,
		"RET;" + half + ";CALL runtime.x(SB);?": false,
	} {
		var code []instruction
		for line := range strings.SplitSeq(text, ";") {
			if line != "" {
				code = append(code, parseInstruction(0x1000, line))
			}
		}
		if err := c.childHalf(code); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Where the address of a variable takes instructions of its own, they must be right before
// the one that writes to it.
func TestCheckerWantsPlace(t *testing.T) {
	for arch, rows := range map[string]map[string]bool{
		"arm": {
			"MOVHU 0x8(R6), R7;MOVW 0x4(R8), R12;ADD R7<<$3, R12, R7;STM [R0-R1], R7": true,
			"MOVHU 0x8(R6), R7;MOVW 0x4(R8), R12;ADD R7<<$3, R12, R7;MOVW (R7), R0":   true,
			"STM [R0-R1], R7": false,
			"MOVHU 0x8(R6), R7;ADD R7<<$3, R12, R7;STM [R0-R1], R7":                false,
			"MOVW 0x4(R8), R12;ADD R7<<$3, R12, R7;ADD $4, R7, R7;STM [R0-R1], R7": false,
			"MOVW (R8), R12;ADD R7<<$3, R12, R7;STM [R0-R1], R7":                   false,
			"MOVW 0x4(R8), R12;ADD R7<<$4, R12, R7;STM [R0-R1], R7":                false,
			"MOVW 0x4(R8), R12;ADD R7<<$3, R12, R7;STM [R0-R1], R7;MOVW R0, (R7)":  false,
		},
		"ppc64le": {
			"MOVHZ 8(R14),R19;RLDICR R19,$3,$60,R19;ADD R17,R19,R19;MOVD R3,0(R19)": true,
			"MOVHZ 8(R14),R19;MOVD 0(R19),R10":                                      true,
			"MOVD R3,0(R19)":                                                        false,
			"RLDICR R19,$3,$60,R19;MOVD R3,0(R19)":                                  false,
			"RLDICR R19,$4,$59,R19;ADD R17,R19,R19;MOVD R3,0(R19)":                  false,
			"RLDICR R19,$3,$60,R19;ADD R15,R19,R19;MOVD R3,0(R19)":                  false,
			"RLDICR R19,$3,$60,R19;ADD R17,R19,R19;ADD R9,R19,R19;MOVD R3,0(R19)":   false,
		},
		"riscv64": { // as loong64
			"MOVHU 8(X18), X23;SLLI $3, X23, X23;ADD X21, X23, X23;MOV X10, (X23)": true,
			"MOVHU 8(X18), X23;MOV (X23), X10":                                     true,
			"MOV X10, (X23)":                                                       false,
			"ADD X21, X23, X23;MOV X10, (X23)":                                     false,
			"SLLI $3, X23, X23;MOV X10, (X23)":                                     false,
			"SLLI $4, X23, X23;ADD X21, X23, X23;MOV X10, (X23)":                   false,
			"SLLI $3, X23, X23;ADD X19, X23, X23;MOV X10, (X23)":                   false,
			"SLLI $3, X23, X23;ADD X21, X23, X23;ADD X5, X23, X23;MOV X10, (X23)":  false,
		},
		"s390x": {
			"MOVHZ 8(R8), R11;SLD 3(R0), R11, R11;MOVD R2, (R12)(R11*1)":      true,
			"MOVHZ 8(R8), R11;MOVD (R12)(R11*1), R11":                         true,
			"MOVD R2, (R12)(R11*1)":                                           false,
			"MOVHZ 8(R8), R11;MOVD R2, (R12)(R11*1)":                          false,
			"SLD 4(R0), R11, R11;MOVD R2, (R12)(R11*1)":                       false,
			"SLD 3(R0), R11, R11;ADD R1, R11;MOVD R2, (R12)(R11*1)":           false,
			"SLD 3(R0), R11, R11;MOVD R2, (R12)(R11*1);MOVD R2, (R12)(R11*1)": false,
		},
	} {
		c := contracts[arch]
		for text, want := range rows {
			var code []instruction
			for line := range strings.SplitSeq(text, ";") {
				code = append(code, parseInstruction(0x1000, line))
			}
			last := len(code) - 1
			if err := c.placed(code[:last], code[last]); (err == nil) != want {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

// goTool returns the output of a go command, or skips where there is none.
func goTool(t *testing.T, env []string, args ...string) string {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		testenv.Skip(t, "no go tool")
	}
	cmd := exec.Command(tool, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// goEnv makes the go tool work for a user without a home.
func goEnv(t *testing.T, arch string) []string {
	t.Helper()
	env := []string{"GOARCH=" + arch}
	cache := strings.TrimSpace(goTool(t, nil, "env", "GOCACHE"))
	probe, err := os.CreateTemp(cache, "probe")
	if err != nil || cache == "off" {
		return append(env, "GOCACHE="+t.TempDir())
	}
	probe.Close()
	os.Remove(probe.Name())
	return env
}

// userProgram is one that uses this package, and little else that would have to be
// compiled for another architecture.
const userProgram = `package main

import "github.com/safespawn/spawn/internal/raw"

func main() {
	var b raw.Builder
	raw.NewRun(b.Build()).Start(raw.Clone{})
	_ = raw.NewRun(b.Build()).Here()
	_ = raw.InitCode()
}
`

// function is one of a program, as it is in memory.
type function struct {
	name string
	code []instruction
}

// built are the functions of programs that userFunctions has made, by architecture and flags.
var built = map[string][]function{}

// userFunctions are those of this package in userProgram, which is built and disassembled once.
func userFunctions(t *testing.T, arch string, flags ...string) []function {
	t.Helper()
	key := arch + strings.Join(flags, " ")
	if built[key] == nil {
		built[key] = disassemble(t, compileUser(t, arch, flags...))
	}
	return built[key]
}

// codeOf is the code of the functions whose name matches.
func codeOf(list []function, name string) (code []instruction) {
	matches := regexp.MustCompile(name)
	for _, f := range list {
		if matches.MatchString(f.name) {
			code = append(code, f.code...)
		}
	}
	return code
}

// canLoad is whether the go tool was seen to load this module.
var canLoad bool

// compileUser compiles and links userProgram. It is not on disk: only a package below this
// one's parent may import it.
func compileUser(t *testing.T, arch string, flags ...string) (binary string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("run_linux_" + arch + ".s"); err != nil {
		testenv.Skip(t, "no source code here")
	}
	env := goEnv(t, arch)
	if !canLoad {
		list := exec.Command("go", "list", "-deps", ".")
		list.Env = append(os.Environ(), env...)
		if out, err := list.CombinedOutput(); err != nil {
			testenv.Skip(t, "the go tool can't load this module: "+string(out))
		}
		canLoad = true
	}
	dir := t.TempDir()
	binary = filepath.Join(dir, "program")
	source := testenv.Write(t, filepath.Join(dir, "main.go"), userProgram, 0o644)
	files, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "program", "main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	overlay := testenv.Write(t, filepath.Join(dir, "overlay.json"), string(files), 0o644)
	goTool(t, env, append(append([]string{"build", "-overlay", overlay, "-o", binary}, flags...), "./program")...)
	return binary
}

// disassemble returns the functions of this package.
func disassemble(t *testing.T, binary string) (list []function) {
	t.Helper()
	for line := range strings.Lines(goTool(t, nil, "tool", "objdump", "-s", symbolPrefix+`|^initCode$`, binary)) {
		if name, ok := strings.CutPrefix(line, "TEXT "); ok {
			name, _, _ = strings.Cut(name, "(SB)")
			list = append(list, function{name: name})
			continue
		}
		f := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' || r == '\n' })
		if len(f) < 4 {
			continue
		}
		addr, err := strconv.ParseUint(f[1], 0, 64)
		if err != nil || len(list) == 0 {
			t.Fatalf("%q: %v", line, err)
		}
		last := &list[len(list)-1]
		last.code = append(last.code, parseInstruction(addr, f[3]))
	}
	return list
}

const symbolPrefix = `^github\.com/safespawn/spawn/internal/raw\.`
