package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

// pageLine is a command line of a page, and what a terminal shows there after it.
type pageLine struct {
	page, line string
	prints     string // of a transcript only
	transcript bool
}

var (
	peerLine    = regexp.MustCompile("(?m)^\\| `([^|]*)` \\| `(spawn[^|]*)` \\| `([^|]*)` \\| ([a-z, ]*)\\|$")
	fencedBlock = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	inlineCode  = regexp.MustCompile("`((?:spawn|go run \\./cmd/spawn) [^`\n]+)`")
)

// pageLines are the command lines of the pages in the root and in docs: those of sh blocks,
// those that follow a "$ " in a transcript, and those within a text that are whole.
func pageLines(t *testing.T) (list []pageLine) {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		testenv.Skip(t, "no source code here")
	}
	for _, path := range append(pages, "../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md", "../../CHANGELOG.md", "../../doc.go") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		for _, block := range fencedBlock.FindAllStringSubmatch(string(text), -1) {
			switch {
			case block[1] == "sh":
				for _, line := range joined(block[2]) {
					list = append(list, pageLine{page: name, line: line})
				}
			case strings.HasPrefix(block[2], "$ "):
				for _, entry := range strings.Split("\n"+block[2], "\n$ ")[1:] {
					line, prints, _ := strings.Cut(entry+"\n", "\n")
					list = append(list, pageLine{name, line, prints, true})
				}
			}
		}
		prose := peerLine.ReplaceAllString(fencedBlock.ReplaceAllString(string(text), ""), "") // TestPeers runs these
		for _, m := range inlineCode.FindAllStringSubmatch(prose, -1) {
			if isWhole(m[1]) {
				list = append(list, pageLine{page: name, line: m[1]})
			}
		}
	}
	return list
}

// isWhole reports whether a line within a text names a program, or needs none.
func isWhole(line string) bool {
	words := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(line, "go run ./cmd/"), "spawn"))
	o := &options{}
	cmd := o.root()
	words, err := separate(cmd.Flags(), words)
	if err != nil || cmd.ParseFlags(words) != nil {
		return false
	}
	return cmd.Flags().NArg() > 0 || o.features || o.version || o.short || o.dump || o.completion != ""
}

// joined are the lines of a block: a line that ends with "|" or "\" goes on, and one that
// sets a variable is for the next.
func joined(block string) (list []string) {
	more := regexp.MustCompile(`[|\\]$|^dir=|"\$dir/`)
	text := ""
	for line := range strings.Lines(block) {
		text += line
		if strings.TrimSpace(line) != "" && !more.MatchString(strings.TrimSpace(line)) {
			list, text = append(list, strings.TrimSpace(text)), ""
		}
	}
	return list
}
