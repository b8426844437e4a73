package attr_test

import (
	"reflect"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// TestSlicesOfTheirOwn appends to what functions return, and to copies of it, and
// wants each to have its own.
func TestSlicesOfTheirOwn(t *testing.T) {
	for n := range 6 {
		c := attr.OnlyCapabilities(make([]attr.Capability, n)...)
		v := reflect.ValueOf(&c).Elem()
		for i := range v.NumField() {
			list := v.Field(i).Addr().Interface().(*[]attr.Capability)
			for j := range *list {
				(*list)[j] = attr.Capability(i)
			}
			*list = append(*list, attr.Capability(i))
		}
		for i := range v.NumField() {
			for _, x := range v.Field(i).Interface().([]attr.Capability) {
				if x != attr.Capability(i) {
					t.Errorf("%d capabilities: %+v", n, c)
				}
			}
		}
	}
}
