//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import "github.com/safespawn/spawn/attr"

// SysFields are the fields of SysProcAttr that are honoured.
func SysFields() []string { return sysFields.known }

// UnknownField is the first field of *s that is set and not among known.
func UnknownField(s any, known ...string) string { return (&fieldSet{known: known}).unknown(s) }

// Hardened is the attributes for fields of SysProcAttr from Go 1.28 on, or the error
// of a number that no descriptor has.
func Hardened(noNewPrivs, useLandlock bool, fd int, flags uint32) (attr.List, error) {
	l, h := new(sysList), hardening{noNewPrivs, useLandlock, fd, flags}
	l.harden(h)
	if err := checkNumbers(false, 0, h); err != nil {
		return nil, err
	}
	return l.list, nil
}
