package exec_test

import (
	"testing"

	osexec "os/exec"

	"github.com/safespawn/spawn/exec"
)

func BenchmarkRun(b *testing.B) {
	b.Run("os", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := osexec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("here", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOutput(b *testing.B) {
	b.Run("os", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := osexec.Command("/bin/echo", "a").Output(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("here", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := exec.Command("/bin/echo", "a").Output(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
