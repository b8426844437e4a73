//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The report and the pages of the repository mark what comes from a run: a section by
// lines before and after it, and a single figure by a comment after it, with its name.
// Who reads a page does not see the marks.
//
//	<!-- bench: heap -->
//	| GiB | ...
//	<!-- bench end -->
//	Run takes 0.77<!-- =cmd --> of os/exec.
const (
	beginPrefix = "<!-- bench: "
	end         = "<!-- bench end -->"

	figuresSection  = "figures"
	machineSection  = "machine"
	goalsSection    = "goals"
	allocsSection   = "allocations"
	liveSection     = "live children"
	serverSection   = "server"
	compiledSection = "compiled Programs"
)

// sections are those that a whole run has.
var sections = []string{
	machineSection, goalsSection, tinyScenario, dynamicScenario, captureScenario, heapScenario, combinedScenario, filesScenario, pipesScenario,
	spawnersScenario, liveSection, serverSection, waitScenario, largeScenario, attrScenario, mappedScenario, compiledSection, linkedScenario,
	allocsSection, figuresSection,
}

func begin(title string) string { return beginPrefix + title + " -->" }

var (
	sectionMark = regexp.MustCompile(`(?s)<!-- bench: ([^>]*) -->\n(.*?)<!-- bench end -->`)
	figureMark  = regexp.MustCompile(`([0-9][0-9.,]*)(<!-- =([a-z0-9-]+) -->)`)
)

// unmarked is a section of the report without its marks.
func unmarked(text string) string { return sectionMark.ReplaceAllString(text, "$2") }

// results are what a report has.
type results struct {
	sections, figures map[string]string
}

func parseReport(report string) results {
	r := results{map[string]string{}, map[string]string{}}
	for _, m := range sectionMark.FindAllStringSubmatch(report, -1) {
		r.sections[m[1]] = m[2]
	}
	for line := range strings.Lines(r.sections[figuresSection]) {
		if cells := strings.Split(line, "|"); len(cells) == 4 {
			r.figures[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[2])
		}
	}
	return r
}

// refresh replaces in a page what is marked. It returns what the results lack.
func (r results) refresh(page string) (text string, lacking []string) {
	text = sectionMark.ReplaceAllStringFunc(page, func(old string) string {
		title := sectionMark.FindStringSubmatch(old)[1]
		body, ok := r.sections[title]
		if !ok {
			lacking = append(lacking, title)
			return old
		}
		return begin(title) + "\n" + body + end
	})
	text = figureMark.ReplaceAllStringFunc(text, func(old string) string {
		m := figureMark.FindStringSubmatch(old)
		value, ok := r.figures[m[3]]
		if !ok {
			lacking = append(lacking, m[3])
			return old
		}
		return value + m[2]
	})
	return text, lacking
}

// refreshDocs puts the results in the directory out into the pages of the repository at
// root, and the plots beside them. What the run has left out stays as it was.
func refreshDocs(out, root string, log io.Writer) error {
	report, err := os.ReadFile(filepath.Join(out, "report.md"))
	if err != nil {
		return err
	}
	r := parseReport(string(report))
	if len(r.sections) == 0 {
		return fmt.Errorf("%s is not a report", filepath.Join(out, "report.md"))
	}
	pages, err := docPages(root)
	if err != nil {
		return err
	}
	for _, page := range pages {
		old, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		text, lacking := r.refresh(string(old))
		if len(lacking) > 0 {
			slices.Sort(lacking)
			fmt.Fprintf(log, "%s: as before, not in this run: %s\n", filepath.Base(page), strings.Join(slices.Compact(lacking), ", "))
		}
		if text == string(old) {
			continue
		}
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(log, "%s: refreshed\n", filepath.Base(page))
	}
	return refreshPlots(out, filepath.Join(root, "docs", "plots"), log)
}

// docPages are the pages that may have marks.
func docPages(root string) ([]string, error) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	return append(pages, filepath.Join(root, "README.md")), err
}

// refreshPlots copies the plots that the pages have.
func refreshPlots(out, dir string, log io.Writer) error {
	plots, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil {
		return err
	}
	for _, plot := range plots {
		name := filepath.Base(plot)
		image, err := os.ReadFile(filepath.Join(out, name))
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(log, "%s: as before, not in this run\n", name)
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(plot, image, 0o644); err != nil {
			return err
		}
	}
	return nil
}
