//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// settings are what a child sees of its attributes, by name.
type settings map[string]string

// settingFiles are of /proc, with a line each.
var settingFiles = []string{"oom_score_adj", "timerslack_ns", "coredump_filter", "personality"}

// settingsOf starts a child and has it say what it has.
func settingsOf(list attr.List) (settings, error) {
	// A shell that has waited for a program has changed its mask.
	script := "exec cat " + strings.Join(testenv.SeenFiles, " ")
	for _, name := range settingFiles {
		script += " /proc/self/" + name
	}
	out, state, err := spawntest.TryOutput(spawntest.Shell(script, list...))
	if err != nil {
		return nil, err
	}
	if !state.Success() {
		return nil, fmt.Errorf("%v: %s", state, out)
	}
	seen, lines := testenv.ParseSeen(out), strings.Split(strings.TrimSpace(out), "\n")
	for i, name := range settingFiles {
		seen.Status[name] = lines[len(lines)-len(settingFiles)+i]
	}
	s := settings{
		"nice": seen.Stat[testenv.StatNice], "policy": seen.Stat[testenv.StatPolicy],
		"leads session": strconv.FormatBool(seen.Stat[testenv.StatSession] == seen.PID()),
		"leads group":   strconv.FormatBool(seen.Stat[testenv.StatPgrp] == seen.PID()),
	}
	for _, key := range append([]string{
		"Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
		"Cpus_allowed_list",
	}, settingFiles...) {
		value, ok := seen.Status[key]
		if !ok {
			return nil, fmt.Errorf("no %s in %s", key, out)
		}
		s[key] = value
	}
	for name, limit := range seen.Limits {
		s["limit of "+name] = limit[0] + " " + limit[1]
	}
	return s, nil
}

// drawn is an attribute with values by chance, and what it changes of the settings.
type drawn struct {
	attr attr.Attr
	want settings
}

// draws make attributes that any user may set.
var draws = []func(r *rand.Rand) drawn{
	func(r *rand.Rand) drawn {
		n := r.IntN(0o1000)
		return drawn{attr.Umask(n), settings{"Umask": fmt.Sprintf("%04o", n)}}
	},
	func(r *rand.Rand) drawn {
		set := someSignals(r)
		return drawn{attr.SigMask(set), settings{"SigBlk": fmt.Sprintf("%016x", testenv.Sigset(set...))}}
	},
	func(r *rand.Rand) drawn {
		set := someSignals(r)
		return drawn{attr.SigIgnore(set), settings{"SigIgn": fmt.Sprintf("%016x", testenv.Sigset(set...))}}
	},
	func(r *rand.Rand) drawn { return drawn{attr.SigDefault(someSignals(r)), nil} },
	func(*rand.Rand) drawn {
		return drawn{attr.Setsid{}, settings{"leads session": "true", "leads group": "true"}}
	},
	func(*rand.Rand) drawn { return drawn{attr.Setpgid{}, settings{"leads group": "true"}} },
	func(r *rand.Rand) drawn {
		own := ownNice()
		n := own + r.IntN(20-own)
		return drawn{attr.Nice(n), settings{"nice": strconv.Itoa(n)}}
	},
	func(r *rand.Rand) drawn {
		policy := []int{attr.SchedOther, attr.SchedBatch, attr.SchedIdle}[r.IntN(3)]
		return drawn{attr.SchedPolicy{Policy: policy, ResetOnFork: r.IntN(2) == 0}, settings{"policy": strconv.Itoa(policy)}}
	},
	func(r *rand.Rand) drawn {
		n := 500 + r.IntN(501) // not below what this process may have
		return drawn{attr.OOMScoreAdj(n), settings{"oom_score_adj": strconv.Itoa(n)}}
	},
	func(r *rand.Rand) drawn {
		n := 1 + r.IntN(1_000_000)
		return drawn{attr.TimerSlack(n) * attr.TimerSlack(time.Nanosecond), settings{"timerslack_ns": strconv.Itoa(n)}}
	},
	func(r *rand.Rand) drawn {
		n := r.IntN(0x200)
		return drawn{attr.CoredumpFilter(n), settings{"coredump_filter": fmt.Sprintf("%08x", n)}}
	},
	func(*rand.Rand) drawn {
		return drawn{attr.PersonalityNoASLR, settings{"personality": fmt.Sprintf("%08x", uint(attr.PersonalityNoASLR))}}
	},
	func(*rand.Rand) drawn { return drawn{attr.NoNewPrivs{}, settings{"NoNewPrivs": "1"}} },
	func(r *rand.Rand) drawn { return drawLimit(r, unix.RLIMIT_CORE, "Max core file size", 1<<20) },
	func(r *rand.Rand) drawn { return drawLimit(r, unix.RLIMIT_NOFILE, "Max open files", 256) },
	func(r *rand.Rand) drawn { return drawLimit(r, unix.RLIMIT_CPU, "Max cpu time", 1<<20) },
	func(*rand.Rand) drawn { return drawn{attr.ChildSubreaper{}, nil} },
	func(*rand.Rand) drawn { return drawn{attr.ParentDeathSignal(unix.SIGKILL), nil} },
	func(*rand.Rand) drawn { return drawn{attr.NoHugePages{}, nil} },
}

// rootDraws make attributes that need privilege.
var rootDraws = []func(r *rand.Rand) drawn{
	func(r *rand.Rand) drawn {
		n := -1 - r.IntN(20)
		return drawn{attr.Nice(n), settings{"nice": strconv.Itoa(n)}}
	},
	func(r *rand.Rand) drawn {
		uid, gid := 1000+r.Uint32N(1000), 1000+r.Uint32N(1000)
		groups := []uint32{100 + r.Uint32N(10), 200 + r.Uint32N(10)}
		none := strings.Repeat("0", 16)
		return drawn{attr.Credential{UID: uid, GID: gid, Groups: groups}, settings{
			"Uid": testenv.FourIDs(uid), "Gid": testenv.FourIDs(gid), "Groups": strings.Trim(fmt.Sprint(groups), "[]"), "CapEff": none, "CapPrm": none,
		}}
	},
}

func someSignals(r *rand.Rand) (set []syscall.Signal) {
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTERM, unix.SIGWINCH, 34, 64} {
		if r.IntN(3) == 0 {
			set = append(set, sig)
		}
	}
	return set
}

// drawLimit draws a limit that no child comes to and any user may set.
func drawLimit(r *rand.Rand, resource attr.Resource, name string, most uint64) drawn {
	var now unix.Rlimit
	if unix.Getrlimit(int(resource), &now) != nil || now.Max < most {
		return drawn{attr.ChildSubreaper{}, nil}
	}
	hard := most/2 + r.Uint64N(most/2)
	soft := hard - r.Uint64N(most/4)
	return drawn{attr.Rlimit{Resource: resource, Soft: soft, Hard: hard}, settings{"limit of " + name: fmt.Sprint(soft, " ", hard)}}
}

// checkDrawn starts a child with some attributes in some order. It must have what they set,
// and all else as a child without attributes. Where they contradict each other nothing has
// happened, whatever the order.
func checkDrawn(seed uint64, plain settings) error {
	r := rand.New(rand.NewPCG(seed, 0))
	from := slices.Clone(draws)
	if os.Geteuid() == 0 {
		from = append(from, rootDraws...)
	}
	r.Shuffle(len(from), func(i, k int) { from[i], from[k] = from[k], from[i] })
	want := maps.Clone(plain)
	var list attr.List
	for _, draw := range from[:r.IntN(len(from)/2)] {
		d := draw(r)
		list = append(list, d.attr)
		maps.Copy(want, d.want)
	}
	engines := spawntest.Engines()
	engine := engines[r.IntN(len(engines))]
	defer spawntest.Force(engine)()
	got, err := settingsOf(list)
	var conflict *attr.ConflictError
	if errors.As(err, &conflict) {
		slices.Reverse(list)
		if _, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: list}); !errors.As(err, &conflict) {
			return fmt.Errorf("seed %d: %v: not refused the other way round: %w", seed, list, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("seed %d: without %s: %+v: %w", seed, engine, list, err)
	}
	for key := range want {
		if got[key] != want[key] {
			return fmt.Errorf("seed %d: without %s: %+v: %s is %q, want %q", seed, engine, list, key, got[key], want[key])
		}
	}
	return nil
}

// TestAttributesAgainstModel starts children with attributes by chance.
func TestAttributesAgainstModel(t *testing.T) {
	plain, err := settingsOf(nil)
	if err != nil {
		t.Fatal(err)
	}
	rounds := testenv.Rounds(60, 20_000)
	for range rounds {
		if err := checkDrawn(rand.Uint64(), plain); err != nil {
			t.Fatal(err)
		}
	}
	testenv.Hostile{Experiments: rounds, Spawns: rounds}.Print(t, "attributes by chance")
}

func FuzzAttributes(f *testing.F) {
	plain, err := settingsOf(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		if err := checkDrawn(seed, plain); err != nil {
			t.Fatal(err)
		}
	})
}
