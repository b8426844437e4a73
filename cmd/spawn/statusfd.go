package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/names"
)

// statusWriter writes lines of JSON to the descriptor of --status-fd: that the program
// runs, and how it has ended, or why it does not run. A nil one writes nothing.
type statusWriter struct {
	file  *os.File // the collector would close a file that nobody has
	lines chan []byte
	done  chan struct{}
}

// event is such a line. Fields that say nothing are left out.
type event struct {
	Event      string            `json:"event"` // started, ended or failed
	Time       time.Time         `json:"time"`
	Spawn      int               `json:"spawn_pid,omitempty"`
	PID        int               `json:"pid,omitempty"`
	Program    string            `json:"program,omitempty"`
	HeldBy     string            `json:"tree_held_by,omitempty"`
	Namespaces map[string]uint64 `json:"namespaces,omitempty"` // numbers of the files in /proc/PID/ns
	Lacks      []lack            `json:"lacks,omitempty"`      // of --optional
	endEvent
	failureEvent
	Status *int `json:"status,omitempty"` // as a shell finds that of spawn; not with started
}

// endEvent is how a program has ended, by itself or by a signal.
type endEvent struct {
	ExitCode  *int    `json:"exit_code,omitempty"`
	Signal    string  `json:"signal,omitempty"`
	CoreDump  bool    `json:"core_dump,omitempty"`
	TimedOut  bool    `json:"timed_out,omitempty"`
	OOMKilled bool    `json:"oom_killed,omitempty"`
	Wall      float64 `json:"wall_seconds,omitempty"`
}

// failureEvent is why a program does not run.
type failureEvent struct {
	Error  string `json:"error,omitempty"`
	Step   string `json:"step,omitempty"`
	Object string `json:"object,omitempty"`
	Errno  int    `json:"errno,omitempty"`
}

// newStatusWriter returns nil where nobody asks. A reader that does not read holds up
// nothing but the end.
func newStatusWriter(fd *int) (*statusWriter, error) {
	if fd == nil {
		return nil, nil
	}
	if err := checkInherited(*fd); err != nil {
		return nil, fmt.Errorf("--status-fd %d: %w", *fd, err)
	}
	outliveReaders() // the descriptor may be one of the standard streams
	w := &statusWriter{os.NewFile(uintptr(*fd), "status"), make(chan []byte, 2), make(chan struct{})}
	go func() {
		defer close(w.done)
		for line := range w.lines {
			if _, err := w.file.Write(line); err != nil {
				complain(fmt.Sprintf("--status-fd %d:", *fd), errors.Unwrap(err))
				break
			}
		}
		for range w.lines { // there is no reader any more
		}
	}()
	return w, nil
}

// close waits until all is written.
func (w *statusWriter) close() {
	if w != nil {
		close(w.lines)
		<-w.done
	}
}

func (w *statusWriter) write(e *event) {
	e.Time = time.Now()
	w.lines <- jsonLine(e)
}

// started says that the program runs.
func (w *statusWriter) started(proc *spawn.Process, o *options, lacks []lack) {
	if w == nil {
		return
	}
	e := &event{Event: "started", Spawn: os.Getpid(), PID: proc.Pid(), Program: o.program[0], Namespaces: namespacesOf(proc.Pid()), Lacks: lacks}
	if o.held != nil {
		e.HeldBy = o.held.Holds().By.String()
	}
	w.write(e)
}

// ended says how the program has ended.
func (w *statusWriter) ended(e *ending) {
	if w != nil {
		status := shown(e.status())
		w.write(&event{Event: "ended", PID: e.state.Pid(), endEvent: e.event(), Status: &status})
	}
}

// event is an end, for --status-fd and for --stats.
func (e *ending) event() endEvent {
	v := endEvent{CoreDump: e.state.CoreDump(), TimedOut: e.timedOut, OOMKilled: e.state.OOMKilled(), Wall: e.wall.Seconds()}
	if e.state.Signaled() {
		v.Signal = names.Signal(e.state.Signal())
	} else {
		code := e.state.ExitCode()
		v.ExitCode = &code
	}
	return v
}

// shown is a status of ours as a shell finds it.
func shown(status int) int {
	if status >= bySignal {
		return status - bySignal + statusSignal
	}
	return status
}

// failed says why the program does not run.
func (w *statusWriter) failed(err error, message string) {
	if w == nil {
		return
	}
	status, _ := classify(err)
	status = shown(status)
	w.write(&event{Event: "failed", Spawn: os.Getpid(), failureEvent: failureOf(err, message), Status: &status})
}

// failureOf is an error with what a program can tell it by.
func failureOf(err error, message string) failureEvent {
	f := failureEvent{Error: message}
	var failed *spawn.Error
	if errors.As(err, &failed) {
		f.Step, f.Object = failed.Step, failed.Object
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		f.Errno = int(errno)
	}
	return f
}

// namespacesOf are the namespaces of a process, as far as this process may know them.
func namespacesOf(pid int) map[string]uint64 {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/ns/*", pid)) // the pattern is none that is wrong
	all := map[string]uint64{}
	for _, link := range links {
		text, err := os.Readlink(link)
		kind, number, _ := strings.Cut(strings.TrimSuffix(text, "]"), ":[")
		n, bad := strconv.ParseUint(number, 10, 64)
		if err == nil && bad == nil && kind == filepath.Base(link) { // not those for children alone
			all[kind] = n
		}
	}
	return all
}

// jsonLine is a value in one line.
func jsonLine(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // no value of ours is without JSON
	}
	return b.Bytes()
}
