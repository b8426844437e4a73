package attr_test

import (
	"os/user"
	"reflect"
	"slices"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// TestSlicesOfTheirOwn appends to what functions return, and to copies of it, and
// wants each to have its own.
func TestSlicesOfTheirOwn(t *testing.T) {
	for n := range 6 {
		c := attr.OnlyCapabilities(make([]int, n)...)
		v := reflect.ValueOf(&c).Elem()
		for i := range v.NumField() {
			list := v.Field(i).Addr().Interface().(*[]int)
			for j := range *list {
				(*list)[j] = i
			}
			*list = append(*list, i)
		}
		for i := range v.NumField() {
			for _, x := range v.Field(i).Interface().([]int) {
				if x != i {
					t.Errorf("%d capabilities: %+v", n, c)
				}
			}
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	cr, err := attr.LookupCredential(me.Uid + ":4321") // with a group to be set, and so all of them
	if err != nil {
		t.Fatal(err)
	}
	env, err := attr.LookupEnv(me.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := append(cr.Groups, 1), append(cr.Groups, 2); !slices.Contains(a, 1) || !slices.Contains(b, 2) {
		t.Errorf("groups: %v, %v", a, b)
	}
	if a, b := append(env, "A="), append(env, "B="); !slices.Contains(a, "A=") || !slices.Contains(b, "B=") {
		t.Errorf("environment: %q, %q", a, b)
	}
}
