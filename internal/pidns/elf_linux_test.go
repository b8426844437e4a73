//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package pidns

import (
	"bytes"
	"debug/elf"
	"io"
	"runtime"
	"testing"

	"github.com/safespawn/spawn/internal/raw"
)

// The image is as small as a program can be, and nothing of it can be written and executed.
func TestImage(t *testing.T) {
	code := raw.InitCode()
	b := image(code)
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	machines := map[string]elf.Machine{
		"386": elf.EM_386, "amd64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64, "loong64": elf.EM_LOONGARCH, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV, "s390x": elf.EM_S390,
	}
	if f.Type != elf.ET_EXEC || f.Machine != machines[runtime.GOARCH] || len(f.Sections) != 0 || len(f.Progs) != 2 {
		t.Fatalf("%+v", f.FileHeader)
	}
	load, stack := f.Progs[0].ProgHeader, f.Progs[1].ProgHeader
	if load.Type != elf.PT_LOAD || load.Flags != elf.PF_R|elf.PF_X || load.Filesz != uint64(len(b)) || load.Memsz != load.Filesz ||
		load.Off != 0 || load.Vaddr%load.Align != 0 || load.Align < 0x10000 {
		t.Errorf("%+v", load)
	}
	if stack.Type != elf.PT_GNU_STACK || stack.Flags != elf.PF_R|elf.PF_W {
		t.Errorf("%+v", stack)
	}
	at := int64(f.Entry - load.Vaddr)
	got, err := io.ReadAll(io.NewSectionReader(bytes.NewReader(b), at, int64(len(code))))
	if err != nil || !bytes.Equal(got, code) {
		t.Errorf("not the code is at the entry: %x, %v", got, err)
	}
	if len(b) > 1024 {
		t.Errorf("%d bytes", len(b))
	}
}
