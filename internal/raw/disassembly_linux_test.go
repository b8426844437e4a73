//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// instruction is a line of a disassembly in Go's syntax.
type instruction struct {
	addr     uint64
	mnemonic string
	operands []string
}

func (i instruction) String() string {
	return strings.TrimSpace(i.mnemonic + " " + strings.Join(i.operands, ", "))
}

// contract is what the child's half may consist of on one architecture.
type contract struct {
	syscall string   // with its operand
	plain   []string // change registers, or memory where mayStore allows
	compare []string // change flags only, whatever their operands
	jumps   []string // the last operand is where to; the first one always jumps
	returns string   // the instruction that returns
	stack   *regexp.Regexp
	finds   string         // the instruction that tells by the stack pointer where the frame is, if any
	vars    *regexp.Regexp // a variable in memory, or in the frame
	pair    string         // writes both words of a variable, where it is no plain instruction
	place   []string       // right before a write to a variable, where its address takes instructions of their own
	run     string         // the register that holds the run
	word    uintptr        // size of a pointer
	pcUnit  uint64         // of jumps, where they are relative, else 0
	pcSlack uint64         // by how much a jump may be longer than the disassembler says
}

var contracts = map[string]contract{
	"386": {
		syscall: "INT $0x80",
		plain:   strings.Fields("MOVL MOVZX LEAL ADDL SUBL IMULL INCL DECL NEGL XORL"),
		compare: strings.Fields("CMPL CMPW TESTL TESTW TESTB"),
		jumps:   strings.Fields("JMP JE JNE JA JAE JB JBE JG JGE JL JLE JS JNS JO"),
		stack:   regexp.MustCompile(`\bE?SP\b`),
		finds:   "MOVL SP, BP",
		vars:    regexp.MustCompile(`^((0|0x4)\(DI\)\(\w+\*8\)|0x(4|8|c|10|14)\(BP\))$`),
		run:     "DI",
		word:    4,
	},
	"amd64": {
		syscall: "SYSCALL",
		plain:   strings.Fields("MOVQ MOVL MOVZX MOVSXD LEAQ ADDQ SUBQ SARQ SHRQ IMULQ INCQ INCL DECQ DECL NEGQ XORL"),
		compare: strings.Fields("CMPQ CMPL CMPW TESTQ TESTL TESTW BTL BTQ"),
		jumps:   strings.Fields("JMP JE JNE JA JAE JB JBE JG JGE JL JLE JS JNS"),
		stack:   regexp.MustCompile(`\b[ER]?SP[LB]?\b`),
		vars:    regexp.MustCompile(`^0\(BX\)\(\w+\*8\)$`),
		run:     "R13",
		word:    8,
	},
	"arm": {
		syscall: "SVC $0",
		plain:   strings.Fields("MOVW MOVHU MOVBU ADD ADD.S SUB RSB MVN MUL"),
		compare: strings.Fields("CMP CMN TST"),
		jumps:   strings.Fields("B B.EQ B.NE B.HI B.LT B.GT B.VS"),
		returns: "ADD $0, R14, R15",
		stack:   regexp.MustCompile(`\b(R10|R11|R13|R14|R15)\b`), // and what is Go's or the assembler's
		vars:    regexp.MustCompile(`^\(R7\)$`),
		pair:    "STM [R0-R1], R7",
		place:   []string{"MOVW 0x4(R8), R12", "ADD R7<<$3, R12, R7"},
		run:     "R8",
		word:    4,
	},
	"arm64": {
		syscall: "SVC $0",
		plain:   strings.Fields("MOVD MOVW MOVWU MOVHU MOVBU ORR AND ADD SUB ASR LSR NEG MUL MADD"),
		compare: strings.Fields("CMP CMN TST CMPW"),
		jumps:   strings.Fields("JMP BEQ BNE BHI BLS BHS BLO BGT BGE BLT BLE BMI BPL CBZ CBNZ TBZ TBNZ"),
		stack:   regexp.MustCompile(`\b(R?SP|WSP|LR|R29|R30)\b`),
		vars:    regexp.MustCompile(`^\(R22\)\(R\d+<<3\)$`),
		run:     "R20",
		word:    8,
		pcUnit:  4,
	},
	"loong64": {
		syscall: "SYSCALL",
		plain:   strings.Fields("MOVV MOVW MOVWU MOVHU MOVBU BSTRPICKV ADDV AND SLLV SRAV NEGV MULV LU12IW"),
		compare: strings.Fields("NOOP"), // does nothing; the assembler adds it before loops
		jumps:   strings.Fields("JMP BEQ BNE BLT BLTU BLTZ"),
		stack:   regexp.MustCompile(`\b(R1|R2|R3|R21|R22|SP|LR|TP|g)\b`),
		vars:    regexp.MustCompile(`^0\(R28\)$`),
		place:   []string{"SLLV $3, R28", "ADDV R26, R28"},
		run:     "R24",
		word:    8,
		pcUnit:  4,
	},
	"ppc64le": {
		syscall: "SC $0",
		plain:   strings.Fields("MOVD MOVWZ MOVHZ MOVBZ ADD ANDCC OR XOR NEG MULLD SRAD RLDIC RLDICR"),
		compare: strings.Fields("CMP CMPU"),
		jumps:   strings.Fields("BR BEQ BNE BLT BNSO"),
		stack:   regexp.MustCompile(`\b(R1|R2|R13|R30|R31|SP|LR|CTR|g)\b`), // and what is Go's or the assembler's
		vars:    regexp.MustCompile(`^0\(R19\)$`),
		place:   []string{"RLDICR R19, $3, $60, R19", "ADD R17, R19, R19"},
		run:     "R15",
		word:    8,
	},
	"riscv64": {
		syscall: "ECALL",
		plain:   strings.Fields("MOV MOVWU MOVHU MOVBU ADD ADDI ANDI SLLI SRLI SRAI NEG MUL LUI"),
		jumps:   strings.Fields("JMP BEQ BNE BEQZ BNEZ BLT BLTU BLTZ"),
		stack:   regexp.MustCompile(`\b(X1|X2|X3|X4|X27|SP|LR|GP|TP|g)\b`),
		vars:    regexp.MustCompile(`^\(X23\)$`),
		place:   []string{"SLLI $3, X23, X23", "ADD X21, X23, X23"},
		run:     "X19",
		word:    8,
		pcUnit:  4,
		pcSlack: 2, // some instructions have two bytes
	},
	"s390x": {
		syscall: "SYSALL $0", // as the disassembler has it
		plain:   strings.Fields("MOVD MOVWZ MOVH MOVHZ MOVB MOVBZ ADD SUB NEG MGHI SLD SRAD"),
		compare: strings.Fields("CMP CMPU TMLL"),
		jumps:   strings.Fields("BR BEQ BNE BGT BLT"),
		stack:   regexp.MustCompile(`\b(R13|R14|R15|SP|LR|g)\b`), // and what is Go's
		vars:    regexp.MustCompile(`^\(R12\)\(R11\*1\)$`),
		place:   []string{"SLD 3(R0), R11, R11"},
		run:     "R9",
		word:    8,
		pcUnit:  4,
		pcSlack: 2, // instructions have two, four or six bytes
	},
}

var memory = regexp.MustCompile(`\(\w+\)`)

// check returns what is wrong with an instruction of the child's half, which
// lies from first to last.
func (c *contract) check(i instruction, first, last uint64) error {
	dst := ""
	if n := len(i.operands); n > 0 {
		dst = i.operands[n-1]
	}
	if i.String() == c.finds {
		return nil
	}
	for _, o := range i.operands {
		if c.stack.MatchString(o) {
			return fmt.Errorf("%v: uses the stack or its registers", i)
		}
	}
	switch {
	case i.String() == c.syscall, i.String() == c.pair, slices.Contains(c.compare, i.mnemonic):
		return nil
	case slices.Contains(c.jumps, i.mnemonic):
		if to, ok := c.target(i.addr, dst); !ok || to < first || to > last {
			return fmt.Errorf("%v: leaves the child's half", i)
		}
		return nil
	case !slices.Contains(c.plain, i.mnemonic):
		return fmt.Errorf("%v: not a permitted instruction", i)
	case memory.MatchString(dst) && !c.mayStore(dst):
		return fmt.Errorf("%v: writes to memory that is not the child's", i)
	}
	return nil
}

func (c *contract) mayStore(dst string) bool {
	// TestEngineLayouts knows these offsets.
	for _, off := range []uintptr{12*c.word + 16, 13*c.word + 16} {
		if dst == fmt.Sprintf("%d(%s)", off, c.run) || dst == fmt.Sprintf("%#x(%s)", off, c.run) {
			return true
		}
	}
	return c.vars.MatchString(dst)
}

// target is where a jump goes at most: to an address, or as far as a number of units.
func (c *contract) target(from uint64, dst string) (uint64, bool) {
	if c.pcUnit == 0 {
		to, err := strconv.ParseUint(dst, 0, 64)
		return to, err == nil
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(dst, "(PC)"), 10, 64)
	slack := c.pcSlack
	if n <= 0 {
		slack = -slack
	}
	return from + uint64(n)*c.pcUnit + slack, err == nil && strings.HasSuffix(dst, "(PC)")
}

// childHalf checks what the child runs: all that follows the only RET.
func (c *contract) childHalf(code []instruction) error {
	isReturn := func(i instruction) bool { return i.String() == cmp.Or(c.returns, "RET") }
	ret := slices.IndexFunc(code, isReturn)
	if ret < 0 || ret == len(code)-1 || code[ret+1].mnemonic == "?" {
		return fmt.Errorf("no RET, or nothing after it, in %d instructions", len(code))
	}
	half := code[ret+1:]
	for half[len(half)-1].mnemonic == "?" { // the linker's padding
		half = half[:len(half)-1]
	}
	first, last := half[0].addr, half[len(half)-1].addr
	calls := 0
	for n, i := range half {
		if err := c.check(i, first, last); err != nil {
			return err
		}
		if err := c.placed(half[:n], i); err != nil {
			return err
		}
		if i.String() == c.syscall {
			calls++
		}
	}
	if end := half[len(half)-1]; end.mnemonic != c.jumps[0] {
		return fmt.Errorf("%v: the child may fall through", end)
	}
	if calls < 3 {
		return fmt.Errorf("only %d system calls in the child's half", calls)
	}
	return nil
}

// placed checks that the address of a variable was made right before it is written to.
func (c *contract) placed(before []instruction, i instruction) error {
	n := len(i.operands)
	if n == 0 || i.String() != c.pair && !c.vars.MatchString(i.operands[n-1]) {
		return nil
	}
	for k, want := range c.place {
		if at := len(before) - len(c.place) + k; at < 0 || before[at].String() != want {
			return fmt.Errorf("%v: without %q before it", i, c.place)
		}
	}
	return nil
}

// splitOperands splits at commas outside parentheses.
func splitOperands(s string) (operands []string) {
	depth, start := 0, 0
	for i, r := range s {
		switch r {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth == 0 {
				operands = append(operands, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	if rest := strings.TrimSpace(s[start:]); rest != "" {
		operands = append(operands, rest)
	}
	return operands
}

func parseInstruction(addr uint64, text string) instruction {
	mnemonic, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	return instruction{addr, mnemonic, splitOperands(rest)}
}
