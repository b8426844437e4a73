package main

import (
	"github.com/spf13/pflag"

	"github.com/safespawn/spawn/attr"
)

// limiting is the flags of limits.
type limiting struct {
	rlimits     []attr.Attr
	oomScoreAdj *attr.OOMScoreAdj
}

func (o *options) limitFlags() []*pflag.Flag {
	const group = "Limits"
	return []*pflag.Flag{
		o.value(group, "rlimit", "set a limit: `NAME=SOFT[:HARD]|hard`", collect(&o.rlimits, attr.ParseLimit)),
		o.value(group, "oom-score-adj", "be killed sooner or later for want of memory: `N`", single(&o.oomScoreAdj, parseOOM)),
	}
}

func (o *options) limitAttributes() (list attr.List, err error) {
	list = append(list, o.rlimits...)
	put(&list, o.oomScoreAdj)
	return list, nil
}

func parseOOM(s string) (attr.OOMScoreAdj, error) {
	n, err := parseRange(-1000, 1000)(s)
	return attr.OOMScoreAdj(n), err
}
