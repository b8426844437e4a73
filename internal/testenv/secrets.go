package testenv

import (
	"fmt"
	"strings"
	"testing"
)

// Secret is in arguments, environments and inputs that nothing may quote.
const Secret = "kept-to-itself"

// KeepsSecret wants no value to have the Secret, however it is printed, nor an error that
// it wraps.
func KeepsSecret(t testing.TB, what string, values ...any) {
	t.Helper()
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, Secret) {
				t.Errorf("%s: the secret is in %s of %T: %.500s", what, verb, v, text)
			}
		}
		switch x := v.(type) {
		case interface{ Unwrap() error }:
			KeepsSecret(t, what, x.Unwrap())
		case interface{ Unwrap() []error }:
			for _, err := range x.Unwrap() {
				KeepsSecret(t, what, err)
			}
		}
	}
}
