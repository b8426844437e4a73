package pidns

import "errors"

// Refusal is why this process can't have a pid namespace here. Unless a limit is reached, it
// lasts as long as nobody changes the kernel, its settings or the privilege of this process.
type Refusal struct {
	What  string // is missing
	Since string // the first Linux version that has it, or nothing
	Err   error

	passing bool // it may be otherwise the next time: others may have ended
}

// IsRefusal reports whether an error is a *Refusal.
func IsRefusal(err error) bool {
	var r *Refusal
	return errors.As(err, &r)
}

func (r *Refusal) Error() string { return "needs " + r.What + ": " + r.Err.Error() }

// Unwrap returns the system's error.
func (r *Refusal) Unwrap() error { return r.Err }

// Is makes it match errors.ErrUnsupported.
func (r *Refusal) Is(target error) bool { return target == errors.ErrUnsupported }
