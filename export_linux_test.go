//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import "github.com/safespawn/spawn/internal/kernel"

// Force is kernel.ForTest.
func Force(change func(f *ForcedFeatures)) (restore func()) { return kernel.ForTest(change) }

// ForcedFeatures is features, for tests.
type ForcedFeatures = kernel.Features

// Without are the fallbacks, by name, that every test run goes through.
var Without = map[string]func(f *ForcedFeatures){
	"nothing":       func(*ForcedFeatures) {},
	"clone3":        func(f *ForcedFeatures) { f.Clone3, f.Cgroup = false, false },
	"cgroup":        func(f *ForcedFeatures) { f.Cgroup = false },
	"close_range":   func(f *ForcedFeatures) { f.CloseRange = false },
	"pidfd":         func(f *ForcedFeatures) { f.Pidfd, f.PidfdInfo = false, false },
	"pidfd_info":    func(f *ForcedFeatures) { f.PidfdInfo = false },
	"shared_memory": func(f *ForcedFeatures) { f.SharedMemory = false },
	"waitid":        func(f *ForcedFeatures) { f.Waitid = false },
	"anything":      func(f *ForcedFeatures) { *f = ForcedFeatures{} },
}

// CompileOnce compiles as Start does.
func CompileOnce(s *Spec) error {
	p, err := compile(s, true)
	if err == nil {
		p.release()
	}
	return err
}

// NoNamespaces feigns a kernel that has none, to those who look for them.
func NoNamespaces() (restore func()) {
	was := namespaceDir
	namespaceDir = "/proc/self/fd/"
	return func() { namespaceDir = was }
}
