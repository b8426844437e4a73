package plan

// LimitError says which limit of processes is reached. The fields are as they were
// found after the failure.
type LimitError struct {
	// Limit is "RLIMIT_NPROC", "pids.max", "kernel.threads-max" or "kernel.pid_max".
	Limit string
	// Value is the value of the limit.
	Value uint64
	// Cgroup is the directory of the control group that pids.max is of.
	Cgroup string
	// Err is the errno, EAGAIN.
	Err error
}

// Error returns the text of Err. The Hint of the Error has the limit.
func (e *LimitError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *LimitError) Unwrap() error { return e.Err }
