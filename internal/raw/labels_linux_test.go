//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"embed"
	"regexp"
	"slices"
	"strings"
	"testing"
)

//go:embed run_linux_*.s
var sources embed.FS

// source is the assembly of a kind for an architecture.
func source(t *testing.T, files embed.FS, kind, arch string) string {
	t.Helper()
	b, err := files.ReadFile(kind + "_linux_" + arch + ".s")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var label = regexp.MustCompile(`(?m)^([a-z]\w*):`)

func labels(source string) (names []string) {
	for _, m := range label.FindAllStringSubmatch(source, -1) {
		names = append(names, m[1])
	}
	return names
}

// All are the same routine: a change to one is a change to all.
func TestLabelsAreTheSame(t *testing.T) {
	want := labels(source(t, sources, "run", "amd64"))
	if len(want) < 10 {
		t.Errorf("labels %v", want)
	}
	for arch := range contracts {
		s := source(t, sources, "run", arch)
		if got := labels(s); !slices.Equal(got, want) {
			t.Errorf("labels differ:\n%v\n%v", want, got)
		}
		if n := strings.Count(s, "\nTEXT "); n != 1 {
			t.Errorf("%s: %d functions in one file", arch, n)
		}
	}
	if files, err := sources.ReadDir("."); err != nil || len(files) != len(contracts) {
		t.Errorf("%d files for %d contracts, %v", len(files), len(contracts), err)
	}
}
