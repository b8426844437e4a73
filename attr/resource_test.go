package attr_test

import (
	"strings"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// TestResourceNames wants each constant to have the kernel's name, and to be found by
// it however it is written.
func TestResourceNames(t *testing.T) {
	for want, r := range map[string]attr.Resource{
		"RLIMIT_CPU": attr.ResourceCPU, "RLIMIT_FSIZE": attr.ResourceFSize, "RLIMIT_DATA": attr.ResourceData,
		"RLIMIT_STACK": attr.ResourceStack, "RLIMIT_CORE": attr.ResourceCore, "RLIMIT_RSS": attr.ResourceRSS,
		"RLIMIT_NPROC": attr.ResourceNProc, "RLIMIT_NOFILE": attr.ResourceNoFile, "RLIMIT_MEMLOCK": attr.ResourceMemlock,
		"RLIMIT_AS": attr.ResourceAS, "RLIMIT_LOCKS": attr.ResourceLocks, "RLIMIT_SIGPENDING": attr.ResourceSigpending,
		"RLIMIT_MSGQUEUE": attr.ResourceMsgqueue, "RLIMIT_NICE": attr.ResourceNice, "RLIMIT_RTPRIO": attr.ResourceRTPrio,
		"RLIMIT_RTTIME": attr.ResourceRTTime,
	} {
		for _, s := range []string{want, strings.ToLower(want), strings.TrimPrefix(want, "RLIMIT_")} {
			if got, err := attr.ParseResource(s); err != nil || got != r || got.String() != want {
				t.Errorf("%q: %v, %v", s, got, err)
			}
		}
	}
	if got := attr.Resource(16).String(); got != "resource 16" {
		t.Error(got)
	}
}

var limits = map[string]string{
	"cpu=1:2": "{RLIMIT_CPU 1 2}", "core=0": "{RLIMIT_CORE 0 0}", "stack=1K": "{RLIMIT_STACK 1024 1024}", "nproc=hard": "6",
	"nofile=3:4": "{3 4}", "nofile=original": "0", "nofile=current": "1", "nofile=hard": "7",
	"RLIMIT_AS=1g:unlimited": "{RLIMIT_AS 1073741824 18446744073709551615}", "rttime=infinity": "{RLIMIT_RTTIME 18446744073709551615 18446744073709551615}",
}

var badLimits = []string{
	"", "cpu", "cpu=", "cpu=original", "cpu=:1", "cpu=2:1", "cpu=hard:1", "nofile=now", "x=1", "cpu=1K", "fsize=K", "fsize=99999999T",
	"fsize=18446744073709551616", "as=-1", "=1",
}

func TestParseLimit(t *testing.T) { parses(t, attr.ParseLimit, limits, badLimits) }

// TestAmounts has units of bytes.
func TestAmounts(t *testing.T) {
	for s, want := range map[string]uint64{
		"0": 0, "12": 12, "3k": 3 << 10, "3M": 3 << 20, "1g": 1 << 30, "2T": 2 << 40,
		"unlimited": attr.Unlimited, "infinity": attr.Unlimited, "18446744073709551615": attr.Unlimited,
	} {
		if got, err := attr.ParseLimit("as=" + s); err != nil || got != (attr.Rlimit{Resource: attr.ResourceAS, Soft: want, Hard: want}) {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "K", "-1", "1.5M", "1MB", "16777216T", "0x10", " 1"} {
		if got, err := attr.ParseLimit("as=" + s); err == nil {
			t.Errorf("%q: got %v", s, got)
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	fuzzes(f, attr.ParseLimit, limits, badLimits, func(t *testing.T, s string, a attr.Attr) {
		if err := check(attr.List{a}); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}
