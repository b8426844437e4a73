//go:build linux

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// What a process suffers from spawning: it serves HTTP while it spawns at a fixed
// rate.
const (
	spawnRate   = 1000 // a second
	requestRate = 1000 // a second, by all clients
	clients     = 4
)

// parentSeries is a process that spawns by a method; the empty one does not.
type parentSeries struct {
	method
	rounds    []parentRound
	latencies []float64 // of all requests, ns
}

// parentRound is a round of it; all but the number are ns.
type parentRound struct {
	spawns             int64
	httpP50, httpP99   float64
	schedP50, schedP99 float64
	pauseP50, pauseP99 float64
}

var parentMethods = []method{{"", "no spawns"}, goRun, goCmd, goExec}

func parentSteps(s size) int { return s.parentRounds + 1 }

// runParent has the methods take turns in one process.
func (b *bench) runParent() error {
	p, err := b.start("Go")
	if err != nil {
		return err
	}
	defer p.stop()
	r, err := p.ask("serve")
	if err != nil {
		return err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/", r[0])
	for _, m := range parentMethods {
		b.parent = append(b.parent, &parentSeries{method: m})
	}
	order := rand.New(rand.NewPCG(1, 2))
	for round := -1; round < b.size.parentRounds; round++ {
		for _, i := range order.Perm(len(b.parent)) {
			s := b.parent[i]
			if err := b.ctx.Err(); err != nil {
				return err
			}
			r, took, err := b.parentRound(p, url, s.method)
			if err != nil {
				return fmt.Errorf("server, %s: %w", s.title, err)
			}
			if round >= 0 {
				s.rounds = append(s.rounds, r)
				s.latencies = append(s.latencies, took...)
			}
		}
		b.progress.step()
	}
	for _, s := range b.parent {
		slices.Sort(s.latencies)
	}
	return nil
}

// parentRound sends requests while the peer spawns.
func (b *bench) parentRound(p *peer, url string, m method) (parentRound, []float64, error) {
	stop := make(chan struct{})
	loaded := make(chan struct{})
	var took []float64
	var failure error
	go func() {
		defer close(loaded)
		took, failure = load(url, stop)
	}()
	rate := spawnRate
	if m.id == "" {
		m, rate = goRun, 0
	}
	n, err := p.ask("spawnat", m.id, "inherit", b.programs.tiny, rate, b.size.parentMS)
	close(stop)
	<-loaded
	if err == nil {
		err = failure
	}
	if err != nil {
		return parentRound{}, nil, err
	}
	slices.Sort(took)
	return parentRound{
		spawns:  n[0],
		httpP50: quantile(took, 0.5), httpP99: quantile(took, 0.99),
		schedP50: float64(n[1]), schedP99: float64(n[2]),
		pauseP50: float64(n[3]), pauseP99: float64(n[4]),
	}, took, nil
}

// load sends requests by all clients until stop is closed, and returns what each
// took, in ns.
func load(url string, stop <-chan struct{}) ([]float64, error) {
	var mu sync.Mutex
	var all []float64
	var failure error
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			took, err := client(url, stop)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if err != nil {
				failure = err
			}
		})
	}
	group.Wait()
	return all, failure
}

// client sends its part of the requests over one connection.
func client(url string, stop <-chan struct{}) (took []float64, err error) {
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	c := http.Client{Transport: transport}
	tick := time.NewTicker(time.Second * clients / requestRate)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return took, nil
		case <-tick.C:
		}
		begin := time.Now()
		r, err := c.Get(url)
		if err != nil {
			return took, err
		}
		_, err = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if err != nil {
			return took, err
		}
		took = append(took, float64(time.Since(begin)))
	}
}

// parentRows are all rounds, in ns.
func (b *bench) parentRows() [][]string {
	rows := [][]string{{"peer", "round", "spawns"}}
	for _, f := range parentFigures {
		rows[0] = append(rows[0], f.name+" ns")
	}
	for _, s := range b.parent {
		for i, r := range s.rounds {
			row := []string{s.title, fmt.Sprint(i), fmt.Sprint(r.spawns)}
			for _, f := range parentFigures {
				row = append(row, count(f.of(r)))
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// findParent returns a series, or nil.
func (b *bench) findParent(title string) *parentSeries {
	for _, s := range b.parent {
		if s.title == title {
			return s
		}
	}
	return nil
}

func (s *parentSeries) each(f func(parentRound) float64) []float64 {
	x := make([]float64, len(s.rounds))
	for i, r := range s.rounds {
		x[i] = f(r)
	}
	return x
}

type parentFigure struct {
	name string
	of   func(parentRound) float64
}

// parentFigures are what is compared.
var parentFigures = []parentFigure{
	{"HTTP p50", func(r parentRound) float64 { return r.httpP50 }},
	{"HTTP p99", func(r parentRound) float64 { return r.httpP99 }},
	{"run queue p50", func(r parentRound) float64 { return r.schedP50 }},
	{"run queue p99", func(r parentRound) float64 { return r.schedP99 }},
	{"GC pause p50", func(r parentRound) float64 { return r.pauseP50 }},
	{"GC pause p99", func(r parentRound) float64 { return r.pauseP99 }},
}

// parentTable has a row for each method, and one for each of ours that compares
// it with os/exec.
func (b *bench) parentTable() string {
	if b.parent == nil {
		return ""
	}
	rows := [][]string{{"", "spawns a round"}}
	for _, f := range parentFigures {
		rows[0] = append(rows[0], f.name)
	}
	for _, s := range b.parent {
		spawns := s.each(func(r parentRound) float64 { return float64(r.spawns) })
		row := []string{s.title, count(quartilesOf(spawns).median)}
		for _, f := range parentFigures {
			row = append(row, spread(quartilesOf(s.each(f.of))))
		}
		rows = append(rows, row)
	}
	base := b.findParent(osExec)
	for _, title := range []string{oursRun, oursCmd} {
		s := b.findParent(title)
		if s == nil || base == nil {
			continue
		}
		row := []string{title + " x " + osExec, ""}
		for _, f := range parentFigures {
			row = append(row, strconv.FormatFloat(ratioOf(s.each(f.of), base.each(f.of)), 'f', 2, 64))
		}
		rows = append(rows, row)
	}
	return section(serverSection, table(rows))
}
