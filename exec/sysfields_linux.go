//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"reflect"
	"slices"
	"sync"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// errUnknownField is about a field that a newer Go has. What it asks for may be a
// sandbox: without it the program must not run.
var errUnknownField = &spawn.UnsupportedError{What: "a newer version of package exec, which knows the field"}

// fieldSet finds fields of a struct that are not known and that are set.
type fieldSet struct {
	known []string
	once  sync.Once
	rest  []int // fields that are not known
}

// sysFields are those of SysProcAttr that become attributes.
var sysFields = fieldSet{known: slices.Concat(newSysFields, []string{
	"Chroot", "Credential", "Ptrace", "Setsid", "Setpgid", "Setctty", "Noctty", "Ctty", "Foreground", "Pgid", "Pdeathsig", "Cloneflags",
	"Unshareflags", "UidMappings", "GidMappings", "GidMappingsEnableSetgroups", "AmbientCaps", "UseCgroupFD", "CgroupFD", "PidFD",
})}

// unknown is the name of a field of *s that is not zero and not known.
func (f *fieldSet) unknown(s any) string {
	f.once.Do(func() {
		t := reflect.TypeOf(s).Elem()
		for i := range t.NumField() {
			if !slices.Contains(f.known, t.Field(i).Name) {
				f.rest = append(f.rest, i)
			}
		}
	})
	for _, i := range f.rest {
		if v := reflect.ValueOf(s).Elem(); !v.Field(i).IsZero() {
			return v.Type().Field(i).Name
		}
	}
	return ""
}

// hardening is what SysProcAttr has from Go 1.28 on.
type hardening struct {
	NoNewPrivs    bool
	UseLandlock   bool
	LandlockFD    int
	LandlockFlags uint32
}

func (l *sysList) harden(h hardening) {
	if h.NoNewPrivs {
		l.add(attr.NoNewPrivs{})
	}
	if h.UseLandlock {
		l.add(attr.Landlock{FD: attr.FD(h.LandlockFD), Flags: uint(h.LandlockFlags)})
	}
}
