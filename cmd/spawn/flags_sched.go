package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn/attr"
)

// scheduling is the flags of who runs when, and where.
type scheduling struct {
	nice        *attr.Nice
	addNice     *int
	sched       *attr.SchedPolicy
	resetOnFork bool
	util        *clamps
	cpus        attr.CPUAffinity
	ioprio      *attr.IOPrio
	timerSlack  *attr.TimerSlack
	numa        *attr.NUMAPolicy
	coreSched   bool
}

// clamps is a value of --util.
type clamps struct{ min, max int }

func (o *options) schedFlags() []*pflag.Flag {
	const group = "Scheduling"
	return []*pflag.Flag{
		o.value(group, "nice", "run with nice value `N`, from -20 to 19", single(&o.nice, parseNice)),
		o.value(group, "add-nice", "add `N` to the nice value of spawn, as nice(1)", single(&o.addNice, parseRange(-39, 39))),
		o.value(group, "sched", "run with `POLICY[:PRIORITY]`, as fifo:10", single(&o.sched, parseSched)),
		toggle(group, "reset-on-fork", "keep --sched from its own children", &o.resetOnFork),
		o.value(group, "util", "clamp the utilisation assumed, 0 to 1024: `MIN:MAX`", single(&o.util, parseUtil)),
		o.value(group, "cpus", "run on the CPUs of `LIST`, as 0-3,8", gather(&o.cpus, attr.ParseCPUs)),
		o.value(group, "ioprio", "read and write with priority `CLASS[:LEVEL]`", single(&o.ioprio, parseIOPrio)),
		o.value(group, "timer-slack", "let timers be late by `DURATION`, 0 for the default", single(&o.timerSlack, parseTimerSlack)),
		o.value(group, "numa", "take memory from nodes: `MODE[+FLAG][:LIST]`", single(&o.numa, parseNUMA)),
		toggle(group, "core-sched", "share no core with other programs", &o.coreSched),
	}
}

func (o *options) schedAttributes() (list attr.List, err error) {
	put(&list, o.nice)
	if o.addNice != nil {
		if o.nice != nil {
			return nil, errors.New("--add-nice: contradicts --nice")
		}
		now, err := niceValue()
		if err != nil {
			return nil, fmt.Errorf("--add-nice: %w", err)
		}
		list = append(list, attr.Nice(min(max(now+*o.addNice, -20), 19)))
	}
	switch {
	case o.sched != nil:
		s := *o.sched
		s.ResetOnFork = o.resetOnFork
		if o.util != nil {
			s.UtilMin, s.UtilMax = o.util.min, o.util.max
		}
		list = append(list, s)
	case o.resetOnFork:
		return nil, errors.New("--reset-on-fork: needs --sched")
	case o.util != nil:
		return nil, errors.New("--util: needs --sched")
	}
	when(&list, o.cpus != nil, o.cpus)
	put(&list, o.ioprio)
	put(&list, o.timerSlack)
	put(&list, o.numa)
	when(&list, o.coreSched, attr.CoreSched{})
	return list, nil
}

func parseNice(s string) (attr.Nice, error) {
	n, err := parseRange(-20, 19)(s)
	return attr.Nice(n), err
}

// policies have the names of chrt(1).
var policies = []named{
	{"other", attr.SchedOther}, {"batch", attr.SchedBatch}, {"idle", attr.SchedIdle},
	{"fifo", attr.SchedFIFO}, {"rr", attr.SchedRR}, {"deadline", attr.SchedDeadline},
}

func parseSched(s string) (attr.SchedPolicy, error) {
	name, value, with := strings.Cut(s, ":")
	number, err := numberOf("policy", policies, name)
	p := attr.SchedPolicy{Policy: int(number)}
	switch {
	case err != nil:
		return p, err
	case p.Policy == attr.SchedFIFO || p.Policy == attr.SchedRR:
		if p.Priority, err = parseRange(1, 99)(value); err != nil {
			return p, fmt.Errorf("priority: %w", err)
		}
	case p.Policy == attr.SchedDeadline:
		return parseDeadline(value)
	case with:
		return p, fmt.Errorf("%s has no priority", name)
	}
	return p, nil
}

// parseDeadline reads RUNTIME/DEADLINE[/PERIOD].
func parseDeadline(s string) (attr.SchedPolicy, error) {
	p := attr.SchedPolicy{Policy: attr.SchedDeadline}
	fields := strings.Split(s, "/")
	if len(fields) != 2 && len(fields) != 3 {
		return p, errors.New("not deadline:RUNTIME/DEADLINE[/PERIOD]")
	}
	for i, to := range []*time.Duration{&p.Runtime, &p.Deadline, &p.Period}[:len(fields)] {
		if err := duration(to)(fields[i]); err != nil {
			return p, fmt.Errorf("%q is %w", fields[i], err)
		}
	}
	return p, nil
}

func parseUtil(s string) (clamps, error) {
	first, second, _ := strings.Cut(s, ":")
	low, errLow := parseRange(0, 1024)(first)
	high, errHigh := parseRange(0, 1024)(second)
	if errLow != nil || errHigh != nil {
		return clamps{}, errors.New("not MIN:MAX, of numbers from 0 to 1024")
	}
	if low == 0 && high == 0 {
		return clamps{}, errors.New("0 leaves a clamp as it is, so this sets none")
	}
	return clamps{low, high}, nil
}

// ioClasses have the names of ionice(1), and their numbers in this order.
var ioClasses = []string{"none", "realtime", "best-effort", "idle"}

func parseIOPrio(s string) (attr.IOPrio, error) {
	name, level, with := strings.Cut(s, ":")
	i := attr.IOPrio{Class: slices.Index(ioClasses, name)}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(ioClasses) {
		i.Class = n
	}
	leveled := i.Class == attr.IOPrioRealTime || i.Class == attr.IOPrioBestEffort
	var err error
	switch {
	case i.Class < 0:
		return i, fmt.Errorf("class %q is not one of %s, or its number", name, strings.Join(ioClasses, ", "))
	case with && !leveled:
		return i, fmt.Errorf("class %s has no levels", ioClasses[i.Class])
	case with:
		i.Level, err = parseRange(0, 7)(level)
	case leveled:
		i.Level = 4 // as of ionice(1)
	}
	return i, err
}

func parseTimerSlack(s string) (attr.TimerSlack, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("not a duration with a unit, as 50us or 1ms")
	}
	return attr.TimerSlack(d), nil
}

// Modes have names as the options of numactl(8), flags those of tmpfs.
var (
	numaModes = []named{
		{"default", attr.NUMADefault}, {"preferred", attr.NUMAPreferred}, {"bind", attr.NUMABind},
		{"interleave", attr.NUMAInterleave}, {"local", attr.NUMALocal}, {"preferred-many", attr.NUMAPreferredMany},
		{"weighted-interleave", attr.NUMAWeightedInterleave},
	}
	numaFlags = []named{
		{"static", attr.NUMAStaticNodes}, {"relative", attr.NUMARelativeNodes}, {"balancing", attr.NUMABalancing},
	}
)

func parseNUMA(s string) (attr.NUMAPolicy, error) {
	name, nodes, with := strings.Cut(s, ":")
	words := strings.Split(name, "+")
	mode, err := numberOf("mode", numaModes, words[0])
	n := attr.NUMAPolicy{Mode: int(mode)}
	for _, flag := range words[1:] {
		if err == nil {
			var bit uint
			bit, err = numberOf("flag", numaFlags, flag)
			n.Flags |= bit
		}
	}
	if with && err == nil {
		n.Nodes, err = attr.ParseNodes(nodes)
	}
	if without := words[0] == "default" || words[0] == "local"; err == nil && without == with {
		if with {
			return n, fmt.Errorf("mode %s takes no nodes", words[0])
		}
		return n, fmt.Errorf("mode %s takes nodes", words[0])
	}
	return n, err
}
