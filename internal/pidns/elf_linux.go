//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package pidns

import (
	"encoding/binary"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/raw"
)

// Sizes of the parts of an ELF file, some of whose numbers have the size of an address,
// and where the program is in memory. The alignment is the largest page size of the
// architectures.
const (
	wordSize    = strconv.IntSize / 8
	headerSize  = 40 + 3*wordSize
	segmentSize = 8 + 6*wordSize
	segments    = 2
	codeOffset  = headerSize + segments*segmentSize
	loadAt      = 0x400000
	alignment   = 0x10000
)

// Constants of elf.h.
const (
	elfMagic     = "\x7fELF"
	version      = 1
	typeExec     = 2
	segmentLoad  = 1
	segmentStack = 0x6474e551
	flagX        = 1
	flagW        = 2
	flagR        = 4
)

// machine is the value of e_machine for this architecture.
var machine = map[string]uint16{"386": 3, "amd64": 62, "arm": 40, "arm64": 183, "loong64": 258, "ppc64le": 21, "riscv64": 243, "s390x": 22}[runtime.GOARCH]

// fileFlags are those of the file: a kernel for arm64 wants to know of the EABI, version 5, and one
// for ppc64le of the ABI whose entry point is no descriptor of a function, version 2.
var fileFlags = map[string]uint32{"arm": 0x05000000, "ppc64le": 2}[runtime.GOARCH]

// image makes a static program of code that starts with its first byte: one segment of
// memory holds the headers and the code, and nothing of it can be written. The stack can't
// be executed.
func image(code []byte) []byte {
	ne := binary.NativeEndian
	size := uint64(codeOffset + len(code))
	b := make([]byte, 16, size)
	copy(b, elfMagic)
	b[4], b[5], b[6] = wordSize/4, byteOrder(), version
	b = ne.AppendUint16(b, typeExec)
	b = ne.AppendUint16(b, machine)
	b = ne.AppendUint32(b, version)
	b = appendWord(b, loadAt+codeOffset)
	b = appendWord(b, headerSize) // where the segments are described
	b = appendWord(b, 0)          // no sections
	b = ne.AppendUint32(b, fileFlags)
	for _, n := range [...]uint16{headerSize, segmentSize, segments, 0, 0, 0} {
		b = ne.AppendUint16(b, n)
	}
	b = appendSegment(b, segmentLoad, flagR|flagX, loadAt, size, alignment)
	b = appendSegment(b, segmentStack, flagR|flagW, 0, 0, 16)
	return append(b, code...)
}

// byteOrder is ELFDATA2LSB or ELFDATA2MSB.
func byteOrder() byte {
	if raw.BigEndian {
		return 2
	}
	return 1
}

func appendSegment(b []byte, kind, flags uint32, address, size, align uint64) []byte {
	ne := binary.NativeEndian
	b = ne.AppendUint32(b, kind)
	if wordSize == 8 {
		b = ne.AppendUint32(b, flags)
	}
	for _, n := range [...]uint64{0, address, address, size, size} { // 0 is the offset in the file
		b = appendWord(b, n)
	}
	if wordSize != 8 {
		b = ne.AppendUint32(b, flags)
	}
	return appendWord(b, align)
}

// appendWord adds a number that has the size of an address.
func appendWord(b []byte, n uint64) []byte {
	if wordSize == 8 {
		return binary.NativeEndian.AppendUint64(b, n)
	}
	return binary.NativeEndian.AppendUint32(b, uint32(n))
}

// The names of the init, and of the same program as a guardian, which ps shows.
const (
	initName  = "spawn-init"
	guardName = "spawn-guard"
)

// program is a descriptor of a file with the init, which is in no file system and can't be
// changed.
func program() (int, error) {
	fd, err := highfd.NewMemory(initName)
	switch err {
	case nil:
	case unix.EACCES:
		return -1, &Refusal{What: "executable memory files, which vm.memfd_noexec forbids", Err: err}
	case unix.ENOSYS, unix.EPERM:
		return -1, &Refusal{What: "memfd_create", Since: "3.17", Err: err}
	default:
		return -1, err
	}
	if err := fill(fd, image(raw.InitCode())); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// fill writes a file as a whole and seals it.
func fill(fd int, b []byte) error {
	n, err := unix.Pwrite(fd, b, 0)
	if err != nil {
		return err
	}
	if n != len(b) {
		return unix.EIO
	}
	return highfd.SealMemory(fd)
}
