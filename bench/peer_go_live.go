//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
)

// liveChild is a child that runs until it is killed.
type liveChild struct {
	wait waiter
	kill func() error
}

func startLive(method, path string) (liveChild, error) {
	if method == goExec.id {
		c := exec.Command(path)
		if err := c.Start(); err != nil {
			return liveChild{}, err
		}
		return liveChild{c.Wait, c.Process.Kill}, nil
	}
	p, err := spawn.Start(context.Background(), &spawn.Spec{Path: path})
	if err != nil {
		return liveChild{}, err
	}
	return liveChild{func() error { return check(p.Wait(context.Background())) }, p.Kill}, nil
}

// live starts n children, waits for each in a goroutine, and returns threads and
// resident bytes of this process before and then.
func live(method, path string, n int) (_ []int64, err error) {
	numbers, err := footprint()
	if err != nil {
		return nil, err
	}
	var children []liveChild
	var waits sync.WaitGroup
	defer func() {
		for _, c := range children {
			_ = c.kill() // an error would be that it has ended
		}
		waits.Wait()
	}()
	for range n {
		c, err := startLive(method, path)
		if err != nil {
			return nil, fmt.Errorf("child %d: %w", len(children), err)
		}
		children = append(children, c)
		waits.Go(func() { _ = c.wait() })
	}
	settled, err := settle()
	return append(numbers, settled...), err
}

// settle waits until the number of threads has been the same for a while.
func settle() (numbers []int64, err error) {
	const steps = 20
	for same := 0; same < steps; {
		time.Sleep(10 * time.Millisecond)
		now, err := footprint()
		if err != nil {
			return nil, err
		}
		if numbers != nil && now[0] == numbers[0] {
			same++
		} else {
			same = 0
		}
		numbers = now
	}
	return numbers, nil
}

// footprint is the number of threads and of resident bytes of this process.
func footprint() ([]int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	threads, err := statusField(status, "Threads")
	if err != nil {
		return nil, err
	}
	rss, err := statusField(status, "VmRSS")
	return []int64{threads, rss << 10}, err
}

// statusField is a number in /proc/pid/status.
func statusField(status []byte, name string) (int64, error) {
	for line := range bytes.Lines(status) {
		if value, ok := strings.CutPrefix(string(line), name+":"); ok {
			return strconv.ParseInt(strings.Fields(value)[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("no %s in /proc/self/status", name)
}

// stuck holds a child before exec, in the open of a FIFO that has no writer, and
// returns the median time of some garbage collections meanwhile: other work on
// the machine makes one long, the child would make all endless.
func stuck(ctx context.Context, fifo string) ([]int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	spec := &spawn.Spec{Path: fifo} // never gets there
	spec.Actions.Open(0, fifo, os.O_RDONLY, 0)
	done := make(chan error, 1)
	go func() {
		_, err := spawn.Start(ctx, spec)
		done <- err
	}()
	time.Sleep(50 * time.Millisecond)
	var took []float64
	for range 9 {
		begin := time.Now()
		runtime.GC()
		took = append(took, float64(time.Since(begin)))
	}
	select {
	case err := <-done:
		return nil, fmt.Errorf("the child was not stuck: %w", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("cancelled start returned %w", err)
	}
	return []int64{int64(quartilesOf(took).median)}, nil
}

// inventory counts what spawns could leave behind: open files, goroutines,
// children that nobody has waited for, and threads.
func inventory() ([]int64, error) {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var children int64
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			if pid == 0 {
				children++ // one that lives, at least
			}
			break
		}
		children++
	}
	now, err := footprint()
	if err != nil {
		return nil, err
	}
	return []int64{int64(len(files)), int64(runtime.NumGoroutine()), children, now[0]}, nil
}
