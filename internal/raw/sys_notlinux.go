//go:build !linux

package raw

// Number is meaningless where there is no engine to run the program.
func (s Sys) Number() int { return 0 }
