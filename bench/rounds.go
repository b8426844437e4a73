//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
)

// runRounds performs a block of every series in turn, after one of each that
// isn't counted. Each round has an order of its own, the same in every run: what
// a block leaves behind for the next, such as garbage, must not always hit the
// same one.
func (b *bench) runRounds(rounds int, all []*series) error {
	order := rand.New(rand.NewPCG(1, 2))
	for round := -1; round < rounds; round++ {
		for _, i := range order.Perm(len(all)) {
			s := all[i]
			if err := b.ctx.Err(); err != nil {
				return err
			}
			result, err := s.peer.run(s.method, s.job)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", s.scenario, s.title, err)
			}
			if round >= 0 {
				s.blocks = append(s.blocks, result)
			}
		}
		b.progress.step()
	}
	b.series = append(b.series, all...)
	return nil
}

// find returns a series, or nil.
func (b *bench) find(scenario string, x float64, title string) *series {
	for _, s := range b.series {
		if s.scenario == scenario && s.x == x && s.title == title {
			return s
		}
	}
	return nil
}
