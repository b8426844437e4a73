//go:build linux

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// version is another version of the library.
type version struct {
	name, program string // program is the benchmark of that version
}

func parseVersion(s string) (*version, error) {
	name, program, ok := strings.Cut(s, "=")
	if !ok || name == "" || program == "" {
		return nil, fmt.Errorf("%q is not NAME=PROGRAM", s)
	}
	return &version{name, program}, nil
}

// versionMethods are compared between versions.
var versionMethods = []method{goRun, goProgram, goCmd}

// compareWith adds another version as a peer, and leaves out all but programs.
func (b *bench) compareWith(v *version) {
	if v == nil {
		return
	}
	b.other = v.name
	l := language{name: v.name, argv: []string{v.program, peerArg}}
	for _, m := range versionMethods {
		l.methods = append(l.methods, method{m.id, b.ofOther(m.title)})
	}
	own := b.langs[0]
	own.methods = versionMethods // no garbage and no threads of others, which the other version lacks
	b.langs = []language{own, l}
	b.only = regexp.MustCompile("^programs$")
}

// ownSeries are those of this version that are not of all peers.
func (b *bench) ownSeries(peers map[string]*peer) []*series {
	return b.beside(peers["Go"], func(title string) string { return title })
}

func (b *bench) ofOther(title string) string { return title + " of " + b.other }

// otherSeries are the same of the other version, if there is one.
func (b *bench) otherSeries(peers map[string]*peer) []*series {
	if b.other == "" {
		return nil
	}
	return b.beside(peers[b.other], b.ofOther)
}

// beside are the series of a version beside those of all its methods.
func (b *bench) beside(p *peer, title func(string) string) []*series {
	all := []*series{b.tinyOf(p, outputScenario, title(goCmd.title), goCmd, "output", b.programs.writer)}
	for _, m := range []method{goRun, goCmd} {
		all = append(all, b.tinyOf(p, tinyScenario, title(m.title+nullStdio), m, "null", b.programs.tiny))
	}
	return all
}

// versionTable compares the versions, and says whether anything got slower: at least
// three rounds of four, and by a hundredth in the median.
func (b *bench) versionTable() (text string, slower bool) {
	rows := [][]string{{"", "", "x " + b.other + " (quartiles)", ""}}
	for _, s := range b.series {
		other := b.find(s.scenario, 0, b.ofOther(s.title))
		if other == nil {
			continue
		}
		q, verdict := quartilesOf(ratiosOf(s.costs(), other.costs())), "same"
		switch {
		case q.low > 1 && q.median > 1.01:
			verdict, slower = "slower", true
		case q.high < 1 && q.median < 0.99:
			verdict = "faster"
		}
		rows = append(rows, []string{s.scenario, s.title, fmt.Sprintf("%.3f (%.3f-%.3f)", q.median, q.low, q.high), verdict})
	}
	return table(rows), slower
}
