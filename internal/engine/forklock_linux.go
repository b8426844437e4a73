//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"context"
	"syscall"
)

// lockFork is syscall.ForkLock.Lock, for as long as ctx lets it wait.
func lockFork(ctx context.Context) error {
	return lockWithin(ctx, syscall.ForkLock.TryLock, syscall.ForkLock.Lock, syscall.ForkLock.Unlock)
}

// rlockFork is syscall.ForkLock.RLock in the same way.
func rlockFork(ctx context.Context) error {
	return lockWithin(ctx, syscall.ForkLock.TryRLock, syscall.ForkLock.RLock, syscall.ForkLock.RUnlock)
}

// lockWithin locks, or returns the error of ctx, and unlocks later what it has
// waited for in vain.
func lockWithin(ctx context.Context, try func() bool, lock, unlock func()) error {
	if try() {
		return nil
	}
	if ctx.Done() == nil {
		lock()
		return nil
	}
	locked := make(chan struct{})
	go func() {
		if ctx.Err() != nil {
			return // beside a writer that waits, readers wait
		}
		lock()
		select {
		case locked <- struct{}{}:
		case <-ctx.Done():
			unlock()
		}
	}()
	select {
	case <-locked:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
