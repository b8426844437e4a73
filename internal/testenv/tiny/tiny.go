// Package tiny writes a program that does nothing but exit, or wait, without a compiler:
// a static ELF file of a few instructions. It is what tests and benchmarks
// spawn, because its own run time is next to nothing.
package tiny

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// Write makes path a program for this machine that exits with a status of 0 to
// 255. A file that is there already is overwritten. While another process still
// has the file open for writing, perhaps a child on its way to execve, the
// kernel refuses to run it (ETXTBSY).
func Write(path string, status int) error {
	image, err := Image(runtime.GOARCH, status)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, image, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755) // whatever the umask is
}

// Code is the program's instructions: exit_group(status), and a trap after it.
// arch is a GOARCH that has the engine.
func Code(arch string, status int) ([]byte, error) {
	if status < 0 || status > 255 {
		return nil, fmt.Errorf("tiny: exit status %d is not in 0 to 255", status)
	}
	switch arch {
	case "386":
		return []byte{
			0xbb, byte(status), 0, 0, 0, // mov ebx, status
			0xb8, 252, 0, 0, 0, // mov eax, SYS_exit_group
			0xcd, 0x80, // int 0x80
			0x0f, 0x0b, // ud2
		}, nil
	case "amd64":
		return []byte{
			0xbf, byte(status), 0, 0, 0, // mov edi, status
			0xb8, 231, 0, 0, 0, // mov eax, SYS_exit_group
			0x0f, 0x05, // syscall
			0x0f, 0x0b, // ud2
		}, nil
	case "arm":
		return words(
			0xe3a00000|uint32(status), // mov r0, status
			0xe3a07000|248,            // mov r7, SYS_exit_group
			0xef000000,                // svc 0
			0xe7f000f0,                // udf 0
		), nil
	case "arm64":
		return words(
			0xd2800000|uint32(status)<<5, // mov x0, status
			0xd2800000|94<<5|8,           // mov x8, SYS_exit_group
			0xd4000001,                   // svc 0
			0xd4200000,                   // brk 0
		), nil
	case "loong64":
		return words(
			0x02c00000|4|uint32(status)<<10, // li.d a0, status
			0x02c00000|11|94<<10,            // li.d a7, SYS_exit_group
			0x002b0000,                      // syscall 0
			0x002a0000,                      // break 0
		), nil
	case "ppc64le":
		return words(
			0x38600000|uint32(status), // li r3, status
			0x38000000|234,            // li r0, SYS_exit_group
			0x44000002,                // sc
			0x7fe00008,                // trap
		), nil
	case "riscv64":
		return words(
			0x13|10<<7|uint32(status)<<20, // li a0, status
			0x13|17<<7|94<<20,             // li a7, SYS_exit_group
			0x73,                          // ecall
			0x100073,                      // ebreak
		), nil
	case "s390x":
		return []byte{
			0xa7, 0x29, 0, byte(status), // lghi %r2, status
			0xa7, 0x19, 0, 248, // lghi %r1, SYS_exit_group
			0x0a, 0, // svc 0
			0, 0, // illegal
		}, nil
	}
	return nil, fmt.Errorf("tiny: %s: %w", arch, errors.ErrUnsupported)
}

// waiters are programs that do nothing until they are killed.
var waiters = map[string][]byte{
	// mov eax, SYS_pause; int 0x80 or syscall; jmp to the start
	"386":   {0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7},
	"amd64": {0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7},
	"arm":   words(0xe3a07000|29, 0xef000000, 0xeafffffc), // mov r7, SYS_pause; svc 0; b to the start
	// mov x8, SYS_ppoll; svc 0; b to the start; the arguments are zero at first
	"arm64":   {0x28, 0x09, 0x80, 0xd2, 0x01, 0, 0, 0xd4, 0xfe, 0xff, 0xff, 0x17},
	"loong64": words(0x02c00000|11|73<<10, 0x002b0000, 0x53fffbff),  // li.d a7, SYS_ppoll; syscall 0; b to the start
	"ppc64le": words(0x38000000|29, 0x44000002, 0x4bfffff8),         // li r0, SYS_pause; sc; b to the start
	"riscv64": words(0x13|17<<7|73<<20, 0x73, 0xff9ff06f),           // li a7, SYS_ppoll; ecall; j to the start
	"s390x":   {0xa7, 0x19, 0, 29, 0x0a, 0, 0xa7, 0xf4, 0xff, 0xfd}, // lghi %r1, SYS_pause; svc 0; j to the start
}

// WriteWaiter makes path a program that does nothing until it is killed, so that it
// can be looked at.
func WriteWaiter(path string) error {
	code, ok := waiters[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("tiny: %s: %w", runtime.GOARCH, errors.ErrUnsupported)
	}
	return os.WriteFile(path, File(runtime.GOARCH, code), 0o755)
}

func words(w ...uint32) []byte {
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

var machines = map[string]elf.Machine{
	"386": elf.EM_386, "amd64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64, "loong64": elf.EM_LOONGARCH, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV, "s390x": elf.EM_S390,
}

// flags of a file, where it must have some: kernels for arm64 want to know of the EABI, version 5, and
// those for ppc64le of the ABI whose entry point is no descriptor of a function, version 2.
var flags = map[string]uint32{"arm": 0x05000000, "ppc64le": 2}

const (
	loadAt   = 0x400000
	pageSize = 0x10000 // the largest of the architectures
)

// Image is the program as a file.
func Image(arch string, status int) ([]byte, error) {
	code, err := Code(arch, status)
	if err != nil {
		return nil, err
	}
	return File(arch, code), nil
}

// File is a program of code that starts with its first byte: one segment that holds the
// headers and the code.
func File(arch string, code []byte) []byte { return fileAt(arch, loadAt, code) }

// Unloadable is a program that the kernel finds out about when the memory of who runs it
// is gone: its segment is where no memory can be.
func Unloadable(arch string) []byte {
	switch {
	case narrow(arch):
		return fileAt(arch, 1<<32-0x1000, nil)
	case arch == "s390x":
		return fileAt(arch, 1<<64-0x1000, nil) // all but the last page can be
	}
	return fileAt(arch, 1<<62, nil)
}

// Interpreted is the head of a program that wants an interpreter.
func Interpreted(arch, interpreter string) []byte {
	text := append([]byte(interpreter), 0)
	start, size := headersSize(arch), uint64(len(text))
	return append(headers(arch, 0, elf.ProgHeader{Type: elf.PT_INTERP, Flags: elf.PF_R, Off: start, Filesz: size, Memsz: size, Align: 1}), text...)
}

// MakesDirectory is a program that makes a directory, and exits with the errno. Its memory
// is where no number of 32 bits leads to.
func MakesDirectory(path string) []byte {
	code := []byte{
		0x48, 0x8d, 0x3d, 20, 0, 0, 0, // lea rdi, [rip + 20], the path
		0xbe, 0xc0, 1, 0, 0, // mov esi, 0700
		0xb8, 83, 0, 0, 0, // mov eax, SYS_mkdir
		0x0f, 0x05, // syscall
		0xf7, 0xd8, // neg eax
		0x89, 0xc7, // mov edi, eax
		0xb0, 60, // mov al, SYS_exit
		0x0f, 0x05, // syscall
	}
	return fileAt("amd64", 1<<40, append(append(code, path...), 0))
}

func fileAt(arch string, address uint64, code []byte) []byte {
	start := headersSize(arch)
	size := start + uint64(len(code))
	return append(headers(arch, address+start, elf.ProgHeader{
		Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, Vaddr: address, Paddr: address, Filesz: size, Memsz: size, Align: pageSize,
	}), code...)
}

// Sizes of the header of a file, and of that of a segment, with 32 and with 64 bits.
const (
	header32, prog32 = 52, 32
	header64, prog64 = 64, 56
)

// narrow reports whether an architecture has words of 32 bits.
func narrow(arch string) bool { return arch == "386" || arch == "arm" }

func headersSize(arch string) uint64 {
	if narrow(arch) {
		return header32 + prog32
	}
	return header64 + prog64
}

// headers describe a file with one segment.
func headers(arch string, entry uint64, p elf.ProgHeader) []byte {
	var b bytes.Buffer
	put := func(x any) { _ = binary.Write(&b, orderOf(arch), x) } // can't fail
	if narrow(arch) {
		put(elf.Header32{
			Ident: ident(elf.ELFCLASS32, arch),
			Type:  uint16(elf.ET_EXEC), Machine: uint16(machines[arch]), Version: uint32(elf.EV_CURRENT),
			Entry: uint32(entry), Phoff: header32, Flags: flags[arch], Ehsize: header32, Phentsize: prog32, Phnum: 1,
		})
		put(elf.Prog32{
			Type: uint32(p.Type), Off: uint32(p.Off), Vaddr: uint32(p.Vaddr), Paddr: uint32(p.Paddr),
			Filesz: uint32(p.Filesz), Memsz: uint32(p.Memsz), Flags: uint32(p.Flags), Align: uint32(p.Align),
		})
		return b.Bytes()
	}
	put(elf.Header64{
		Ident: ident(elf.ELFCLASS64, arch),
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machines[arch]), Version: uint32(elf.EV_CURRENT),
		Entry: entry, Phoff: header64, Flags: flags[arch], Ehsize: header64, Phentsize: prog64, Phnum: 1,
	})
	put(elf.Prog64{
		Type: uint32(p.Type), Flags: uint32(p.Flags), Off: p.Off, Vaddr: p.Vaddr, Paddr: p.Paddr,
		Filesz: p.Filesz, Memsz: p.Memsz, Align: p.Align,
	})
	return b.Bytes()
}

func ident(class elf.Class, arch string) [elf.EI_NIDENT]byte {
	data := elf.ELFDATA2LSB
	if orderOf(arch) == binary.BigEndian {
		data = elf.ELFDATA2MSB
	}
	return [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(class), byte(data), byte(elf.EV_CURRENT)}
}

// orderOf is the byte order of an architecture.
func orderOf(arch string) binary.ByteOrder {
	if arch == "s390x" {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
