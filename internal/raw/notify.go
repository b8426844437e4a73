package raw

// Notification is struct seccomp_notif: a call that waits for an answer.
type Notification struct {
	ID    uint64
	PID   uint32
	Flags uint32
	NR    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

// Answer is struct seccomp_notif_resp.
type Answer struct {
	ID    uint64
	Value int64
	Errno int32 // negated
	Flags uint32
}
