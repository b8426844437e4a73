package attr_test

import (
	"testing"

	"github.com/safespawn/spawn/attr"
)

func TestLandlockValues(t *testing.T) {
	for _, good := range []attr.Landlock{{File: anyFile}, {FD: attr.FD(1)}, {FD: attr.FD(1<<31 - 1), Flags: 7}} {
		if err := check(attr.List{good}); err != nil {
			t.Error(err)
		}
		wrong(t, attr.List{good, attr.Nice(1), good}, 2)
	}
	for _, bad := range []attr.Landlock{{}, new(attr.LandlockRuleset).Attr(), {FD: attr.FD(-1)}, {FD: attr.FD(one << 31)}, {File: anyFile, FD: attr.FD(3)}, {File: anyFile, FD: attr.FD(0)}} {
		wrong(t, attr.List{attr.NoNewPrivs{}, bad}, 1)
	}
}
