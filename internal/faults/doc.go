// Package faults has only tests: each system call of starts, by the parent or the child,
// fails once, and then both have to be in order.
//
// A test starts a helper, whose seccomp filter asks the test about the calls of the
// library: those that the program makes by package syscall, and those of the child's
// assembly. The helper lives through a case, between two marks. The first time no call
// fails, and the calls are counted. Then the case is repeated for each position and each
// errno, with one call that fails. After each time the helper compares its own state with
// that before.
//
// An error that says that a descriptor is not open, or not what it was, means that other
// code has closed it. The library then leaves the number alone for good, so a descriptor
// may stay open.
//
// These calls never fail: reads and writes by the parent with EAGAIN, which promises that
// the file tells when it is ready; calls that the runtime makes for itself, as a Go program
// does not survive that; close by the parent, which closes the descriptor whatever it
// returns; the end of a process.
package faults
