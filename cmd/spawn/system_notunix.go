//go:build !unix

package main

import (
	"os"
	"syscall"
)

// relayed are the signals that are passed on to the program: none. A console
// sends its own to all of its processes.
var relayed []os.Signal

// resuming is what lets a stopped program go: there are none.
var resuming []os.Signal

func ends(syscall.Signal) bool { return false }

// checkInherited leaves the check to the library.
func checkInherited(int) error { return nil }

// terminal stands for a terminal that sends signals.
type terminal struct{}

func openTerminal() *terminal { return nil }

func (*terminal) close() {}

func (*terminal) sends(os.Signal) bool { return false }

func (*terminal) foreground() int { return 0 }

func (*terminal) restore(int) {}

func ownGroup() int { return 0 }

// isTerminal: a line that is written over needs to know a terminal's ways.
func isTerminal(*os.File) bool { return false }

func inForeground() bool { return false }

// outliveReaders has nothing to do without SIGPIPE.
func outliveReaders() {}

const openCarefully = 0

// otherOwner leaves it to access control lists.
func otherOwner(os.FileInfo) (uid uint32, other bool) { return 0, false }

// hardLinks does not know of other names.
func hardLinks(os.FileInfo) uint64 { return 1 }

// lockFile locks nothing.
func lockFile(*os.File) error { return nil }

func contextSwitches(*syscall.Rusage) (voluntary, involuntary int64, known bool) { return }
