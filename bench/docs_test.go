//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPagesHaveNoUnknownMarks wants each mark of the pages to be of something that a run
// has, and all figures to have names of their own.
func TestPagesHaveNoUnknownMarks(t *testing.T) {
	known := results{map[string]string{}, map[string]string{}}
	for _, title := range sections {
		known.sections[title] = "\n"
	}
	for _, f := range figures {
		if _, ok := known.figures[f.name]; ok {
			t.Errorf("two figures %s", f.name)
		}
		known.figures[f.name] = "1"
	}
	pages, err := docPages("..")
	if err != nil {
		t.Fatal(err)
	}
	marks := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		_, lacking := known.refresh(string(text))
		if lacking != nil {
			t.Errorf("%s: no run has %q", page, lacking)
		}
		parsed := len(sectionMark.FindAllString(string(text), -1))*2 + len(figureMark.FindAllString(string(text), -1))
		if n := strings.Count(string(text), "<!-- bench") + strings.Count(string(text), "<!-- ="); n != parsed {
			t.Errorf("%s: %d marks, of which %d are understood", page, n, parsed)
		}
		marks += parsed
	}
	if marks < 50 {
		t.Errorf("%d marks in all pages", marks)
	}
}

// TestRefreshDocs refreshes a page, and leaves what the run has not.
func TestRefreshDocs(t *testing.T) {
	out, root := t.TempDir(), t.TempDir()
	plots := filepath.Join(root, "docs", "plots")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write(filepath.Join(out, "report.md"), "# A report\n"+section("heap", "| new |\n")+section(figuresSection, table([][]string{{"name", "value"}, {"cmd", "0.50"}})))
	write(filepath.Join(out, "heap.svg"), "new plot")
	readme, page := filepath.Join(root, "README.md"), filepath.Join(root, "docs", "performance.md")
	write(readme, "Run takes 0.77<!-- =cmd -->, output 0.80<!-- =output -->.\n")
	write(page, "a\n"+begin("heap")+"\n| old |\n| old |\n"+end+"\nb\n"+begin("waiting")+"\n| old |\n"+end+"\n")
	write(filepath.Join(plots, "heap.svg"), "old plot")
	write(filepath.Join(plots, "other.svg"), "old plot")
	for range 2 { // the second changes nothing
		var log strings.Builder
		if err := refreshDocs(out, root, &log); err != nil {
			t.Fatal(err)
		}
		for _, left := range []string{"output", "waiting", "other.svg"} {
			if !strings.Contains(log.String(), left) {
				t.Errorf("nothing is said of %s: %s", left, log.String())
			}
		}
		for path, want := range map[string]string{
			readme:                            "Run takes 0.50<!-- =cmd -->, output 0.80<!-- =output -->.\n",
			page:                              "a\n" + begin("heap") + "\n| new |\n" + end + "\nb\n" + begin("waiting") + "\n| old |\n" + end + "\n",
			filepath.Join(plots, "heap.svg"):  "new plot",
			filepath.Join(plots, "other.svg"): "old plot",
		} {
			if got := read(path); got != want {
				t.Errorf("%s: %q, not %q", filepath.Base(path), got, want)
			}
		}
	}
	write(filepath.Join(out, "report.md"), "nothing")
	if err := refreshDocs(out, root, &strings.Builder{}); err == nil {
		t.Error("no error of a file that is no report")
	}
}

// checkSections wants a report of a whole run to have each section, and a row for each figure
// of those that each run has.
func checkSections(t *testing.T, path string, lack ...string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := parseReport(string(text))
	for _, title := range sections {
		if r.sections[title] == "" && !slices.Contains(lack, title) {
			t.Errorf("no section %s", title)
		}
	}
	for title := range r.sections {
		if !slices.Contains(sections, title) {
			t.Errorf("section %s is not in the list", title)
		}
	}
	for _, name := range []string{"cmd", "output", "program", "large", "allocs-exec", "http-p99", "size-cmd", "spawners-most", "program-exec"} {
		if r.figures[name] == "" {
			t.Errorf("no figure %s", name)
		}
	}
}

// leftOut are the sections that need what a machine may lack.
func leftOut(b *bench) (titles []string) {
	for _, title := range []string{dynamicScenario, combinedScenario, largeScenario} {
		if !slices.ContainsFunc(b.series, func(s *series) bool { return s.scenario == title }) {
			titles = append(titles, title)
		}
	}
	if b.linked == nil {
		titles = append(titles, linkedScenario)
	}
	return titles
}
