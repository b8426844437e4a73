package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

// TestFlagsOfAttributes wants a flag for each attribute, and flags that there are.
func TestFlagsOfAttributes(t *testing.T) {
	names, err := attrnames.In("../../attr")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if (len(flagsOf[name]) == 0) != (withoutFlag[name] != "") {
			t.Errorf("attr.%s: flags %q", name, flagsOf[name])
		}
	}
	flags := (&options{}).root().Flags()
	for name, list := range flagsOf {
		for _, flag := range list {
			if flags.Lookup(flag) == nil {
				t.Errorf("%s: no flag %q", name, flag)
			}
		}
	}
}

// TestMessagesInFlags wants what is said of attributes to be said of flags.
func TestMessagesInFlags(t *testing.T) {
	for want, list := range map[string]attr.List{
		"--mount needs --new or --unshare with mount":                   {attr.Mounts{{Target: "/mnt"}}},
		"--hostname needs --new or --unshare or --join with uts":        {attr.Hostname("x")},
		"--foreground needs --setpgid":                                  {attr.Foreground{File: os.Stdin}},
		"--umask twice: both decide about the umask":                    {attr.Umask(0), attr.Umask(0)},
		"--setpgid contradicts --setsid: both decide about the session": {attr.Setsid{}, attr.Setpgid{}},
	} {
		_, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: list})
		if got := new(origin).message(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for want, what := range map[string]string{
		"--ctty needs linux":                     "attr.ControllingTTY",
		"--ctty with FD needs linux":             "attr.ControllingTTY with FD",
		"--sig-default with signals needs linux": "attr.SigDefault with signals",
		"attr.Ptrace needs linux":                "attr.Ptrace",
		"attr.Ptrace with all needs linux":       "attr.Ptrace with all",
	} {
		if got := new(origin).message(&spawn.UnsupportedError{What: what, Since: "linux"}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNeedsAreThoseOfThePage compares the table with that of docs/attributes.md.
func TestNeedsAreThoseOfThePage(t *testing.T) {
	text, err := os.ReadFile("../../docs/attributes.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| ([^|\n]*) \\|[^|\n]*\\|[^|\n]*\\|([^|\n]*)\\|([^|\n]*)\\|$")
	name := regexp.MustCompile("`([A-Z][A-Za-z]*)`")
	inFlags := strings.NewReplacer("`NoNewPrivs`", "--no-new-privs", "`Helpers`", "--map-helpers", "`Listener`", "listener")
	want := map[string][]need{"Tree.Attr": needs["Tree.Attr"]}
	for _, r := range row.FindAllStringSubmatch(string(text), -1) {
		_, use, _ := strings.Cut(r[1][strings.LastIndexByte(r[1], '`')+1:], ", ")
		n := need{use, inFlags.Replace(strings.TrimSpace(r[2])), inFlags.Replace(strings.TrimSpace(r[3]))}
		for _, attribute := range name.FindAllStringSubmatch(r[1], -1) {
			if n != (need{}) && (flagsOf[attribute[1]] != nil || withoutFlag[attribute[1]] != "") {
				want[attribute[1]] = append(want[attribute[1]], n)
			}
		}
	}
	for attribute := range want {
		if !slices.Equal(want[attribute], needs[attribute]) {
			t.Errorf("%s: %+v, and %+v on the page", attribute, needs[attribute], want[attribute])
		}
	}
	if len(want) != len(needs) || len(want) < 30 {
		t.Errorf("%d attributes, and %d on the page", len(needs), len(want))
	}
}
