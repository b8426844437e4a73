package tiny_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

var machines = map[string]elf.Machine{
	"386": elf.EM_386, "amd64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64, "loong64": elf.EM_LOONGARCH, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV, "s390x": elf.EM_S390,
}

func supported() bool {
	return runtime.GOOS == "linux" && machines[runtime.GOARCH] != elf.EM_NONE
}

func TestWaiterWaits(t *testing.T) {
	if !supported() {
		testenv.Skip(t, "the programs are for Linux, on architectures that have the engine")
	}
	path := filepath.Join(t.TempDir(), "waiter")
	if err := tiny.WriteWaiter(path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond)
	err := cmd.Process.Kill()
	_ = cmd.Wait()
	if got := cmd.ProcessState.String(); err != nil || got != "signal: killed" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestProgramExitsWithStatus(t *testing.T) {
	if !supported() {
		testenv.Skip(t, "the programs are for Linux, on architectures that have the engine")
	}
	path := filepath.Join(t.TempDir(), "tiny")
	for _, status := range []int{0, 1, 42, 255} {
		if err := tiny.Write(path, status); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path)
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != status {
			t.Errorf("status %d, want %d", got, status)
		}
	}
}

func TestImage(t *testing.T) {
	for arch, machine := range machines {
		image, err := tiny.Image(arch, 7)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			t.Fatal(arch, err)
		}
		if f.Machine != machine || f.Type != elf.ET_EXEC || len(f.Progs) != 1 {
			t.Fatalf("%s: %v %v with %d segments", arch, f.Machine, f.Type, len(f.Progs))
		}
		seg := f.Progs[0]
		all, err := io.ReadAll(seg.Open())
		if err != nil {
			t.Fatal(err)
		}
		code, _ := tiny.Code(arch, 7)
		if at := f.Entry - seg.Vaddr; !bytes.Equal(all[at:], code) || seg.Flags&elf.PF_X == 0 {
			t.Errorf("%s: the entry point is not at the code", arch)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, status := range []int{-1, 256} {
		path := filepath.Join(t.TempDir(), "never")
		if tiny.Write(path, status) == nil {
			t.Errorf("status %d was accepted", status)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Error("a file was written")
		}
	}
	if _, err := tiny.Code("pdp11", 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("unknown architecture: %v", err)
	}
}
