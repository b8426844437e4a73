//go:build linux

package main

import "fmt"

// runRounds performs a block of every series in turn, A B C A B C, after one of
// each that isn't counted.
func (b *bench) runRounds(rounds int, all []*series) error {
	for round := -1; round < rounds; round++ {
		for _, s := range all {
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
