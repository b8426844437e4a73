//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
)

// The Go peer is this program, started with peerArg. Besides what all peers know
// (peers.go) it answers:
//
//	heap BYTES                 allocate and touch as much
//	allocs METHOD KIND PATH N  answer: allocations and bytes of N spawns
//	live METHOD PATH N         answer: threads and resident bytes, before and while N children are waited for
//	stuck FIFO                 answer: ns of a garbage collection while a child is stuck before exec
//	serve                      start an HTTP server; answer: its port
//	spawnat METHOD KIND PATH RATE MS  spawn so often a second; answer: number, p50 and p99 of run queue and GC pause in ns
//	cgroup DIR                 in which the method "combined" starts children; may be empty
//	map BYTES                  map as much memory, and touch none of it
//	cpu METHOD KIND PATH MS    spawn for so long; answer: spawns, and ns of processor time outside of and in the kernel
//	compile PATH N             answer: resident bytes before and with N compiled Programs
//	left                       answer: open files, goroutines, children and threads of this process
const peerArg = "go-peer"

// goPeer answers until its input ends.
func goPeer() int {
	g := &worker{spawns: map[spawnKey]spawnFunc{}}
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return 0
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(g.answer(strings.Split(strings.TrimSuffix(line, "\n"), "\t")))
	}
}

// worker is the state of the Go peer.
type worker struct {
	spawns map[spawnKey]spawnFunc
	files  []*os.File
	heap   [][]byte
	cgroup string
}

type spawnKey struct{ method, kind, path string }

// spawn makes the function once for each method, kind and program.
func (g *worker) spawn(method, kind, path string) (spawnFunc, error) {
	k := spawnKey{method, kind, path}
	if f := g.spawns[k]; f != nil {
		return f, nil
	}
	f, err := newSpawn(method, kind, path)
	if method == goCombined.id {
		f, err = combinedSpawn(path, g.cgroup)
	}
	if name, ok := strings.CutPrefix(method, attrPrefix); ok {
		f, err = attrSpawn(name, path, g.cgroup)
	}
	if err == nil {
		g.spawns[k] = f
	}
	return f, err
}

func (g *worker) answer(request []string) string {
	numbers, err := g.perform(request)
	if err != nil {
		return "error\t" + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	var b strings.Builder
	b.WriteString("ok")
	for _, n := range numbers {
		b.WriteByte('\t')
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.String()
}

func (g *worker) perform(request []string) ([]int64, error) {
	args := request[1:]
	number := func(i int) int {
		n, _ := strconv.Atoi(args[i]) // 0 makes no sense anywhere and is refused
		return n
	}
	switch {
	case request[0] == "run" && len(args) == 5 && number(3) > 0 && number(4) > 0:
		f, err := g.spawn(args[0], args[1], args[2])
		if err != nil {
			return nil, err
		}
		return measure(number(3), number(4), f)
	case request[0] == "files" && len(args) == 1:
		return nil, g.openFiles(number(0))
	case request[0] == "heap" && len(args) == 1:
		g.grow(number(0))
		return nil, nil
	case request[0] == "cgroup" && len(args) == 1:
		g.cgroup = args[0]
		return nil, nil
	case request[0] == "allocs" && len(args) == 4 && number(3) > 0:
		f, err := g.spawn(args[0], args[1], args[2])
		if err != nil {
			return nil, err
		}
		return allocations(number(3), f)
	case request[0] == "live" && len(args) == 3:
		return live(args[0], args[1], number(2))
	case request[0] == "stuck" && len(args) == 1:
		return stuck(context.Background(), args[0])
	case request[0] == "serve" && len(args) == 0:
		return g.serve()
	case request[0] == "spawnat" && len(args) == 5 && number(4) > 0:
		f, err := g.spawn(args[0], args[1], args[2])
		if err != nil {
			return nil, err
		}
		return spawnAt(f, number(3), number(4))
	case request[0] == "map" && len(args) == 1:
		_, err := unix.Mmap(-1, 0, number(0), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		return nil, err
	case request[0] == "cpu" && len(args) == 4 && number(3) > 0:
		f, err := g.spawn(args[0], args[1], args[2])
		if err != nil {
			return nil, err
		}
		return processorTime(time.Duration(number(3))*time.Millisecond, f)
	case request[0] == "compile" && len(args) == 2:
		return compiled(args[0], number(1))
	case request[0] == "left" && len(args) == 0:
		return inventory()
	}
	return nil, fmt.Errorf("unknown request")
}

// measure spawns n times from a number of goroutines and returns the time that
// all took and that each took.
func measure(n, spawners int, f spawnFunc) ([]int64, error) {
	took := make([]int64, n+1)
	begin := time.Now()
	var err error
	if spawners == 1 {
		err = spawnEach(took[1:], f)
	} else {
		err = spawnAtOnce(took[1:], spawners, f)
	}
	took[0] = int64(time.Since(begin))
	return took, err
}

func spawnEach(took []int64, f spawnFunc) error {
	for i := range took {
		t := time.Now()
		if err := f(); err != nil {
			return err
		}
		took[i] = int64(time.Since(t))
	}
	return nil
}

func spawnAtOnce(took []int64, spawners int, f spawnFunc) error {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, spawners)
	for s := range spawners {
		group.Go(func() {
			for errs[s] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(took) {
					return
				}
				errs[s] = spawnEach(took[i:i+1], f)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// openFiles opens files that the next spawns have to cope with: distinct ones,
// as a server has. Such a process has passed a file to a child before.
func (g *worker) openFiles(n int) error {
	s := &spawn.Spec{Path: "/"}
	s.Actions.File(os.Stdin, 0)
	if _, err := spawn.Compile(s); err != nil {
		return err
	}
	for range n {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		g.files = append(g.files, f)
	}
	return nil
}

// grow allocates and touches every page.
func (g *worker) grow(bytes int) {
	const chunk = 64 << 20
	for ; bytes > 0; bytes -= chunk {
		b := make([]byte, chunk)
		for i := 0; i < len(b); i += os.Getpagesize() {
			b[i] = 1
		}
		g.heap = append(g.heap, b)
	}
}

// allocations counts those of n spawns in the whole process, which does nothing
// else. A first spawn makes what is made once.
func allocations(n int, f spawnFunc) ([]int64, error) {
	if err := f(); err != nil {
		return nil, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		if err := f(); err != nil {
			return nil, err
		}
	}
	runtime.ReadMemStats(&after)
	return []int64{int64(after.Mallocs - before.Mallocs), int64(after.TotalAlloc - before.TotalAlloc)}, nil
}
