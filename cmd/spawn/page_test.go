package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPagesParse wants the command lines of the pages to be ones, and all flags that are
// for programs to be in them.
func TestPagesParse(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```")
	pages := map[string]string{}
	lines := 0
	for _, page := range []string{"attributes", "trees"} {
		text, err := os.ReadFile("../../docs/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		pages[page] = string(text)
		for _, block := range blocks.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(block[1]) {
				words := strings.Fields(strings.ReplaceAll(line, "\"$(cat tool.sha256)\"", strings.Repeat("0", 64)))
				if len(words) == 0 || words[0] != "spawn" {
					continue
				}
				lines++
				if _, done, err := parse(words[1:]); done || err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		}
	}
	if lines < 24 {
		t.Errorf("%d lines", lines)
	}
	elsewhere := []string{"Files", "Running", "Spawn itself"}
	for _, f := range (&options{}).flags() {
		page, category := "attributes", groupOf(f)
		if category == "Descendants" {
			page = "trees"
		}
		if name := f.Name; !slices.Contains(elsewhere, category) && !strings.Contains(pages[page], "--"+name+" ") {
			t.Errorf("no use of --%s in %s.md", name, page)
		}
	}
}

// TestManPage wants spawn.1 to be what --man prints.
func TestManPage(t *testing.T) {
	page, err := os.ReadFile("spawn.1")
	if err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(string(page), "\r\n", "\n") != manPage((&options{}).root()) {
		t.Error("spawn.1 is not up to date: go run ./cmd/spawn --man >cmd/spawn/spawn.1")
	}
	for line := range strings.Lines(string(page)) {
		if word, _, _ := strings.Cut(line, " "); strings.HasPrefix(line, ".") && !slices.Contains([]string{".TH", ".SH", ".SS", ".TP", ".B", ".PP", ".nf", ".fi"}, strings.TrimSpace(word)) {
			t.Errorf("%q is a request", line)
		}
	}
}
