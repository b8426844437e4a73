//go:build amd64 || arm64

package raw

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"testing"
)

//go:embed run_linux_amd64.s
var sourceAMD64 string

//go:embed run_linux_arm64.s
var sourceARM64 string

var label = regexp.MustCompile(`(?m)^([a-z]\w*):`)

func labels(source string) (names []string) {
	for _, m := range label.FindAllStringSubmatch(source, -1) {
		names = append(names, m[1])
	}
	return names
}

// The two are the same routine: a change to one is a change to both.
func TestLabelsAreTheSame(t *testing.T) {
	amd64, arm64 := labels(sourceAMD64), labels(sourceARM64)
	if len(amd64) < 10 || !slices.Equal(amd64, arm64) {
		t.Errorf("labels differ:\n%v\n%v", amd64, arm64)
	}
	for _, s := range []string{sourceAMD64, sourceARM64} {
		if n := strings.Count(s, "\nTEXT "); n != 1 {
			t.Errorf("%d functions in one file", n)
		}
	}
}
