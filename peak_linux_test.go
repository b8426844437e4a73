package spawn_test

import (
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// "hold" uses so many MiB, says so, and ends with its standard input.
var _ = testenv.RegisterHelper("hold", func(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	memory := touched(n)
	os.Stdout.WriteString("here\n")
	io.Copy(io.Discard, os.Stdin)
	return int(memory[0])
})

// touched is so many MiB of memory that is resident.
func touched(mib int) []byte {
	b := make([]byte, mib<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 0
	}
	return b
}

// ownPeak is the most that this process has had, in MiB.
func ownPeak(t *testing.T) int {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return int(u.Maxrss >> 10)
}

// holding starts "hold", and returns when it has its memory.
func holding(t *testing.T, mib int) (p *spawn.Process, end func()) {
	t.Helper()
	in, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	defer w.Close()
	t.Cleanup(func() { release.Close() })
	s := spawntest.Helper(t, "hold", strconv.Itoa(mib))
	s.Actions.File(in, 0)
	s.Actions.File(w, 1)
	if p, err = spawn.Start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	return p, func() { release.Close() }
}

// TestPeakOfSmallChild wants the memory of this process not to be told as that of a
// child that has less.
func TestPeakOfSmallChild(t *testing.T) {
	memory := touched(128)
	spawntest.EachEngine(t, func(t *testing.T) {
		p, end := holding(t, 8)
		peak, err := p.PeakRSS()
		if err != nil || peak < 8<<20 || peak > 100<<20 {
			t.Errorf("%d, %v", peak, err)
		}
		end()
		state, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if peak, ok := state.PeakRSS(); ok || peak != 0 {
			t.Errorf("the child has had %d, this process %d MiB", peak, ownPeak(t))
		}
		if n, err := p.PeakRSS(); n != 0 || !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("after the end: %d, %v", n, err)
		}
	})
	if memory[0] != 0 {
		t.Error("not mine")
	}
}

// TestPeakOfLargeChild wants the memory of a child that has more to be told.
func TestPeakOfLargeChild(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		most := ownPeak(t) + 64
		p, end := holding(t, most)
		peak, err := p.PeakRSS()
		if err != nil || peak < int64(most)<<20 {
			t.Errorf("%d, %v", peak, err)
		}
		end()
		state, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := state.PeakRSS(); !ok || n < int64(most)<<20 || n != state.MaxRSS() {
			t.Errorf("%d, %v, of %d MiB", n, ok, most)
		}
	})
}

// TestPeakOfZombie wants the end to be told where the child was not reaped yet.
func TestPeakOfZombie(t *testing.T) {
	p, end := holding(t, 1)
	end()
	testenv.Eventually(t, "the end", func() bool {
		_, err := p.PeakRSS()
		return errors.Is(err, os.ErrProcessDone)
	})
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func BenchmarkPeakRSS(b *testing.B) {
	p, err := spawn.Start(b.Context(), &spawn.Spec{Path: "/bin/sleep", Args: []string{"sleep", "600"}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Wait(b.Context())
	defer p.Kill()
	for b.Loop() {
		if _, err := p.PeakRSS(); err != nil {
			b.Fatal(err)
		}
	}
}
