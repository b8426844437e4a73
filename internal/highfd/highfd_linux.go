package highfd

import "golang.org/x/sys/unix"

// Pipe makes a pipe with more flags than O_CLOEXEC.
func Pipe(flags int) (p [2]int, err error) {
	if err := unix.Pipe2(p[:], flags|unix.O_CLOEXEC); err != nil {
		return p, err
	}
	for i := range p {
		n, err := Raise(p[i])
		if err != nil {
			unix.Close(p[1-i])
			return p, err
		}
		p[i] = n
	}
	return p, nil
}
