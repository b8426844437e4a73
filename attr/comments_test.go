package attr_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

// TestManPages wants the comment of each attribute to name a page of the manual.
func TestManPages(t *testing.T) {
	names, err := attrnames.In(".")
	if err != nil {
		t.Fatal(err)
	}
	comments := commentsOfTypes(t)
	for _, name := range names {
		if !regexp.MustCompile(`\b[\w.-]+\([1-8](const)?\)`).MatchString(comments[name]) {
			t.Errorf("%s: no page of the manual", name)
		}
	}
}

// TestVersionsOfPage wants each version of the page's column Linux to be in the comment of
// an attribute of its row.
func TestVersionsOfPage(t *testing.T) {
	comments, versions := commentsOfTypes(t), 0
	for line := range strings.Lines(read(t, page)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 7 || strings.HasPrefix(cells[1], " attribute") {
			continue
		}
		var text string
		for _, name := range regexp.MustCompile("`(\\w+)").FindAllStringSubmatch(cells[1], -1) {
			text += comments[name[1]]
		}
		for _, version := range regexp.MustCompile(`\d\.\d+`).FindAllString(cells[4], -1) {
			versions++
			if !regexp.MustCompile(regexp.QuoteMeta(version) + `\b`).MatchString(text) {
				t.Errorf("%s: the page has Linux %s, the comment has not", strings.TrimSpace(cells[1]), version)
			}
		}
	}
	if versions < 25 {
		t.Errorf("%d versions", versions)
	}
}
