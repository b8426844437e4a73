//go:build linux

// Command bench compares the cost of a spawn with that of other ways of making
// one, side by side in one run.
//
//	go run . [-quick] [-only REGEXP] [-check] [-out DIR] [-tool PEER=PROGRAM] [-against NAME=PROGRAM]
//	go run . -docs ..
//
// It builds every peer that it finds tools for (cc, rustc, python3, node) and
// says which it leaves out. The results, a Markdown page, CSV files and SVG
// plots, go to DIR. On stdout it prints the main table and, for each goal,
// PASS, or SHORT and by how much.
//
// With -docs it measures nothing. It puts the results of the last run into the pages and
// the plots of the repository.
//
// With -against it measures programs only, of this version of the library and of another,
// whose benchmark PROGRAM is, and prints what got slower.
//
// With -soak N it measures nothing. It spawns N times by 8 goroutines, in many ways: half
// of the starts fail, in different ways, and a tenth is canceled. Then it says what is
// left, and whether it is too much.
//
// Other work on the machine makes all figures worse, ratios less than times.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == peerArg {
		os.Exit(goPeer())
	}
	var o options
	flag.BoolVar(&o.quick, "quick", false, "measure less: about six minutes")
	flag.BoolVar(&o.check, "check", false, "exit with 1 when a goal is missed")
	flag.Func("only", "measure the scenarios that match a `regexp`: programs, heap, combined, open files, spawners, live children, server, waiting, large output, attributes, mapped, compiled, leaks, linked",
		func(s string) (err error) {
			o.only, err = regexp.Compile(s)
			return err
		})
	flag.Func("against", "compare with another version of the library, by its own benchmark: `NAME=PROGRAM`", func(s string) (err error) {
		o.against, err = parseVersion(s)
		return err
	})
	flag.Func("tool", "take another program for a peer: `PEER=PROGRAM`, such as 'Python 3.13=/opt/python/bin/python3.13'", o.addTool)
	docs := flag.String("docs", "", "measure nothing, put the results in the directory of -out into the pages of the repository at a `directory`")
	soak := flag.Int("soak", 0, "measure nothing, spawn a `number` of times and look at what is left; at least 1000")
	flag.StringVar(&o.out, "out", "out", "`directory` for the results")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var missed bool
	var err error
	switch {
	case *docs != "":
		err = refreshDocs(o.out, *docs, os.Stderr)
	case *soak > 0:
		missed, err = o.soak(ctx, *soak)
	default:
		missed, err = o.run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if missed && o.check {
		os.Exit(1)
	}
}

type options struct {
	quick, check bool
	only         *regexp.Regexp // nil: all scenarios
	against      *version       // nil: no other version
	tools        map[string]string
	out          string
}

// addTool parses a value of -tool.
func (o *options) addTool(s string) error {
	name, program, ok := strings.Cut(s, "=")
	isPeer := slices.ContainsFunc(languages(), func(l language) bool { return l.name == name })
	if !ok || program == "" || !isPeer {
		return fmt.Errorf("%q is not PEER=PROGRAM, with a peer of the report", s)
	}
	if o.tools == nil {
		o.tools = map[string]string{}
	}
	o.tools[name] = program
	return nil
}

// run reports whether a goal was missed.
func (o options) run(ctx context.Context) (missed bool, err error) {
	dir, err := os.MkdirTemp("", "spawn-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	size := fullSize
	if o.quick {
		size = quickSize
	}
	b, err := newBench(ctx, size, o.tools, dir, os.Stderr)
	if err != nil {
		return false, err
	}
	b.only = o.only
	b.compareWith(o.against)
	if err := b.run(); err != nil {
		return false, err
	}
	if b.other != "" {
		table, slower := b.versionTable()
		fmt.Print(table)
		return slower, nil
	}
	goals := b.goals()
	fmt.Print(strings.TrimPrefix(unmarked(b.peerTable(tinyScenario)), "\n"), "\n", goalLines(goals))
	return short(goals), b.write(o.out, o.command(), goals)
}

// soak reports whether too much was left. It is always checked.
func (o *options) soak(ctx context.Context, n int) (missed bool, err error) {
	ok, err := runSoak(ctx, max(n, 1000), os.Stdout)
	o.check = true
	return !ok, err
}

// command is how the run can be repeated.
func (o options) command() string {
	c := "go run ."
	if o.quick {
		c += " -quick"
	}
	if o.only != nil {
		c += fmt.Sprintf(" -only %q", o.only)
	}
	return c
}
