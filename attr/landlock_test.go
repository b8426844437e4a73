package attr_test

import (
	"testing"

	"github.com/safespawn/spawn/attr"
)

func TestLandlockValues(t *testing.T) {
	for _, good := range []attr.Landlock{{Ruleset: anyFile}, {RulesetFD: 1}, {RulesetFD: 1<<31 - 1, Flags: 7}} {
		if err := check(attr.List{good}); err != nil {
			t.Error(err)
		}
		wrong(t, attr.List{good, attr.Nice(1), good}, 2)
	}
	for _, bad := range []attr.Landlock{{}, {RulesetFD: -1}, {RulesetFD: one << 31}, {Ruleset: anyFile, RulesetFD: 3}} {
		wrong(t, attr.List{attr.NoNewPrivs{}, bad}, 1)
	}
}
