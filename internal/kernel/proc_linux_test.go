package kernel

import (
	"fmt"
	"strings"
	"testing"
)

// TestMountPath writes paths as the kernel does.
func TestMountPath(t *testing.T) {
	for _, path := range []string{"", "/", "/a b", "\t\n", `\`, `/\040`, `/a\`, "/\\ \\", "/é\xff", "/#\x01"} {
		var field strings.Builder
		for _, c := range []byte(path) {
			if c <= ' ' || c == '\\' || c == '#' {
				fmt.Fprintf(&field, `\%03o`, c)
			} else {
				field.WriteByte(c)
			}
		}
		if got := MountPath(field.String()); got != path {
			t.Errorf("%q is %q, want %q", field.String(), got, path)
		}
	}
	for _, field := range []string{`\`, `\04`, `/\048`, `\999`} { // which the kernel does not write
		if got := MountPath(field); got != field {
			t.Errorf("%q is %q", field, got)
		}
	}
}
