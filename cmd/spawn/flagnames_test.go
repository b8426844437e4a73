package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFlagsOfAttributes wants a flag for each attribute, and flags that there are.
func TestFlagsOfAttributes(t *testing.T) {
	without := []string{"ControllingTTY", "Ptrace"}
	files, err := filepath.Glob("../../attr/*.go")
	if err != nil {
		t.Fatal(err)
	}
	attributes := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`func \((?:\w+ )?(\w+)\) check\(`).FindAllStringSubmatch(string(text), -1) {
			attributes++
			if flagOf[m[1]] == "" && !slices.Contains(without, m[1]) {
				t.Errorf("no flag for %s", m[1])
			}
		}
	}
	if attributes < 40 {
		t.Errorf("%d attributes", attributes)
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
		"needs attr.NewNamespaces or attr.Unshare with CLONE_NEWNS": "needs --new or --unshare with mount",
		"a namespace of CLONE_NEWUTS":                               "a namespace of uts",
		"attr.Nice and attr.SomethingElse":                          "--nice and attr.SomethingElse",
	} {
		if got := inFlags(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
