//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/safespawn/spawn/internal/testenv/tiny"
)

// programs are the files that the peers run.
type programs struct {
	tiny    string         // exits at once; static, one page
	writer  string         // writes writerBytes to stdout and exits; static
	sleeper string         // sleeps until it is killed; static
	dynamic string         // true(1), with the dynamic linker; empty if there is none
	sleeps  map[int]string // by how many µs they sleep before they exit; static
}

// writerBytes is how much the writer writes: part of the page that it is in.
const writerBytes = 1024

// makePrograms writes the programs to dir; sleeps are times in µs.
func makePrograms(dir string, sleeps []int) (programs, error) {
	p := programs{
		tiny:    filepath.Join(dir, "tiny"),
		writer:  filepath.Join(dir, "writer"),
		sleeper: filepath.Join(dir, "sleeper"),
	}
	if err := tiny.Write(p.tiny, 0); err != nil {
		return p, err
	}
	if err := writeProgram(p.writer, writeCode[runtime.GOARCH]); err != nil {
		return p, err
	}
	if err := writeProgram(p.sleeper, sleepCode[runtime.GOARCH]); err != nil {
		return p, err
	}
	p.sleeps = map[int]string{}
	for _, us := range sleeps {
		p.sleeps[us] = filepath.Join(dir, fmt.Sprint("sleep", us))
		if err := writeProgram(p.sleeps[us], napCode(runtime.GOARCH, us)); err != nil {
			return p, err
		}
	}
	for _, path := range []string{"/bin/true", "/usr/bin/true"} {
		if _, err := os.Stat(path); err == nil {
			p.dynamic = path
			break
		}
	}
	return p, nil
}

// writeProgram writes the tiny program with other code put before its own.
func writeProgram(path string, code []byte) error {
	exit, err := tiny.Code(runtime.GOARCH, 0)
	if err != nil {
		return err
	}
	return os.WriteFile(path, tiny.File(runtime.GOARCH, slices.Concat(code, exit)), 0o755)
}

var writeCode = map[string][]byte{
	"amd64": {
		0xb8, 1, 0, 0, 0, // mov eax, SYS_write
		0xbf, 1, 0, 0, 0, // mov edi, 1
		0x48, 0x8d, 0x35, 0, 0, 0, 0, // lea rsi, [rip]
		0xba, writerBytes & 0xff, writerBytes >> 8, 0, 0, // mov edx, writerBytes
		0x0f, 0x05, // syscall
	},
	"arm64": words(
		0xd2800000|64<<5|8,          // mov x8, SYS_write
		0xd2800000|1<<5,             // mov x0, 1
		0x10000001,                  // adr x1, .
		0xd2800000|writerBytes<<5|2, // mov x2, writerBytes
		0xd4000001,                  // svc 0
	),
}

var sleepCode = map[string][]byte{
	"amd64": {
		0xb8, 34, 0, 0, 0, // mov eax, SYS_pause
		0x0f, 0x05, // syscall
		0xeb, 0xf7, // jmp to the start
	},
	"arm64": words(
		0xd2800000|73<<5|8, // mov x8, SYS_ppoll
		0xd2800000,         // mov x0, 0
		0xd2800001,         // mov x1, 0
		0xd2800002,         // mov x2, 0
		0xd2800003,         // mov x3, 0
		0xd4000001,         // svc 0
		0x17fffffa,         // b to the start
	),
}

// napCode sleeps for a time in µs, and not for the timer slack in addition.
func napCode(arch string, us int) []byte {
	var t []byte // struct timespec
	t = binary.LittleEndian.AppendUint64(t, uint64(us/1e6))
	t = binary.LittleEndian.AppendUint64(t, uint64(us%1e6*1000))
	if arch == "amd64" {
		return slices.Concat([]byte{
			0xb8, 157, 0, 0, 0, // mov eax, SYS_prctl
			0xbf, 29, 0, 0, 0, // mov edi, PR_SET_TIMERSLACK
			0xbe, 1, 0, 0, 0, // mov esi, 1
			0x0f, 0x05, // syscall
			0xeb, 16, // jmp over the time
		}, t, []byte{
			0xb8, 35, 0, 0, 0, // mov eax, SYS_nanosleep
			0x48, 0x8d, 0x3d, 0xe4, 0xff, 0xff, 0xff, // lea rdi, [rip-28]
			0x31, 0xf6, // xor esi, esi
			0x0f, 0x05, // syscall
		})
	}
	return slices.Concat(words(
		0xd2800000|167<<5|8, // mov x8, SYS_prctl
		0xd2800000|29<<5,    // mov x0, PR_SET_TIMERSLACK
		0xd2800000|1<<5|1,   // mov x1, 1
		0xd4000001,          // svc 0
		0x14000005,          // b over the time
	), t, words(
		0xd2800000|101<<5|8,     // mov x8, SYS_nanosleep
		0x10000000|(1<<19-5)<<5, // adr x0, .-20
		0xd2800001,              // mov x1, 0
		0xd4000001,              // svc 0
	))
}

func words(w ...uint32) []byte {
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}
