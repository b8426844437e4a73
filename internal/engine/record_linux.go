//go:build (amd64 || arm64) && !android

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

	announced bool   // the child has written number, as one that does not share memory
	number    uint64 // what its listener will have
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
	return &recordPipe{r: a.r, read: pipe[0], w: w}, nil
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
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(p.read), Events: unix.POLLIN}}, int(limit.Milliseconds()))
	return p.look()
}

// look reads what there is. A record is written in one piece.
func (p *recordPipe) look() bool {
	buf := make([]byte, 64)
	n, err := unix.Read(p.read, buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return false
	}
	record := buf[:max(n, 0)]
	if !p.announced && len(record) >= announcedSize && len(record) != raw.RecordSize {
		p.announced, p.number = true, binary.NativeEndian.Uint64(record)
		if record = record[announcedSize:]; len(record) == 0 {
			return false
		}
	}
	p.r.SetRecord(record)
	return true
}

func (p *recordPipe) close() {
	if p != nil {
		unix.Close(p.read)
	}
}
