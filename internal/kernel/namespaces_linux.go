//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package kernel

import (
	"errors"
	"os"
)

// namespaceDir has a file for each kind of namespace that the kernel has.
var namespaceDir = "/proc/self/ns/"

// HasNamespaces reports whether the kernel has a kind of namespaces, named as in
// plan.NamespaceKinds. Where there is no /proc it does not say no.
func HasNamespaces(kind string) bool {
	if _, err := os.Stat(namespaceDir); err != nil {
		return true
	}
	_, err := os.Lstat(namespaceDir + kind)
	return !errors.Is(err, os.ErrNotExist)
}
