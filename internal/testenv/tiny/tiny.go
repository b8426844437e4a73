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
	"slices"
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
// arch is a GOARCH, amd64 or arm64.
func Code(arch string, status int) ([]byte, error) {
	if status < 0 || status > 255 {
		return nil, fmt.Errorf("tiny: exit status %d is not in 0 to 255", status)
	}
	switch arch {
	case "amd64":
		return []byte{
			0xbf, byte(status), 0, 0, 0, // mov edi, status
			0xb8, 231, 0, 0, 0, // mov eax, SYS_exit_group
			0x0f, 0x05, // syscall
			0x0f, 0x0b, // ud2
		}, nil
	case "arm64":
		return words(
			0xd2800000|uint32(status)<<5, // mov x0, status
			0xd2800000|94<<5|8,           // mov x8, SYS_exit_group
			0xd4000001,                   // svc 0
			0xd4200000,                   // brk 0
		), nil
	}
	return nil, fmt.Errorf("tiny: %s: %w", arch, errors.ErrUnsupported)
}

// waiters are programs that do nothing until they are killed.
var waiters = map[string][]byte{
	// mov eax, SYS_pause; syscall; jmp to the start
	"amd64": {0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7},
	// mov x8, SYS_ppoll; svc 0; b to the start; the arguments are zero at first
	"arm64": {0x28, 0x09, 0x80, 0xd2, 0x01, 0, 0, 0xd4, 0xfe, 0xff, 0xff, 0x17},
}

// WriteWaiter makes path a program that does nothing until it is killed, so that it
// can be looked at.
func WriteWaiter(path string) error {
	image, err := Image(runtime.GOARCH, 0)
	if err != nil {
		return err
	}
	copy(image[headerSize+progSize:], waiters[runtime.GOARCH])
	return os.WriteFile(path, image, 0o755)
}

func words(w ...uint32) []byte {
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

const (
	loadAt     = 0x400000
	pageSize   = 0x10000 // the largest of the architectures
	headerSize = 64
	progSize   = 56
)

// Image is the program as a file: one segment that holds the headers and the
// code.
func Image(arch string, status int) ([]byte, error) {
	code, err := Code(arch, status)
	if err != nil {
		return nil, err
	}
	const start = headerSize + progSize
	size := uint64(start + len(code))
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{
			0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT),
		},
		Type: uint16(elf.ET_EXEC), Machine: uint16(machines[arch]), Version: uint32(elf.EV_CURRENT),
		Entry: loadAt + start, Phoff: headerSize,
		Ehsize: headerSize, Phentsize: progSize, Phnum: 1,
	}
	prog := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
		Vaddr: loadAt, Paddr: loadAt, Filesz: size, Memsz: size, Align: pageSize,
	}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, header) // neither can fail
	_ = binary.Write(&b, binary.LittleEndian, prog)
	return slices.Concat(b.Bytes(), code), nil
}
