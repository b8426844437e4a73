//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

const (
	attrScenario = "attributes"
	attrPrefix   = "attr:" // of methods
	attrNone     = "none"
)

// attrBlock is how many spawns a block has: some attributes take the kernel long.
const attrBlock = 20

// attrKinds are the attributes that are compared. A cgroup may be nil.
var attrKinds = []struct {
	name string
	list func(cgroup *os.File) (attr.List, error)
}{
	{attrNone, one()},
	{"Umask", one(attr.Umask(0o027))},
	{"Setsid", one(attr.Setsid{})},
	{"SigMask", one(attr.SigMask{unix.SIGUSR1})},
	{"Nice", one(attr.Nice(19))},
	{"Rlimit", one(attr.Rlimit{Resource: unix.RLIMIT_CORE})},
	{"Credential, to the same ids", one(attr.Credential{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), KeepGroups: true, Root: true})},
	{"NoCapabilities, NoNewPrivs", one(attr.NoCapabilities(), attr.NoNewPrivs{})},
	{"ParentDeathSignal", one(attr.ParentDeathSignal(unix.SIGKILL))},
	{"DieWithParent", one(attr.DieWithParent{})},
	{"OOMScoreAdj", one(attr.OOMScoreAdj(500))},
	{"Seccomp, four instructions", one(attr.NoNewPrivs{}, refuseUname())},
	{"Landlock, one rule", landlocked},
	{"Cgroup", inCgroup},
	{"user namespace, maps", ownUser()},
	{"the same, and uts", ownUser(unix.CLONE_NEWUTS)},
	{"the same, and ipc", ownUser(unix.CLONE_NEWIPC)},
	{"the same, and pid", ownUser(unix.CLONE_NEWPID)},
	{"the same, and mount", ownUser(unix.CLONE_NEWNS)},
	{"the same, and net", ownUser(unix.CLONE_NEWNET)},
	{"memory copied, for NoHugePages", one(attr.NoHugePages{})},
}

func one(list ...attr.Attr) func(*os.File) (attr.List, error) {
	return func(*os.File) (attr.List, error) { return list, nil }
}

func ownUser(more ...uint) func(*os.File) (attr.List, error) {
	flags := uint(unix.CLONE_NEWUSER)
	for _, f := range more {
		flags |= f
	}
	ids := func(id int) []attr.IDMapEntry { return []attr.IDMapEntry{{HostID: id, Size: 1}} }
	return one(attr.Namespaces{Flags: flags}, attr.IDMap{UID: ids(os.Getuid()), GID: ids(os.Getgid())})
}

func landlocked(*os.File) (attr.List, error) {
	r, err := attr.NewLandlock(attr.LandlockRules{Execute: []string{"/"}})
	if err != nil {
		return nil, err
	}
	return attr.List{attr.NoNewPrivs{}, r.Attr()}, nil
}

func inCgroup(cgroup *os.File) (attr.List, error) {
	if cgroup == nil {
		return nil, errors.New("no cgroup v2 can be made")
	}
	return attr.List{attr.Cgroup{Dir: cgroup}}, nil
}

// attrSpawn starts the program with the attributes of that name.
func attrSpawn(name, path, cgroup string) (spawnFunc, error) {
	var dir *os.File
	if cgroup != "" {
		var err error
		if dir, err = os.Open(cgroup); err != nil {
			return nil, err
		}
	}
	for _, k := range attrKinds {
		if k.name != name {
			continue
		}
		list, err := k.list(dir)
		if err != nil {
			return nil, err
		}
		program, err := spawn.Compile(&spawn.Spec{Path: path, Attr: list})
		if err != nil {
			return nil, err
		}
		return func() error { return check(program.Run(context.Background())) }, nil
	}
	return nil, fmt.Errorf("no attributes %s", name)
}

// attrResult is what some attributes cost.
type attrResult struct {
	*series
	spawns       int64
	user, system int64 // ns of processor time of all spawns
}

func attrSteps(s size) int { return s.sweepRounds + 1 + len(attrKinds) }

// runAttributes starts the tiny program with each.
func (b *bench) runAttributes() error {
	p, err := b.start("Go")
	if err != nil {
		return err
	}
	defer p.stop()
	cgroup, remove := makeCgroup()
	defer remove()
	if _, err := p.ask("cgroup", cgroup); err != nil {
		return err
	}
	var all []*series
	for _, k := range attrKinds {
		s := b.sweep(attrScenario, 0, p, "inherit", method{attrPrefix + k.name, k.name})[0]
		s.job.n = attrBlock
		if _, err := p.run(s.method, job{kind: "inherit", path: s.job.path, n: 1, spawners: 1}); err != nil {
			b.skip("%s: %s: %v", attrScenario, k.name, err)
			continue
		}
		all = append(all, s)
	}
	if err := b.runRounds(b.size.sweepRounds, all); err != nil {
		return err
	}
	for _, s := range all {
		r, err := p.ask("cpu", s.method, s.job.kind, s.job.path, b.size.attrMS)
		if err != nil {
			return err
		}
		b.attrs = append(b.attrs, &attrResult{series: s, spawns: r[0], user: r[1], system: r[2]})
		b.progress.step()
	}
	return nil
}

func (b *bench) attrTable() string {
	if len(b.attrs) == 0 {
		return ""
	}
	rows := [][]string{{"", "µs", "more than without", "kernel's processor time more", "other processor time more"}}
	none := b.attrs[0]
	for _, r := range b.attrs {
		more := func(of func(*attrResult) int64) string {
			return us(float64(of(r))/float64(r.spawns) - float64(of(none))/float64(none.spawns))
		}
		rows = append(rows, []string{
			r.title, spread(quartilesOf(r.costs())), us(differenceOf(r.costs(), none.costs())),
			more(func(r *attrResult) int64 { return r.system }), more(func(r *attrResult) int64 { return r.user }),
		})
	}
	return section(attrScenario, table(rows))
}

// processorTime spawns for a time, and returns how often, and the processor time of
// this process and its children.
func processorTime(long time.Duration, f spawnFunc) ([]int64, error) {
	before, err := usage()
	if err != nil {
		return nil, err
	}
	var n int64
	for begin := time.Now(); time.Since(begin) < long; n++ {
		if err := f(); err != nil {
			return nil, err
		}
	}
	after, err := usage()
	return []int64{n, after[0] - before[0], after[1] - before[1]}, err
}

func usage() (times [2]int64, err error) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var r unix.Rusage
		if err := unix.Getrusage(who, &r); err != nil {
			return times, err
		}
		times[0] += r.Utime.Nano()
		times[1] += r.Stime.Nano()
	}
	return times, nil
}
