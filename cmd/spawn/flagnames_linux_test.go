package main

import (
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

// TestFlagsOfAttributes wants a flag for each attribute, and flags that there are.
func TestFlagsOfAttributes(t *testing.T) {
	names, err := attrnames.In("../../attr")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if (flagOf[name] == "") != (withoutFlag[name] != "") {
			t.Errorf("attr.%s: flag %q", name, flagOf[name])
		}
	}
	flags := (&options{}).flags()
	for name, text := range flagOf {
		for flag := range strings.FieldsSeq(text) {
			flag, isFlag := strings.CutPrefix(strings.TrimRight(flag, ","), "--")
			_, err := flagNamed(flags, flag)
			if isFlag && err != nil && flag != "cap-*" {
				t.Errorf("%s: no flag %q", name, flag)
			}
		}
	}
	for s, want := range map[string]string{
		"needs attr.Namespaces or attr.Unshare with CLONE_NEWNS": "needs --new or --unshare with mount",
		"a namespace of CLONE_NEWUTS":                            "a namespace of uts",
		"attr.Nice and attr.SomethingElse":                       "--nice and attr.SomethingElse",
	} {
		if got := inFlags(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
