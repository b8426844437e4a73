package testenv_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page reads a file of the module.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(sources(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestPromisesHaveTests wants the tests that the pages name to be there, and each row of a
// table of promises to name one or a script.
func TestPromisesHaveTests(t *testing.T) {
	root, tests := sources(t), map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	walk(t, root, ".go", func(name string) {
		if strings.HasSuffix(name, "_test.go") {
			for _, m := range function.FindAllStringSubmatch(page(t, name), -1) {
				tests[m[1]] = true
			}
		}
	})
	has := func(name string) bool {
		prefix, ok := strings.CutSuffix(name, "*")
		for test := range tests {
			if test == name || ok && strings.HasPrefix(test, prefix) {
				return true
			}
		}
		return false
	}
	named := 0
	walk(t, root, ".md", func(name string) {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)[A-Z0-9]\\w*\\*?)`").FindAllStringSubmatch(page(t, name), -1) {
			named++
			if !has(m[1]) {
				t.Errorf("%s names %s, which is no test", name, m[1])
			}
		}
	})
	if named < 100 {
		t.Errorf("%d names", named)
	}
	for _, name := range []string{"README.md", "docs/security.md", "docs/promises.md", "docs/trees.md"} {
		promises(t, name)
	}
}

// promises looks at the tables that have a column of tests.
func promises(t *testing.T, name string) {
	within, rows := false, 0
	for line := range strings.Lines(page(t, name)) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		switch last := cells[len(cells)-1]; {
		case !strings.HasPrefix(line, "|"):
			within = false
		case last == "test" || last == "package exec":
			within = true
		case within && !strings.HasPrefix(line, "| ---"):
			rows++
			if !regexp.MustCompile("`Test|`\\.ci/|bench|#|all of these").MatchString(line) {
				t.Errorf("%s: no test of %q", name, cells[0])
			}
		}
	}
	if rows < 5 {
		t.Errorf("%s: %d promises", name, rows)
	}
}

// TestREADMEBegins wants the README to have its parts in the order in which a stranger
// needs them, and few words before the first table.
func TestREADMEBegins(t *testing.T) {
	text, at := page(t, "README.md"), 0
	for _, part := range []string{
		"# spawn\n", "```sh\ngo run ./cmd/spawn", "go test ./... ./cmd/spawn", "[![", "![Threads", "go get " + module + "\n", "```go\npackage main\n",
		"\n## Drop-in", "\n## When not", "\n## What it promises\n", "\n| promise |", "\n## What it costs\n", "\n## Status and versions\n",
	} {
		i := strings.Index(text[at:], part)
		if i < 0 {
			t.Fatalf("no %q after byte %d", part, at)
		}
		at += i
	}
	if first, _, _ := strings.Cut(text, "\n| "); len(strings.Fields(first)) > 600 {
		t.Errorf("%d words before the first table", len(strings.Fields(first)))
	}
	for _, m := range regexp.MustCompile(`/actions/workflows/([\w.]+)`).FindAllStringSubmatch(text, -1) {
		page(t, ".github/workflows/"+m[1])
	}
	if !strings.Contains(page(t, "go.mod"), "module "+module+"\n") || strings.Contains(text, "pkg.go.dev/") && !strings.Contains(text, "pkg.go.dev/"+module+")") {
		t.Error("the badge is of another module")
	}
}

// TestREADMENumbers wants the README's costs to be in the report.
func TestREADMENumbers(t *testing.T) {
	_, costs, _ := strings.Cut(page(t, "README.md"), "\n## What it costs\n")
	costs, _, _ = strings.Cut(costs, "\n## ")
	report, rows := page(t, "docs/performance.md"), 0
	for line := range strings.Lines(costs) {
		if strings.HasPrefix(line, "|") {
			rows++
			if !strings.Contains(report, line) {
				t.Errorf("not in the report: %s", line)
			}
		}
	}
	if rows < 10 {
		t.Errorf("%d rows", rows)
	}
	if !strings.HasPrefix(report, "# What a spawn costs\n\n## Is it faster for you?\n") || !strings.Contains(report[strings.LastIndex(report, "\n## "):], "\n## Goals\n") {
		t.Error("the report does not begin with what a user asks, or does not end with the goals")
	}
}

// TestNoTemporaryFiles wants the library and the command to make no temporary file, whose
// name somebody could guess.
func TestNoTemporaryFiles(t *testing.T) {
	root, found, files := sources(t), regexp.MustCompile(`\b(CreateTemp|MkdirTemp|TempDir)\b|"/tmp`), 0
	walk(t, root, ".go", func(name string) {
		if strings.HasSuffix(name, "_test.go") || regexp.MustCompile(`^(internal/testenv|bench|examples|tools)/`).MatchString(name) {
			return
		}
		files++
		if m := found.FindString(page(t, name)); m != "" {
			t.Errorf("%s: %s", name, m)
		}
	})
	if files < 100 {
		t.Errorf("%d files", files)
	}
}
