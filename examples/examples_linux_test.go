package examples_test

import (
	"context"
	"encoding/json"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m, testenv.Leftovers) }

// example is a program, and what it prints.
type example struct {
	name, prints string
	args         []string
	needs        func(testing.TB) // nil if it runs anywhere
	alone        bool             // it has no twin
	limited      bool             // its time may be over before its child has begun
}

var list = []example{
	{name: "daemon", prints: "serving pages\nstopping\nexit status 0\n"},
	{name: "deadline", prints: "started\nout of time\n", limited: true},
	{name: "files", prints: "to the output\nto the log\n"},
	{name: "first", prints: "started\nexit status 0: context deadline exceeded\n", alone: true, limited: true},
	{name: "lines", prints: "stderr step 1\nstderr step 2\nstderr step 3\n"},
	{name: "pipeline", prints: "apple\nfig\n"},
	{name: "restart", prints: "run 1\nexit status 1\nrun 2\nexit status 1\nrun 3\n"},
	{name: "sandbox", prints: "pid 1, user 0, host box\nno access to /etc\n", needs: needSandbox},
	{name: "user", prints: "nobody\n64\n0\n", needs: needUser},
	{name: "waits", prints: "all have ended\n", args: []string{"-n", "50"}},
	{name: "writeexec", prints: "hello\n"},
}

func needSandbox(t testing.TB) {
	f := spawn.Features()
	if !f.Has(spawn.FeatureEngine) || !f.Has(spawn.FeatureUserNamespaces) || !f.Has(spawn.FeatureLandlock) {
		testenv.Skip(t, "needs the engine, user namespaces and Landlock")
	}
}

func needUser(t testing.TB) {
	testenv.NeedRoot(t)
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "needs the engine")
	}
}

// TestExamples runs each program, and its twin with os/exec.
func TestExamples(t *testing.T) {
	all := build(t)
	for _, e := range list {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			if e.needs != nil {
				e.needs(t)
			}
			run(t, all, e.name, e)
			if !e.alone {
				run(t, all, twin(e.name), e)
			}
		})
	}
}

func twin(name string) string { return name + "/osexec" }

// run runs a program of the binary of all.
func run(t *testing.T, all, name string, e example) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Patience)
	defer cancel()
	var out []byte
	var err error
	testenv.Soon(func() bool {
		cmd := exec.CommandContext(ctx, all, e.args...)
		cmd.Env = append(os.Environ(), "EXAMPLE="+name)
		out, err = cmd.CombinedOutput()
		return !e.limited || strings.HasPrefix(string(out), "started\n")
	})
	if err != nil || string(out) != e.prints {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
}

// TestShorter wants each program to have fewer lines of code than its twin.
func TestShorter(t *testing.T) {
	for _, e := range list {
		if e.alone {
			continue
		}
		ours, theirs := lines(t, e.name), lines(t, twin(e.name))
		if ours >= theirs {
			t.Errorf("%s: %d lines, and %d with os/exec", e.name, ours, theirs)
		}
	}
}

// lines counts lines that have code.
func lines(t *testing.T, name string) int {
	t.Helper()
	text := source(t, name)
	files := token.NewFileSet()
	file := files.AddFile(name, -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0)
	seen := map[int]bool{}
	for {
		pos, tok, _ := s.Scan()
		if tok == token.EOF {
			return len(seen)
		}
		seen[file.Line(pos)] = true
	}
}

// TestREADME wants the README to have what the first program prints.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		testenv.Skip(t, "no source code here")
	}
	for _, e := range list {
		if e.name == "first" && !strings.Contains(string(text), "\n```\n"+e.prints+"```\n") {
			t.Errorf("README.md does not have %q", e.prints)
		}
	}
}

// TestAllAreListed wants the list to have each directory.
func TestAllAreListed(t *testing.T) {
	dirs, err := filepath.Glob("*/main.go")
	if err != nil || len(dirs) == 0 {
		testenv.Skip(t, "no source code here")
	}
	known := map[string]bool{}
	for _, e := range list {
		known[e.name+"/main.go"] = true
	}
	for _, d := range dirs {
		if !known[d] {
			t.Errorf("%s is not in the list", d)
		}
	}
}

func source(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(name, "main.go"))
	if err != nil {
		testenv.Skip(t, "no source code here")
	}
	return text
}

var (
	packageMain = regexp.MustCompile(`(?m)^package main$`)
	funcMain    = regexp.MustCompile(`(?m)^func main\(\)`)
)

// build makes one binary of all programs, because a link for each takes long: in the
// build each main is a function Main, which the binary picks by its name.
func build(t *testing.T) (all string) {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		testenv.Skip(t, "no go tool")
	}
	if out, err := exec.Command(tool, "list", "./first").CombinedOutput(); err != nil {
		testenv.Skip(t, "the go tool can't load this module: "+string(out))
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replaced := map[string]string{}
	put := func(path string, text string) {
		file := filepath.Join(dir, strings.ReplaceAll(path, "/", "-"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replaced[filepath.Join(here, path)] = file
	}
	imports, cases := "", ""
	for _, e := range list {
		for _, name := range []string{e.name, twin(e.name)} {
			if name == twin(e.name) && e.alone {
				continue
			}
			id := strings.ReplaceAll(name, "/", "_")
			text := packageMain.ReplaceAllString(string(source(t, name)), "package "+id)
			put(name+"/main.go", funcMain.ReplaceAllString(text, "func Main()"))
			imports += "import " + id + ` "github.com/safespawn/spawn/examples/` + name + "\"\n"
			cases += "case \"" + name + "\": " + id + ".Main()\n"
		}
	}
	put("all/main.go", "package main\n"+imports+"import \"os\"\nfunc main() {\nswitch os.Getenv(\"EXAMPLE\") {\n"+cases+"}\n}\n")
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	put("overlay.json", string(overlay))
	all = filepath.Join(dir, "all")
	cmd := exec.Command(tool, "build", "-overlay", filepath.Join(dir, "overlay.json"), "-tags", tags(), "-ldflags", "-s -w", "-o", all, "./all")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return all
}

// tags are those that this test was built with.
func tags() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" {
			return s.Value
		}
	}
	return ""
}
