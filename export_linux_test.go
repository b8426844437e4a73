//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

// Force lets a test do without some of what the kernel has, and returns a
// function that ends it. Programs keep the features they were compiled with.
func Force(change func(f *ForcedFeatures)) (restore func()) {
	was := knownHere()
	f := *was
	change(&f.features)
	probed.Store(&f)
	return func() { probed.Store(was) }
}

// ForcedFeatures is features, for tests.
type ForcedFeatures = features

// Without are the fallbacks, by name, that every test run goes through.
var Without = map[string]func(f *ForcedFeatures){
	"nothing":       func(*ForcedFeatures) {},
	"clone3":        func(f *ForcedFeatures) { f.clone3, f.cgroup = false, false },
	"cgroup":        func(f *ForcedFeatures) { f.cgroup = false },
	"close_range":   func(f *ForcedFeatures) { f.closeRange = false },
	"pidfd":         func(f *ForcedFeatures) { f.pidfd, f.pidfdInfo = false, false },
	"pidfd_info":    func(f *ForcedFeatures) { f.pidfdInfo = false },
	"shared_memory": func(f *ForcedFeatures) { f.sharedMemory = false },
	"waitid":        func(f *ForcedFeatures) { f.waitid = false },
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
