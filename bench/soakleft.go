//go:build linux

package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// remains are what a process has that it must not have more and more of.
type remains struct {
	files, children, goroutines, threads, cgroups int
	rss                                           int64 // bytes
}

func (r remains) String() string {
	return fmt.Sprintf("%d files, %d children, %d goroutines, %d threads, %d cgroups, %.1f MB resident",
		r.files, r.children, r.goroutines, r.threads, r.cgroups, float64(r.rss)/1e6)
}

// maxThreads bounds the threads: each goroutine may be in a system call, the library
// keeps a few, and so does the runtime.
const maxThreads = 4*soakers + 16

// report prints what is left since the first tenth, and whether that is all right.
func (r remains) report(out io.Writer, first remains) (ok bool) {
	ok = true
	for _, x := range []struct {
		what      string
		now, most int
	}{
		{"files more", r.files - first.files, 0},
		{"children", r.children, 0},
		{"goroutines more", r.goroutines - first.goroutines, 0},
		{"threads", r.threads, maxThreads},
		{"cgroups more", r.cgroups - first.cgroups, 0},
		{"% of resident memory more", int((r.rss - first.rss) * 100 / first.rss), 10},
	} {
		verdict := "PASS "
		if x.now > x.most {
			verdict, ok = "SHORT", false
		}
		fmt.Fprintf(out, "%s  %d %s, at most %d\n", verdict, x.now, x.what, x.most)
	}
	return ok
}

// settled is what there is once what happens in the background has come to an end.
func settled() (r remains, err error) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		runtime.GC() // files and children that are garbage are let go of
		before := r
		if r, err = look(); err != nil {
			return r, err
		}
		calm := r.children == 0 && r.files == before.files && r.goroutines == before.goroutines && r.cgroups == before.cgroups
		if calm || time.Now().After(end) {
			return r, nil
		}
	}
}

// look counts.
func look() (r remains, err error) {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return r, err
	}
	numbers, err := footprint()
	if err != nil {
		return r, err
	}
	r = remains{files: len(files), goroutines: runtime.NumGoroutine(), threads: int(numbers[0]), rss: numbers[1], cgroups: ownCgroups()}
	var status syscall.WaitStatus
	// Zombies are for the library to reap, so they are only counted.
	if children, err := os.ReadDir("/proc/self/task"); err == nil {
		for _, task := range children {
			list, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
			r.children += len(strings.Fields(string(list)))
		}
	}
	if r.children == 0 {
		if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err == nil && pid >= 0 {
			r.children = 1 // where /proc has no list of them
		}
	}
	return r, nil
}

// ownCgroups counts the control groups that this process has made below its own: its pid
// is in their names. Others may make some there at the same time.
func ownCgroups() (n int) {
	own := fmt.Sprintf("-%d-", os.Getpid())
	mounts, _ := os.ReadFile("/proc/self/mounts")
	groups, _ := os.ReadFile("/proc/self/cgroup")
	mount := ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); mount == "" && len(f) > 2 && f[2] == "cgroup2" {
			mount = f[1]
		}
	}
	for line := range strings.Lines(string(groups)) {
		path, v2 := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !v2 || mount == "" {
			continue
		}
		_ = filepath.WalkDir(filepath.Join(mount, path), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && strings.Contains(d.Name(), own) {
				n++
			}
			return nil // one that has vanished meanwhile
		})
	}
	return n
}
