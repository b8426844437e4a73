package attr

import (
	"math"
	"os"
	"strconv"
)

// Descriptor is an open file by its number, for attributes that take a file or a
// number: [ControllingTTY], [Foreground] and [Landlock]. Such an attribute has the
// fields File and FD, and exactly one of them is set. Neither and both are errors of
// Compile.
//
// The zero value is no descriptor. So a File that is nil by mistake is not taken for
// the standard input; descriptor 0 is FD(0).
type Descriptor struct {
	number int
	given  bool
}

// FD is the descriptor with a number.
func FD(number int) Descriptor { return Descriptor{number, true} }

// String returns the number, or "none".
func (d Descriptor) String() string {
	if !d.given {
		return "none"
	}
	return strconv.Itoa(d.number)
}

// checkFile validates File and FD of an attribute.
func checkFile(step string, f *os.File, d Descriptor) error {
	switch {
	case f == nil && !d.given:
		return invalid(step, "", "neither File nor FD")
	case f != nil && d.given:
		return invalid(step, d.String(), "File and FD")
	case d.number < 0 || d.number > math.MaxInt32:
		return invalid(step, d.String(), "no descriptor has this number")
	}
	return nil
}
