package highfd

import "golang.org/x/sys/unix"

// Pipe makes a pipe with more flags than O_CLOEXEC.
func Pipe(flags int) (p [2]int, err error) {
	if err := unix.Pipe2(p[:], flags|unix.O_CLOEXEC); err != nil {
		return p, err
	}
	return raiseBoth(p)
}

// Socketpair makes a pair of sockets with more flags than SOCK_CLOEXEC.
func Socketpair(domain, typ, proto int) (p [2]int, err error) {
	p, err = unix.Socketpair(domain, typ|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return p, err
	}
	return raiseBoth(p)
}

func raiseBoth(p [2]int) ([2]int, error) {
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
