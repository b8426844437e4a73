//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == peerArg {
		os.Exit(goPeer())
	}
	os.Exit(m.Run())
}

// testLog shows what the benchmark says.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// TestRun makes a whole run, as small as can be, with all peers that there are.
func TestRun(t *testing.T) {
	size := size{
		rounds: 2, block: 2, sweepRounds: 1,
		heaps: []int{0}, files: []int{10, 100}, spawners: []int{1, 3}, live: []int{5},
		parentRounds: 1, parentMS: 30, sleeps: []int{20}, mapped: []int{0, 1}, programs: []int{10}, attrMS: 20, leak: leakPart,
	}
	b, err := newBench(context.Background(), size, nil, t.TempDir(), testLog{t})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	goals := b.goals()
	out := t.TempDir()
	if err := b.write(out, "go test", goals); err != nil {
		t.Fatal(err)
	}
	for _, l := range b.langs {
		for _, m := range l.methods {
			if s := b.find(tinyScenario, 0, m.title); s == nil || len(s.blocks) != size.rounds {
				t.Errorf("no result of %s", m.title)
			}
		}
	}
	for _, name := range []string{"report.md", "results.csv", "rounds.csv", "live.csv", "heap.svg", "files.svg", "pipes.svg",
		"spawners.svg", "threads.svg", "rss.svg", "cdf-tiny.svg", "cdf-capture.svg", "cdf-http.svg",
		"waiting.svg", "server.csv"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !slices.ContainsFunc(goals, func(g goal) bool { return g.missing == "" }) {
		t.Error("no goal was judged")
	}
	checkReport(t, filepath.Join(out, "report.md"))
	checkSections(t, filepath.Join(out, "report.md"), leftOut(b)...)
}

// checkReport looks for what must never be in a published page.
func checkReport(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"NaN", "%!", dir, os.TempDir() + "/"} {
		if strings.Contains(string(text), bad) {
			t.Errorf("the report contains %q", bad)
		}
	}
	if host, err := os.Hostname(); err == nil && len(host) > 8 && strings.Contains(string(text), host) {
		t.Error("the report names this host")
	}
}

// TestMethods has every method of the Go peer spawn once with each kind of stdio
// that it is used with, and notice a child that fails.
func TestMethods(t *testing.T) {
	p, err := makePrograms(t.TempDir(), []int{20})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, path string
		methods    []method
	}{
		{"inherit", p.tiny, []method{goRun, goProgram, goExec, goStartProcess, goForkExec}},
		{"null", p.tiny, []method{goRun, goExec}},
		{"capture", p.writer, []method{goRun, goExec, goStartProcess}},
		{"pipes", p.tiny, []method{goRun, goExec}},
	} {
		for _, m := range c.methods {
			f, err := newSpawn(m.id, c.kind, c.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := f(); err != nil {
				t.Errorf("%s, %s: %v", m.title, c.kind, err)
			}
			failing, err := newSpawn(m.id, c.kind, "/bin/false")
			if err != nil {
				t.Fatal(err)
			}
			if failing() == nil {
				t.Errorf("%s, %s: a failure was not noticed", m.title, c.kind)
			}
		}
	}
}

func TestPeerReportsErrors(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := startPeer(context.Background(), "Go", []string{exe, peerArg})
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	for _, request := range [][]any{
		{"nonsense"},
		{"run", "run", "inherit", "/nonexistent/program", 1, 1},
		{"run", "run", "inherit", "/bin/true", 0, 1},
		{"run", "nobody", "inherit", "/bin/true", 1, 1},
		{"run"},
	} {
		if _, err := p.ask(request...); err == nil {
			t.Errorf("%v: no error", request)
		}
	}
	if _, err := p.ask("left"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestMissingToolIsLeftOut(t *testing.T) {
	l := language{name: "X", tool: "no-such-compiler"}
	if _, err := l.prepare(context.Background(), t.TempDir()); err == nil {
		t.Error("no error")
	}
}

// TestSoak is the soak program, short.
func TestSoak(t *testing.T) {
	var out strings.Builder
	ok, err := runSoak(context.Background(), 5000, &out)
	t.Log(out.String())
	if err != nil {
		t.Fatal(err)
	}
	// The memory of so few spawns is that of the runtime, which is still growing.
	for line := range strings.Lines(out.String()) {
		if !ok && strings.HasPrefix(line, "SHORT") && !strings.Contains(line, "memory") {
			t.Error(line)
		}
	}
}

// TestVersions compares this version with itself.
func TestVersions(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBench(context.Background(), size{rounds: 4, block: 2, sweepRounds: 1}, nil, t.TempDir(), testLog{t})
	if err != nil {
		t.Fatal(err)
	}
	v, err := parseVersion("before=" + exe)
	if err != nil {
		t.Fatal(err)
	}
	b.compareWith(v)
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	text, _ := b.versionTable()
	t.Log("\n" + text)
	rows := strings.Count(text, "\n") - 2
	want := 3 + 1 + 2 + 2 // the tiny program, Output, other streams, captured output
	if b.programs.dynamic != "" {
		want += 3
	}
	if rows != want {
		t.Errorf("%d rows, not %d", rows, want)
	}
	for _, s := range b.series {
		if other := b.find(s.scenario, 0, b.ofOther(s.title)); other != nil {
			for i := range s.blocks {
				s.blocks[i].each = []time.Duration{120}
				other.blocks[i].each = []time.Duration{100}
			}
		}
	}
	if text, slower := b.versionTable(); !slower || strings.Count(text, "slower") != rows {
		t.Errorf("a fifth more is not slower:\n%s", text)
	}
	if _, err := parseVersion("=x"); err == nil {
		t.Error("no error")
	}
}
