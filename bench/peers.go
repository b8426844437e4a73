//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A peer is a process that spawns on request. It reads requests from stdin and
// answers on stdout, one line each, fields separated by tabs:
//
//	run METHOD KIND PATH N SPAWNERS   spawn N times; answer: total, then each, in ns
//	files N                           open N files more
//
// and more that only the Go peer knows (peer_go.go). The answer begins with "ok"
// or "error". KIND is what the child gets as stdio: "inherit", that of the peer;
// "capture", a pipe as stdout, which the peer reads to its end; and for the Go
// peer "null", /dev/null, and "pipes", three pipes.
type peer struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// patience is how long an answer may take before the peer counts as stuck.
const patience = 2 * time.Minute

func startPeer(ctx context.Context, name string, argv []string) (*peer, error) {
	p := &peer{name: name, cmd: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// stop ends the peer: its input ends, and after a while it is killed.
func (p *peer) stop() {
	p.in.Close()
	defer time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() }).Stop()
	_ = p.cmd.Wait() // how it ends is of no interest
}

// ask sends a request and returns the numbers of the answer.
func (p *peer) ask(request ...any) ([]int64, error) { return p.askWithin(patience, request...) }

func (p *peer) askWithin(limit time.Duration, request ...any) ([]int64, error) {
	fields := make([]string, len(request))
	for i, x := range request {
		fields[i] = fmt.Sprint(x)
	}
	if _, err := io.WriteString(p.in, strings.Join(fields, "\t")+"\n"); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	defer time.AfterFunc(limit, func() { _ = p.cmd.Process.Kill() }).Stop()
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s: no answer to %q: %w", p.name, fields, err)
	}
	answer := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if answer[0] != "ok" {
		return nil, fmt.Errorf("%s: %q: %s", p.name, fields, strings.Join(answer[1:], " "))
	}
	return parseNumbers(answer[1:])
}

func parseNumbers(fields []string) ([]int64, error) {
	numbers := make([]int64, len(fields))
	for i, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil, err
		}
		numbers[i] = n
	}
	return numbers, nil
}

// job is a block of spawns.
type job struct {
	kind, path  string
	n, spawners int
	shared      bool // of a scenario with several spawners
}

// block is what a block of spawns took.
type block struct {
	total time.Duration
	each  []time.Duration
}

// mean is the time from spawn to spawn, so with several spawners the inverse of
// the throughput.
func (b block) mean() float64 { return float64(b.total) / float64(len(b.each)) }

// typical is the median of single spawns, which is little changed by other work
// on the machine.
func (b block) typical() float64 {
	each := make([]float64, len(b.each))
	for i, d := range b.each {
		each[i] = float64(d)
	}
	return quartilesOf(each).median
}

// run performs a job by a method of the peer.
func (p *peer) run(method string, j job) (block, error) {
	numbers, err := p.ask("run", method, j.kind, j.path, j.n, j.spawners)
	if err != nil {
		return block{}, err
	}
	if len(numbers) != j.n+1 {
		return block{}, fmt.Errorf("%s: %d numbers for %d spawns", p.name, len(numbers), j.n)
	}
	b := block{total: time.Duration(numbers[0])}
	for _, x := range numbers[1:] {
		b.each = append(b.each, time.Duration(x))
	}
	return b, nil
}
