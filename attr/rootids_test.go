package attr_test

import (
	"testing"

	"github.com/safespawn/spawn/attr"
)

// TestRootIsMeant wants ids that may have been forgotten to be refused.
func TestRootIsMeant(t *testing.T) {
	const keep = attr.KeepID
	for _, a := range []attr.Attr{
		attr.Credential{}, attr.Credential{KeepGroups: true}, attr.Credential{Groups: []uint32{5}},
		attr.Credential{UID: 65534}, attr.Credential{GID: 65534}, attr.Credential{UID: 65534, KeepGroups: true},
		attr.IDs{}, attr.IDs{KeepGroups: true}, attr.IDs{Groups: []uint32{5}},
		attr.IDs{RUID: 1, EUID: 1}, attr.IDs{RUID: 1, EUID: 1, RGID: 1}, attr.IDs{RUID: 1, RGID: 1},
		attr.IDs{RUID: keep, EUID: keep}, attr.IDs{RGID: keep, EGID: keep}, attr.IDs{EUID: 1, RGID: keep, EGID: keep},
	} {
		wrong(t, attr.List{attr.Umask(0), a}, 1)
	}
	for _, a := range []attr.Attr{
		attr.Credential{Root: true}, attr.Credential{UID: 65534, Root: true}, attr.IDs{Root: true}, attr.IDs{RUID: 1, Root: true},
		attr.Credential{UID: 1, GID: 1, Root: true}, attr.IDs{RUID: keep, EUID: keep, RGID: keep, EGID: keep},
	} {
		if err := check(attr.List{a}); err != nil {
			t.Errorf("%+v: %v", a, err)
		}
	}
}
