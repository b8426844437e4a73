//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package kernel

// ForTest lets a test do without some of what the kernel has, and returns a function
// that ends it. Programs keep the features they were compiled with.
func ForTest(change func(f *Features)) (restore func()) {
	was := Here()
	f := *was
	change(&f.Features)
	probed.Store(&f)
	return func() { probed.Store(was) }
}

// NoNamespacesForTest has HasNamespaces say no, until the function that it returns is
// called.
func NoNamespacesForTest() (restore func()) {
	was := namespaceDir
	namespaceDir = "/proc/self/fd/"
	return func() { namespaceDir = was }
}
