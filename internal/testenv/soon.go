package testenv

import (
	"errors"
	"testing"
	"time"
)

// Soon asks again and again, until f says yes or it has taken too long.
func Soon(f func() bool) bool { return within(Patience, f) }

// shortly is how long what is left behind may take to go away.
const shortly = 2 * time.Second

// within asks less often the longer it has waited, as some questions cost much.
func within(d time.Duration, f func() bool) bool {
	for start := time.Now(); ; {
		if f() {
			return true
		}
		waited := time.Since(start)
		if waited > d {
			return false
		}
		time.Sleep(min(max(waited/10, time.Millisecond), 20*time.Millisecond))
	}
}

// Eventually fails the test where f does not say yes soon.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	if !Soon(f) {
		t.Fatal("waited in vain: " + what)
	}
}

// Await is what comes from c.
func Await[T any](t testing.TB, what string, c <-chan T) (x T) {
	t.Helper()
	select {
	case x = <-c:
	case <-time.After(Patience):
		t.Fatal("nothing happened for long: " + what)
	}
	return x
}

// AtOnce calls f by so many goroutines, and returns what went wrong in any.
func AtOnce(goroutines int, f func() error) (err error) {
	errs := make(chan error)
	for range goroutines {
		go func() { errs <- f() }()
	}
	for range goroutines {
		err = errors.Join(err, <-errs)
	}
	return err
}
