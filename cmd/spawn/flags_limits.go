package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/safespawn/spawn/attr"
)

// limiting is the flags of limits.
type limiting struct {
	rlimits     []attr.Attr
	oomScoreAdj *attr.OOMScoreAdj
}

func (o *options) limitFlags() []cli.Flag {
	const group = "Limits"
	return []cli.Flag{
		o.value(group, "rlimit", "set a limit: `NAME=SOFT[:HARD]|hard`", collect(&o.rlimits, parseLimit)),
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

// noFilePolicies are values of nofile that are no numbers.
var noFilePolicies = map[string]attr.NoFilePolicy{
	"original": attr.NoFileOriginal, "current": attr.NoFileCurrent,
}

// parseLimit gives the most special of the attributes that fit.
func parseLimit(s string) (attr.Attr, error) {
	name, values, ok := strings.Cut(s, "=")
	if !ok {
		return nil, errors.New("not NAME=SOFT[:HARD]")
	}
	r, err := resourceNamed(name)
	if err != nil {
		return nil, err
	}
	if policy, ok := noFilePolicies[values]; ok && name == "nofile" {
		return policy, nil
	}
	if values == "hard" {
		return attr.RlimitToHard(r.number), nil
	}
	soft, hard, err := parsePair(values, r.bytes)
	switch {
	case err != nil:
		return nil, err
	case name == "nofile":
		return attr.NoFile{Soft: soft, Hard: hard}, nil
	}
	return attr.Rlimit{Resource: r.number, Soft: soft, Hard: hard}, nil
}

// parsePair reads SOFT[:HARD].
func parsePair(s string, bytes bool) (soft, hard uint64, err error) {
	first, second, two := strings.Cut(s, ":")
	if !two {
		second = first
	}
	if soft, err = parseAmount(first, bytes); err != nil {
		return 0, 0, err
	}
	if hard, err = parseAmount(second, bytes); err != nil {
		return 0, 0, err
	}
	if soft > hard {
		return 0, 0, errors.New("the soft limit is above the hard one")
	}
	return soft, hard, nil
}

const unlimited = math.MaxUint64

// parseAmount reads a limit, which may have a unit if it is one of bytes.
func parseAmount(s string, bytes bool) (uint64, error) {
	if s == "unlimited" || s == "infinity" {
		return unlimited, nil
	}
	digits, shift := s, 0
	if bytes && s != "" {
		if i := strings.IndexByte("KMGT", s[len(s)-1]&^0x20); i >= 0 {
			digits, shift = s[:len(s)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	switch {
	case err != nil && bytes:
		return 0, fmt.Errorf("%q is not a number of bytes, with K, M, G or T if need be, or unlimited", s)
	case err != nil:
		return 0, fmt.Errorf("%q is not a number or unlimited", s)
	case n > unlimited>>shift:
		return 0, fmt.Errorf("%q is too large", s)
	}
	return n << shift, nil
}

// resource is something that --rlimit can limit.
type resource struct {
	name   string
	number int
	bytes  bool
}

func resourceNamed(name string) (resource, error) {
	if len(resources) == 0 {
		return resource{}, fmt.Errorf("resource limits: %w", errors.ErrUnsupported)
	}
	names := make([]string, len(resources))
	for i, r := range resources {
		if r.name == name {
			return r, nil
		}
		names[i] = r.name
	}
	return resource{}, fmt.Errorf("no resource %q; there are %s", name, strings.Join(names, ", "))
}
