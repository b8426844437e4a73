//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv"
)

// Without are the fallbacks, by name, that every test run goes through.
var Without = map[string]func(f *kernel.Features){
	"nothing":       func(*kernel.Features) {},
	"clone3":        func(f *kernel.Features) { f.Clone3, f.Cgroup = false, false },
	"cgroup":        func(f *kernel.Features) { f.Cgroup = false },
	"close_range":   func(f *kernel.Features) { f.CloseRange = false },
	"pidfd":         func(f *kernel.Features) { f.Pidfd, f.PidfdInfo = false, false },
	"pidfd_info":    func(f *kernel.Features) { f.PidfdInfo = false },
	"shared_memory": func(f *kernel.Features) { f.SharedMemory = false },
	"waitid":        func(f *kernel.Features) { f.Waitid = false },
	"exec_seen":     func(f *kernel.Features) { f.ExecSeen = false },
	// Where /proc does not tell of execve, each copy waits for its pipe alone: that is exec_seen.
	"anything": func(f *kernel.Features) { *f = kernel.Features{ExecSeen: f.ExecSeen} },
}

// Engines are the names of Without.
func Engines() []string { return slices.Sorted(maps.Keys(Without)) }

// Force lets this process do without what a fallback is for, until the function that
// it returns is called.
func Force(engine string) (restore func()) { return kernel.ForTest(Without[engine]) }

// LendsMemory reports whether a child that may wait before execve has the memory of its parent.
// Otherwise it gets a copy.
func LendsMemory() bool {
	f := kernel.Current()
	return f.SharedMemory && f.ExecSeen
}

// EachEngine runs a test once for each fallback of the engine. With -short it is once
// with all of the engine, once without anything, and once for a fallback that the test's
// name chooses: all tests together go through each.
func EachEngine(t *testing.T, f func(t *testing.T)) {
	for _, name := range Chosen(t.Name()) {
		t.Run("without "+name, func(t *testing.T) {
			defer Force(name)()
			f(t)
		})
	}
}

// Chosen are the fallbacks that a test goes through, as EachEngine does.
func Chosen(test string) []string {
	names := Engines()
	if !testenv.Short() {
		return names
	}
	const all, none = "nothing", "anything"
	names = slices.DeleteFunc(names, func(name string) bool { return name == all || name == none })
	return []string{all, none, names[crc32.ChecksumIEEE([]byte(test))%uint32(len(names))]}
}

// EachEngineError is EachEngine outside of the test process, whose name is that of a helper.
func EachEngineError(f func(engine string) error) error {
	for _, name := range Chosen(os.Args[0]) {
		restore := Force(name)
		err := f(name)
		restore()
		if err != nil {
			return fmt.Errorf("without %s: %w", name, err)
		}
	}
	return nil
}
