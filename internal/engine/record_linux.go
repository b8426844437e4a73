//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/raw"
)

// recordPipe is where a child that does not share memory with this process writes
// why it has failed. It closes at execve.
type recordPipe struct {
	r    *raw.Run
	read int
	w    int // the child's end, here until it is made

	rest   []byte // what was read and is not a whole thing yet
	failed int    // reads in a row that have

	listens   bool     // the first thing that the child writes is number, unless it fails before
	announced bool     // it has
	number    uint64   // what its listener will have
	results   []uint64 // of calls of optional attributes
}

// announcedSize is the size of the number.
const announcedSize = 8

// openRecord makes the pipe.
func openRecord(a *attempt) (*recordPipe, error) {
	pipe, err := highfd.Pipe(unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w, err := a.fds.Unnamed(pipe[1])
	if err != nil {
		unix.Close(pipe[0])
		return nil, err
	}
	a.fds.SetRecord(a.r, w)
	return &recordPipe{r: a.r, read: pipe[0], w: w, listens: a.listens != nil}, nil
}

func (p *recordPipe) closeWriter() {
	unix.Close(p.w)
	p.w = -1
}

// await waits for a time for the child's record, or for its end to be closed. It returns
// false as soon as the child has announced something.
func (p *recordPipe) await(limit time.Duration) bool {
	was := p.announced
	if p.look() {
		return true
	}
	if p.announced != was {
		return false
	}
	if p.lost() {
		time.Sleep(restTime / 100)
		return false
	}
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(p.read), Events: unix.POLLIN}}, int(limit.Milliseconds()))
	return p.look()
}

// lost reports whether the record can't be read: other code may have closed the descriptor.
func (p *recordPipe) lost() bool { return p.failed >= askTries }

// look reads what there is, and reports whether nothing more is to come.
func (p *recordPipe) look() bool {
	buf := make([]byte, 256)
	for {
		n, err := unix.Read(p.read, buf)
		switch {
		case err == unix.EAGAIN:
			return false
		case err != nil:
			if p.failed++; p.lost() {
				return false
			}
			continue
		}
		p.failed = 0
		if n == 0 || p.take(buf[:n]) {
			return true
		}
	}
}

// take reports whether the record has come. Each thing is written in one piece, and what is
// read may end in the middle of the record.
func (p *recordPipe) take(b []byte) bool {
	p.rest = append(p.rest, b...)
	for len(p.rest) >= resultSize {
		word := binary.NativeEndian.Uint64(p.rest)
		switch {
		case p.r.IsRecord(word):
			return p.r.SetRecord(p.rest)
		case p.listens && !p.announced:
			p.announced, p.number = true, word
		default:
			p.results = append(p.results, word)
		}
		p.rest = p.rest[resultSize:]
	}
	return false
}

func (p *recordPipe) close() {
	if p != nil {
		unix.Close(p.read)
	}
}
