package attr_test

import (
	"testing"

	"github.com/safespawn/spawn/attr"
)

// Instructions of classic BPF.
const (
	ldAbs = 0x20 // of a word
	ldMem = 0x60
	jump  = 0x05
	jeq   = 0x15
	ret   = 0x06
	allow = 0x7fff0000 // SECCOMP_RET_ALLOW
)

func bpf(code uint16, jt, jf uint8, k uint32) attr.SockFilter {
	return attr.SockFilter{Code: code, Jt: jt, Jf: jf, K: k}
}

// filterOf is a list with a filter that ends by allowing what is left.
func filterOf(list ...attr.SockFilter) attr.Seccomp {
	return attr.Seccomp{Filter: append(list, bpf(ret, 0, 0, allow))}
}

func TestSeccompFilters(t *testing.T) {
	long := make([]attr.SockFilter, 4096)
	for i := range long {
		long[i] = bpf(ret, 0, 0, allow)
	}
	for _, good := range []attr.Seccomp{
		filterOf(), {Filter: long}, {Filter: long, Flags: 2 | 4},
		filterOf(bpf(ldAbs, 0, 0, 60), bpf(jeq, 0, 1, 59), bpf(ret, 0, 0, 0)),
		filterOf(bpf(jump, 0, 0, 1), bpf(jump, 0, 0, 0)),
	} {
		if err := check(attr.List{good}); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []attr.Seccomp{
		{}, {Filter: append(long, long[0])}, {Filter: long, Flags: 1}, {Filter: long, Flags: 8},
		{Filter: []attr.SockFilter{bpf(ldAbs, 0, 0, 0)}},
		filterOf(bpf(ldAbs, 0, 0, 64)), filterOf(bpf(ldAbs, 0, 0, 2)), filterOf(bpf(0x28, 0, 0, 0)),
		filterOf(bpf(ldMem, 0, 0, 16)), filterOf(bpf(0x34, 0, 0, 0)), filterOf(bpf(0x64, 0, 0, 32)),
		filterOf(bpf(jump, 0, 0, 1)), filterOf(bpf(jump, 0, 0, ^uint32(0))),
		filterOf(bpf(jeq, 1, 0, 0)), filterOf(bpf(jeq, 0, 255, 0)), filterOf(bpf(0x94, 0, 0, 1)), filterOf(bpf(0x100, 0, 0, 0)),
	} {
		wrong(t, attr.List{attr.NoNewPrivs{}, bad}, 1)
	}
	wrong(t, attr.List{filterOf(), attr.Nice(1), filterOf()}, 2)
}
