package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// TestPageParses wants the command lines of docs/attributes.md to be ones, and all
// flags that set attributes to be in them.
func TestPageParses(t *testing.T) {
	text, err := os.ReadFile("../../docs/attributes.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			lines++
			words := strings.Fields(line)
			if _, done, err := parse(words[1:]); words[0] != "spawn" || done || err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	if lines < 20 {
		t.Errorf("%d lines", lines)
	}
	notAttributes := []string{"Files", "Descendants", "Running", "Spawn itself"}
	for _, f := range (&options{}).flags() {
		category := f.(cli.CategorizableFlag).GetCategory()
		if name := f.Names()[0]; !slices.Contains(notAttributes, category) && !strings.Contains(string(text), "--"+name+" ") {
			t.Errorf("no use of --%s", name)
		}
	}
}
