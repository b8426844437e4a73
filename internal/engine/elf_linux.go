//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// elfHeader is what execve looks at in the header of an ELF file. Package
// debug/elf would link a lot for so little.
type elfHeader struct {
	wide               bool // 64 bits
	turned             bool // another byte order
	kind, machine      uint16
	table              int64 // of segments
	entrySize, entries int
}

const (
	elfMagic   = "\x7fELF"
	elfInterp  = 3 // PT_INTERP
	elfProgram = 2 // ET_EXEC
	elfShared  = 3 // ET_DYN
)

// parseELF takes the first headSize bytes of a file, zeroes beyond its end. As the kernel it
// reads numbers in this machine's byte order.
func parseELF(head []byte) *elfHeader {
	ne := binary.NativeEndian
	h := &elfHeader{wide: head[4] == 2, turned: head[5] == turnedOrder(), kind: ne.Uint16(head[16:]), machine: ne.Uint16(head[18:])}
	if h.wide {
		h.table, h.entrySize, h.entries = int64(ne.Uint64(head[32:])), int(ne.Uint16(head[54:])), int(ne.Uint16(head[56:]))
	} else {
		h.table, h.entrySize, h.entries = int64(ne.Uint32(head[28:])), int(ne.Uint16(head[42:])), int(ne.Uint16(head[44:]))
	}
	if h.turned {
		h.machine = h.machine>>8 | h.machine<<8
	}
	return h
}

// turnedOrder is how a file says that it has the other byte order than this machine:
// ELFDATA2MSB or ELFDATA2LSB.
func turnedOrder() byte {
	if raw.BigEndian {
		return 1
	}
	return 2
}

// machineName is the name of one that is met, or empty.
func machineName(machine uint16) string {
	for _, m := range [...]struct {
		machine uint16
		name    string
	}{
		{2, "sparc"}, {3, "386"}, {8, "mips"}, {20, "ppc"}, {21, "ppc64"}, {22, "s390x"}, {40, "arm"}, {43, "sparc64"},
		{62, "amd64"}, {183, "arm64"}, {243, "riscv"}, {247, "bpf"}, {258, "loong64"},
	} {
		if m.machine == machine {
			return m.name
		}
	}
	return ""
}

// natives are the machines of this kernel's programs, with the one of this program
// first. It need not have the other.
func natives() [2]uint16 {
	switch runtime.GOARCH {
	case "386":
		return [2]uint16{3, 62}
	case "arm":
		return [2]uint16{40, 183}
	case "arm64":
		return [2]uint16{183, 40}
	case "loong64":
		return [2]uint16{258, 258}
	case "ppc64le":
		return [2]uint16{21, 21}
	case "riscv64":
		return [2]uint16{243, 243} // with 64 and with 32 bits
	case "s390x":
		return [2]uint16{22, 22} // the same
	}
	return [2]uint16{62, 3}
}

// foreign says for what machine a program is, if not for this one.
func (h *elfHeader) foreign() string {
	if own := natives(); !h.turned && (h.machine == own[0] || h.machine == own[1]) {
		return ""
	}
	name := machineName(h.machine)
	if name == "" {
		name = fmt.Sprintf("machine %d", h.machine)
	}
	return "a program for " + name + ", this is " + runtime.GOARCH
}

// otherWidth says how many bits a program is of, if it is one that the kernel need not run
// though it runs this one; else 0.
func (h *elfHeader) otherWidth() int {
	if h.wide == (strconv.IntSize == 64) && h.machine == natives()[0] {
		return 0
	}
	if h.wide && (h.machine == 62 || h.machine == 183) {
		return 64
	}
	return 32
}

const damagedELF = "a damaged ELF program"

// interpreter is the dynamic loader of a program, empty if it has none.
func (h *elfHeader) interpreter(fd int) (string, *trouble) {
	damaged := &trouble{unix.ENOEXEC, damagedELF}
	if why := h.foreign(); why != "" {
		return "", &trouble{unix.ENOEXEC, why}
	}
	size := 32
	if h.wide {
		size = 56
	}
	switch {
	case h.kind != elfProgram && h.kind != elfShared:
		return "", &trouble{unix.ENOEXEC, "an ELF file, but no program"}
	case h.entrySize != size || h.entries == 0:
		return "", damaged
	}
	table := make([]byte, size*h.entries)
	if n, ok := readAt(fd, table, h.table); !ok || n < len(table) {
		return "", damaged
	}
	for ; len(table) > 0; table = table[size:] {
		if binary.NativeEndian.Uint32(table) != elfInterp {
			continue
		}
		off, n := h.segment(table)
		if n < 2 || n > unix.PathMax {
			return "", damaged
		}
		name := make([]byte, n)
		if k, ok := readAt(fd, name, off); !ok || k < len(name) {
			return "", &trouble{unix.EIO, damagedELF}
		}
		if name[n-1] != 0 {
			return "", damaged
		}
		text, _, _ := bytes.Cut(name, []byte{0})
		return string(text), nil
	}
	return "", nil
}

// segment is where an entry of the table says that its bytes are.
func (h *elfHeader) segment(entry []byte) (off, size int64) {
	ne := binary.NativeEndian
	if h.wide {
		return int64(ne.Uint64(entry[8:])), int64(ne.Uint64(entry[32:]))
	}
	return int64(ne.Uint32(entry[4:])), int64(ne.Uint32(entry[16:]))
}

// loads says why a file can't be the dynamic loader of a program.
func (h *elfHeader) loads(f *found) (why *trouble) {
	fd, err := openRegular(f)
	if err != nil {
		return unknown
	}
	defer unix.Close(fd)
	head := make([]byte, headSize)
	n, ok := readAt(fd, head, 0)
	switch o := parseELF(head); {
	case !ok:
		return unknown
	case h.wide && n < 64 || n < 52:
		return &trouble{unix.EIO, "too short for an ELF program"}
	case !bytes.HasPrefix(head, []byte(elfMagic)):
		return &trouble{unix.ELIBBAD, "no ELF program"}
	case o.foreign() != "":
		return &trouble{unix.ELIBBAD, o.foreign()}
	case o.machine != h.machine || o.wide != h.wide:
		return &trouble{unix.ELIBBAD, "for other programs than this one"}
	}
	return nil
}
