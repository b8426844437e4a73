package attr_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// parses wants a parser to take what is good, with what it means, and to refuse what
// is bad.
func parses[T any](t *testing.T, parse func(string) (T, error), good map[string]string, bad []string) {
	t.Helper()
	for s, want := range good {
		if got, err := parse(s); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range bad {
		if got, err := parse(s); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

// fuzzes wants no panic, an error in one line that matches EINVAL, and what is read to
// be right.
func fuzzes[T any](f *testing.F, parse func(string) (T, error), good map[string]string, bad []string, right func(*testing.T, string, T)) {
	for s := range good {
		f.Add(s)
	}
	for _, s := range bad {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parse(s)
		switch {
		case err == nil:
			right(t, s, got)
		case !errors.Is(err, syscall.EINVAL) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%q: %v", s, err)
		}
	})
}

// taken wants what was read to be a value that Compile takes.
func taken[T any](a func(T) attr.Attr) func(*testing.T, string, T) {
	return func(t *testing.T, s string, v T) {
		if err := check(attr.List{attr.NoNewPrivs{}, a(v)}); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Signals by number; their names are the platform's.
var (
	signals    = map[string]string{"none": "[]", "1": "[hangup]", "2,1,2": "[interrupt hangup]"}
	badSignals = []string{"", "0", "65", "-1", "SIG", "SIGNOT", "1,", "1,,2", "all,1", "none,1"}
)

func TestParseSignals(t *testing.T) {
	parses(t, attr.ParseSignals, signals, badSignals)
	all, err := attr.ParseSignals("all")
	if err != nil || len(all) != 62 || slices.Contains(all, syscall.SIGKILL) || slices.Contains(all, 19) {
		t.Errorf("all: %v, %v", all, err)
	}
	if err := check(attr.List{attr.SigIgnore(all), attr.SigMask(all)}); err != nil {
		t.Error(err)
	}
}

func FuzzParseSignals(f *testing.F) {
	fuzzes(f, attr.ParseSignals, signals, badSignals, taken(func(list []syscall.Signal) attr.Attr { return attr.SigMask(list) }))
}

var (
	cpus    = map[string]string{"0": "[0]", "0-3,8": "[0 1 2 3 8]", "1-8:3": "[1 4 7]", "65535": "[65535]", "5-5": "[5]", "1,1": "[1 1]"}
	badCPUs = []string{"", "0,", "3-1", "-1", "1:2", "1-2:0", "0-65536", "a-b", "0-4000000000", "0-65535,0", "1-", "1-2:", "1-2-3", "0-3:65536"}
)

func TestParseCPUs(t *testing.T) {
	parses(t, attr.ParseCPUs, cpus, badCPUs)
	parses(t, attr.ParseNodes, map[string]string{"0-1": "[0 1]", "1023": "[1023]"}, []string{"1024", "0-1024", ""})
}

func FuzzParseCPUs(f *testing.F) {
	fuzzes(f, attr.ParseCPUs, cpus, badCPUs, taken(func(list []int) attr.Attr { return attr.CPUAffinity(list) }))
}

func FuzzParseNodes(f *testing.F) {
	fuzzes(f, attr.ParseNodes, cpus, badCPUs, taken(func(list []int) attr.Attr { return attr.NUMAPolicy{Mode: attr.NUMABind, Nodes: list} }))
}

var (
	userIDs    = map[string]string{"0": "0", "4294967294": "4294967294", "007": "7"}
	badUserIDs = []string{"", "-1", "4294967295", "root", "1_000", "0x1", "+1", " 1"}
)

func TestParseID(t *testing.T) { parses(t, attr.ParseID, userIDs, badUserIDs) }

func FuzzParseID(f *testing.F) {
	fuzzes(f, attr.ParseID, userIDs, badUserIDs, taken(func(id uint32) attr.Attr {
		return attr.Credential{UID: id, GID: id, Groups: []uint32{id}, Root: true}
	}))
}

var (
	idMaps    = map[string]string{"0:1000:1": "{0 1000 1}", "65536:0:65536": "{65536 0 65536}"}
	badIDMaps = []string{"", "0:1", "0:1:2:3", "a:0:1", "0:-1:1", "0:0:", "0:0:0", "-1:0:1", "0:0:99999999999999999999"}
)

func TestParseIDMapEntry(t *testing.T) { parses(t, attr.ParseIDMapEntry, idMaps, badIDMaps) }

func FuzzParseIDMapEntry(f *testing.F) {
	fuzzes(f, attr.ParseIDMapEntry, idMaps, badIDMaps, func(t *testing.T, s string, e attr.IDMapEntry) {
		list := attr.List{attr.Namespaces{Flags: newUser}, attr.IDMap{UID: []attr.IDMapEntry{e}, GID: []attr.IDMapEntry{e}}}
		if err := check(list); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}

var (
	secureBits = map[string]string{
		"none": "0", "noroot,SECBIT_NOROOT_LOCKED": "3", "no_setuid_fixup_locked": "8", "keep_caps_locked": "32",
		"no_cap_ambient_raise,exec_restrict_file": "320", "exec_deny_interactive_locked": "2048",
	}
	badSecureBits = []string{"", "x", "_locked", "noroot,", "keep_caps", "1", "none,noroot"}
)

func TestParseSecureBits(t *testing.T) { parses(t, attr.ParseSecureBits, secureBits, badSecureBits) }

func FuzzParseSecureBits(f *testing.F) {
	fuzzes(f, attr.ParseSecureBits, secureBits, badSecureBits, taken(func(b attr.SecureBits) attr.Attr { return b }))
}
