//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/pidns"
)

// space is a pid namespace that holds a tree. To kill all in it is to kill its init, so
// the next start makes another.
type space struct {
	mu     sync.Mutex
	now    *pidns.Namespace // nil where there is none
	used   bool             // somebody has asked for now
	dead   []*pidns.Namespace
	closed bool
}

// newSpace makes a pid namespace, where this process may.
func newSpace() (holder, error) {
	n, err := pidns.New()
	if err != nil {
		return nil, err
	}
	return &space{now: n}, nil
}

// PIDNamespace opens the pid namespace in which a child must be made; nil where there is
// none.
func (t *Tree) PIDNamespace() func() (*os.File, error) {
	if s, ok := t.holder.(*space); ok {
		return s.open
	}
	return nil
}

// open returns the file of the namespace. Whoever may have got it is a member from then
// on.
func (s *space) open() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.now != nil && !s.now.Usable() { // somebody outside has killed it
		s.dead, s.now = append(s.dead, s.now), nil
	}
	if s.now == nil {
		n, err := pidns.New()
		if err != nil {
			return nil, err
		}
		s.now = n
	}
	s.used = true
	return s.now.File(), nil
}

// all are the namespaces that may have members. Those that were killed and have none are
// let go of.
func (s *space) all() []*pidns.Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.dead[:0]
	for _, n := range s.dead {
		if list, err := n.Members(); err != nil || len(list) > 0 || n.Alive() {
			left = append(left, n)
		} else {
			n.Close() // nobody is in it
		}
	}
	s.dead = left
	list := append([]*pidns.Namespace{}, left...)
	if s.now != nil {
		list = append(list, s.now)
	}
	return list
}

// KillEach is KillAll: the next child gets another namespace.
func (s *space) KillEach() (some bool, err error) { return s.KillAll() }

// KillAll kills the init.
func (s *space) KillAll() (some bool, err error) {
	some = !s.Empty()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil || !s.used {
		return some, nil
	}
	s.now.Kill()
	s.dead, s.now, s.used = append(s.dead, s.now), nil, false
	return some, nil
}

func (s *space) Signal(sig syscall.Signal) (some bool, err error) {
	if sig == syscall.SIGKILL {
		return s.KillAll()
	}
	for _, n := range s.all() {
		any, serr := n.Signal(sig)
		if !errors.Is(serr, os.ErrClosed) { // nobody is in it
			some, err = some || any, errors.Join(err, serr)
		}
	}
	return some, err
}

// count is how many there are, at least. The error says why there may be more.
func (s *space) count() (sum int, err error) {
	for _, n := range s.all() {
		list, nerr := n.Members()
		sum += len(list)
		if nerr != nil && !errors.Is(nerr, os.ErrClosed) { // one that was closed has none
			err = errors.Join(err, nerr)
		}
	}
	return sum, err
}

func (s *space) Count() int {
	sum, err := s.count()
	if sum == 0 && err != nil {
		return -1
	}
	return sum
}

func (s *space) Empty() bool { return s.Count() == 0 }

// Times between two looks: to look takes a time that grows with the number of processes
// of the system.
const (
	leastPause = 500 * time.Microsecond
	mostPause  = 100 * time.Millisecond
)

// AwaitEmpty looks at those namespaces, too, that are made meanwhile.
func (s *space) AwaitEmpty(ctx context.Context) error {
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		sum, err := s.count()
		if sum == 0 && (err == nil || !kernel.Passes(err)) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *space) Usage() (Usage, error) {
	return Usage{}, fmt.Errorf("spawn: nobody counts what a pid namespace uses: %w", errors.ErrUnsupported)
}

func (s *space) OOMKills() (n int, ok bool) { return 0, false }

func (s *space) End(d time.Duration) error {
	s.mu.Lock()
	s.closed, s.used = true, true
	s.mu.Unlock()
	_, _ = s.KillAll() // the count says what is left
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	_ = s.AwaitEmpty(ctx) // the same
	left, err := s.count()
	for _, n := range s.all() {
		n.Close()
	}
	s.mu.Lock()
	s.dead = nil
	s.mu.Unlock()
	switch {
	case left > 0:
		return fmt.Errorf("%d killed processes of a pid namespace don't end: %w", left, syscall.EBUSY)
	case err != nil:
		return fmt.Errorf("killed processes of a pid namespace may be left: %w", err)
	}
	return nil
}

func (s *space) Remove() error { return s.End(goneTime) }

// Abandon lets the processes in it live. The init goes when they have ended.
func (s *space) Abandon(empty func()) {
	if s.Empty() {
		empty()
		_ = s.End(goneTime) // nobody is left to be told
		return
	}
	go func() {
		for s.AwaitEmpty(context.Background()) != nil { // it says nothing of them
			time.Sleep(time.Second)
		}
		empty()
		_ = s.End(goneTime) // nobody is left to be told
	}()
}
