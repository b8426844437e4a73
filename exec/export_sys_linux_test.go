//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

import "github.com/safespawn/spawn/attr"

// SysFields are the fields of SysProcAttr that are honoured.
func SysFields() []string { return sysFields.known }

// UnknownField is the first field of *s that is set and not among known.
func UnknownField(s any, known ...string) string { return (&fieldSet{known: known}).unknown(s) }

// Hardened is the attributes for fields of SysProcAttr from Go 1.28 on, and what
// closes files of theirs.
func Hardened(noNewPrivs, useLandlock bool, fd int, flags uint32) (list attr.List, end func(), err error) {
	l := new(sysList)
	err = l.harden(hardening{noNewPrivs, useLandlock, fd, flags})
	return l.list, l.close, err
}
