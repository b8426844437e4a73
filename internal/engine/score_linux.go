//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/raw"
)

// ownScore keeps this process's OOM score over children with other scores that relays
// make. If somebody kills a relay, its child is not in vfork any more, and may set the score
// of this process as well.
var ownScore score

type score struct {
	mu       sync.Mutex
	children int
	was      string // before the first of children; empty: not known
}

const scoreFile = "/proc/self/oom_score_adj"

// begin says that such a child is about to be made.
func (s *score) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.children == 0 {
		s.was = readScore()
	}
	s.children++
}

// end says that it is past execve or dead, and puts the score back if its relay was killed.
func (s *score) end(killed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children--
	if !killed || s.was == "" || readScore() == s.was {
		return
	}
	if fd, err := highfd.Open(scoreFile, unix.O_WRONLY, 0); err == nil {
		_, _ = unix.Write(fd, []byte(s.was))
		unix.Close(fd)
	}
}

func readScore() (score string) {
	raw.ReadQuickly(scoreFile, func(text []byte) { score = string(text) })
	return score
}
