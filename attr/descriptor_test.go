package attr_test

import (
	"fmt"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// TestDescriptor wants the zero value to be no descriptor, and to differ from 0.
func TestDescriptor(t *testing.T) {
	var none attr.Descriptor
	if got := fmt.Sprint(none, attr.FD(0), attr.FD(7), attr.FD(-1)); got != "none 0 7 -1" {
		t.Error(got)
	}
	for _, list := range []attr.List{
		{attr.Setsid{}, attr.ControllingTTY{FD: attr.FD(0)}}, {attr.Setpgid{}, attr.Foreground{FD: attr.FD(0)}},
		{attr.NoNewPrivs{}, attr.Landlock{FD: attr.FD(0)}},
	} {
		if err := check(list); err != nil {
			t.Error(err)
		}
	}
}
