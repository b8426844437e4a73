//go:build !linux

package attr

// SockFilter is one instruction of classic BPF.
type SockFilter struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}
