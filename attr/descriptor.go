package attr

import (
	"math"
	"os"
	"strconv"
)

// Descriptor is an open file by its number. Some attributes take a file or a
// number: [ControllingTTY], [Foreground] and [Landlock]. They have the fields File
// and FD, and you must set exactly one of them. If you set neither or both, Compile
// returns an error.
//
// The zero value is no descriptor. So a File that is nil by mistake does not become
// the standard input. Descriptor 0 is FD(0).
type Descriptor struct {
	number int
	given  bool
}

// FD returns the descriptor with the given number.
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
