package lookup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// subordinate are files, and the first range in them of ann, who is user 7.
var subordinate = map[string]attr.IDMapEntry{
	"ann:100000:65536\n":                   {HostID: 100000, Size: 65536},
	"7:1:2":                                {HostID: 1, Size: 2},
	"# ann\n\nanna:1:2\n77:3:4\nann:5:6\n": {HostID: 5, Size: 6},
	"7:10:1\nann:20:2\n":                   {HostID: 10, Size: 1},
	"ann:20:2 \r\nann:10:1":                {HostID: 20, Size: 2},
}

var notSubordinate = map[string]error{
	"":                   os.ErrNotExist,
	"bob:1:2\n":          os.ErrNotExist,
	":1:2\n":             os.ErrNotExist,
	"#ann:1:2\n":         os.ErrNotExist,
	"07:1:2":             os.ErrNotExist,
	"ann\n":              syscall.EINVAL,
	"ann:1\nann:1:2\n":   syscall.EINVAL,
	"ann:x:2\n":          syscall.EINVAL,
	"ann:1:0\n":          syscall.EINVAL,
	"ann:-1:2\n":         syscall.EINVAL,
	"ann:4294967295:1\n": syscall.EINVAL,
	"ann:1:2:3\n":        syscall.EINVAL,
	"7:1:99999999999999": syscall.EINVAL,
}

func TestFirstRange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	first := func(text string) (attr.IDMapEntry, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return firstRange(file, "ann", "7")
	}
	for text, want := range subordinate {
		if e, err := first(text); e != want || err != nil {
			t.Errorf("%q: %v, %v", text, e, err)
		}
	}
	for text, want := range notSubordinate {
		if e, err := first(text); !errors.Is(err, want) || e != (attr.IDMapEntry{}) {
			t.Errorf("%q: %v, %v", text, e, err)
		}
	}
	if _, err := firstRange(filepath.Join(file, "none"), "ann", "7"); err == nil {
		t.Error("of no file")
	}
	if _, _, err := SubordinateIDs("no such user"); err == nil {
		t.Error("of no user")
	}
}

// FuzzLineOf wants a line of the text, for the user and for nobody else.
func FuzzLineOf(f *testing.F) {
	for text := range subordinate {
		f.Add(text, "ann")
	}
	for text := range notSubordinate {
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		line := lineOf(text, name, "7")
		who, _, _ := strings.Cut(line, ":")
		if line != "" && (!strings.Contains(text, line) || strings.Contains(line, "\n") || who == "" || who != name && who != "7") {
			t.Errorf("%q of %q, for %q", line, text, name)
		}
	})
}
