//go:build linux

package main

import (
	"fmt"
	"os/exec"
)

const largeScenario = "large output"

// largeBytes is the large output, by head(1).
const largeBytes = 64 << 20

var largeArgs = []string{"-c", fmt.Sprint(largeBytes), "/dev/zero"}

// runLarge captures a large output.
func (b *bench) runLarge() error {
	head, err := exec.LookPath("head")
	if err != nil {
		b.skip("%s: no head(1)", largeScenario)
		return nil
	}
	p, err := b.start("Go")
	if err != nil {
		return err
	}
	defer p.stop()
	all := b.sweep(largeScenario, 0, p, "large", goCmd, goExec)
	for _, s := range all {
		s.job.path, s.job.n = head, 2
	}
	return b.runRounds(b.size.sweepRounds, all)
}

func large(out []byte, err error) error {
	if err == nil && len(out) != largeBytes {
		err = fmt.Errorf("read %d bytes", len(out))
	}
	return err
}
