package exec

import "io"

// StdFields are the fields of os/exec's Cmd that are known.
var StdFields = stdFields

// Collect is what collects the output of a Cmd, and returns it.
func Collect(r io.Reader) ([]byte, error) {
	c := (&Cmd{}).collector()
	_, err := c.ReadFrom(r)
	return c.bytes(), err
}
