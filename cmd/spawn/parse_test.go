package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// valueParser is a parse function, with values that it must take and what they mean, and
// values that it must not take. The numbers of the kernel are those of Linux.
type valueParser struct {
	parse func(string) (any, error)
	good  map[string]string
	bad   []string
	linux bool // needs the names of Linux
}

func anyOf[T any](parse func(string) (T, error)) func(string) (any, error) {
	return func(s string) (any, error) { return parse(s) }
}

var parsers = map[string]valueParser{
	"fd":       {parse: anyOf(parseFD), good: map[string]string{"0": "0", "7": "7"}, bad: []string{"", "-1", "x", "2147483648"}},
	"umask":    {parse: anyOf(parseUmask), good: map[string]string{"0": "0", "027": "23"}, bad: []string{"", "8", "1000", "-1"}},
	"variable": {parse: anyOf(parseVariable), good: map[string]string{"A=b=c": "{A b=c}"}, bad: []string{"", "=", "A"}},
	"opening": {
		parse: anyOf(parseOpening), good: map[string]string{"3=a:b:r": "{--fd 3 a:b 0}"},
		bad: []string{"", "3", "=a:r", "3=:r", "3=a", "3=a:q", "x=a:r"},
	},
	"setpgid": {parse: anyOf(parseSetpgid), good: map[string]string{"0": "{0}", "12": "{12}"}, bad: []string{"", "-1", "own"}},
	"ctty":    {parse: anyOf(parseCtty), good: map[string]string{"0": "{<nil> 0 false}", "5:steal": "{<nil> 5 true}"}, bad: []string{"", ":steal", "1:", "1:x"}},
	"nice":    {parse: anyOf(parseNice), good: map[string]string{"-20": "-20", "19": "19"}, bad: []string{"", "-21", "20", "x"}},
	"sched": {
		parse: anyOf(parseSched),
		good: map[string]string{
			"other": "{0 0 false 0s 0s 0s 0 0}", "batch": "{3 0 false 0s 0s 0s 0 0}", "rr:99": "{2 99 false 0s 0s 0s 0 0}",
			"deadline:1ms/2ms": "{6 0 false 1ms 2ms 0s 0 0}", "deadline:1ms/2ms/1s": "{6 0 false 1ms 2ms 1s 0 0}",
		},
		bad: []string{
			"", "fifo", "fifo:", "fifo:0", "rr:100", "other:1", "idle:", "deadline", "deadline:1ms", "deadline:1/2",
			"deadline:1s/2s/3s/4s", "deadline:0s/1s", "best",
		},
	},
	"util":   {parse: anyOf(parseUtil), good: map[string]string{"0:1024": "{0 1024}"}, bad: []string{"", "1", "1:", ":1", "1:1025", "-1:2", "0:0"}},
	"ioprio": {parse: anyOf(parseIOPrio), good: map[string]string{"idle": "{3 0}", "2:7": "{2 7}", "realtime": "{1 4}", "none": "{0 0}"}, bad: []string{"", "4", "-1", "idle:1", "2:8", "2:", "x:1"}},
	"slack":  {parse: anyOf(parseTimerSlack), good: map[string]string{"0": "0", "1us": "1000"}, bad: []string{"", "1", "-1s", "x"}},
	"numa": {
		parse: anyOf(parseNUMA),
		good:  map[string]string{"default": "{0 0 []}", "bind:0-2": "{2 0 [0 1 2]}", "bind+static+balancing:1": "{2 40960 [1]}"},
		bad:   []string{"", "bind:", "x", "bind+:0", "bind+x:0", "bind:x", "+static", "bind", "default:0", "local:1", "preferred"},
	},
	"oom":    {parse: anyOf(parseOOM), good: map[string]string{"-1000": "-1000", "1000": "1000"}, bad: []string{"", "1001", "x"}},
	"groups": {parse: anyOf(parseGroups), good: map[string]string{"none": "[]", "54321,54322": "[54321 54322]"}, bad: []string{"", "54321,", "no such group"}},
	"port":   {parse: anyOf(parsePort), good: map[string]string{"0": "0", "65535": "65535"}, bad: []string{"", "65536", "http"}},
	"personality": {
		parse: anyOf(parsePersonality), good: map[string]string{"8": "8", "0x0040000": "262144", "fffffffe": "4294967294"},
		bad: []string{"", "0x", "ffffffff", "100000000", "linux"},
	},
	"keyring": {parse: anyOf(parseKeyring), good: map[string]string{"-": "", "a": "a"}, bad: []string{""}},
	"namespaces": {
		parse: anyOf(parseNamespaces(namespaces, unshareable)), linux: true,
		good: map[string]string{"mount,mnt": "[131072 131072]", "time": "[128]", "files": "[1024]"}, bad: []string{"", "net,", "x", "none"},
	},
	"join": {
		parse: anyOf(parseJoin), linux: true, good: map[string]string{"net=/a=b": "{1073741824 /a=b 0 false}", "7:ipc,uts": "{201326592  7 false}", "7:all": "{0  7 true}"},
		bad: []string{"", "net", "net=", "x=/a", "0:net", "7:", "7:none", "7:x", "/proc/1/ns/net"},
	},
	"mount": {
		parse: anyOf(parseMount), linux: true,
		good: map[string]string{
			"type=tmpfs,target=/a,nosuid,size=1m,mode=7": "[{ /a tmpfs 2 size=1m,mode=7}]",
			"rbind,source=/a,target=/b":                  "[{/a /b  20480 }]",
			"bind,source=/a,target=/b,ro,rslave":         "[{/a /b  4096 } { /b  4129 } { /b  540672 }]",
			"target=/b,private":                          "[{ /b  262144 }]",
			"target=/b,remount,bind,ro":                  "[{ /b  4129 }]",
			"bind,source=/a,target=/b,ro,rw":             "[{/a /b  4096 }]",
			"bind,source=/a,target=/b,rw,ro,nodev,dev":   "[{/a /b  4096 } { /b  4129 }]",
			"type=t,target=/b,ro,nosuid,defaults,noexec": "[{ /b t 8 }]",
			"target=/b,remount,size=1m,atime":            "[{ /b  32 size=1m}]",
		},
		bad: []string{
			"", "type=proc", "/a", "target=", "bind,source=/a,target=/b,ro,nosiud", "rbind,source=/a,target=/b,size=1m",
			"target=/b,remount,bind,rO", "target=/b,private,x", "move,source=/a,target=/b,x",
		},
	},
	"filter": {
		parse: func(s string) (any, error) { return parseFilter([]byte(s)) },
		good:  map[string]string{string(allowAll()): "{[{6 0 0 2147418112}] 0 <nil>}"},
		bad:   []string{"", "1234567", strings.Repeat("12345678", 4097)},
	},
	"death": {parse: anyOf(parseParentDeath), good: map[string]string{"9": "9"}, bad: []string{"", "all", "65"}},
}

// allowAll is a filter that allows everything.
func allowAll() []byte {
	b, _ := binary.Append(nil, binary.NativeEndian, attr.SockFilter{Code: 6, K: 0x7fff0000})
	return b
}

func TestParsers(t *testing.T) {
	for name, p := range parsers {
		for s, want := range p.good {
			got, err := p.parse(s)
			if p.linux && runtime.GOOS != "linux" {
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("%s %q: %v, %v", name, s, got, err)
				}
				continue
			}
			if err != nil || fmt.Sprint(got) != want {
				t.Errorf("%s %q: %v, %v; want %s", name, s, got, err, want)
			}
		}
		for _, s := range p.bad {
			if got, err := p.parse(s); err == nil {
				t.Errorf("%s %q: got %v", name, s, got)
			}
		}
	}
}

// FuzzParsers wants no panic, one answer, and an error in one line. It leaves out long
// texts: all parsers together take 50 ms of the CPU for 32 KiB, and package testing takes a run for
// hung after 10 s, also on a machine that is busy with other things.
func FuzzParsers(f *testing.F) {
	const longest = 2048
	var all []valueParser
	for name, p := range parsers {
		if name != "groups" { // looked up in files, and slowly
			all = append(all, p)
		}
		for s := range p.good {
			f.Add(s)
		}
		if s := p.bad[len(p.bad)-1]; len(s) <= longest {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > longest {
			return
		}
		for _, p := range all {
			a, err := p.parse(s)
			b, again := p.parse(s)
			if (err == nil) != (again == nil) || err == nil && !reflect.DeepEqual(a, b) {
				t.Errorf("%q: %v, %v and then %v, %v", s, a, err, b, again)
			}
			if err != nil && strings.Contains(new(origin).message(err), "\n") {
				t.Errorf("%q: %v", s, err)
			}
		}
	})
}
