package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// opening is a value of --fd.
type opening struct {
	fd   int
	path string
	flag int
}

// modes are the modes of --fd, as fopen(3) and shells have them.
var modes = map[string]int{
	"r":  os.O_RDONLY,
	"w":  os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
	"rw": os.O_RDWR | os.O_CREATE,
	"a":  os.O_WRONLY | os.O_CREATE | os.O_APPEND,
}

func parseOpening(s string) (opening, error) {
	number, rest, ok := strings.Cut(s, "=")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 1 {
		return opening{}, errors.New("not N=FILE:MODE")
	}
	fd, err := parseFD(number)
	if err != nil {
		return opening{}, err
	}
	flag, ok := modes[rest[colon+1:]]
	if !ok {
		return opening{}, fmt.Errorf("mode %q is not r, w, rw or a", rest[colon+1:])
	}
	return opening{fd, rest[:colon], flag}, nil
}

func parseFD(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, errors.New("not a descriptor number")
	}
	return int(n), nil
}

// variable is a value of --env.
type variable struct{ name, value string }

func parseVariable(s string) (variable, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return variable{}, errors.New("not NAME=VALUE")
	}
	return variable{name, value}, nil
}

func parseUmask(s string) (int, error) {
	n, err := strconv.ParseUint(s, 8, 16)
	if err != nil || n > 0o777 {
		return 0, errors.New("not an octal number from 0 to 777")
	}
	return int(n), nil
}

func parseNice(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < -20 || n > 19 {
		return 0, errors.New("not a number from -20 to 19")
	}
	return n, nil
}

// limit is a value of --rlimit.
type limit struct {
	resource   int
	soft, hard uint64
}

const unlimited = math.MaxUint64

func parseLimit(s string) (limit, error) {
	name, values, ok := strings.Cut(s, "=")
	if !ok {
		return limit{}, errors.New("not NAME=SOFT[:HARD]")
	}
	r, err := resourceNamed(name)
	if err != nil {
		return limit{}, err
	}
	soft, hard, two := strings.Cut(values, ":")
	if !two {
		hard = soft
	}
	l := limit{resource: r.number}
	if l.soft, err = parseAmount(soft, r.bytes); err != nil {
		return limit{}, err
	}
	if l.hard, err = parseAmount(hard, r.bytes); err != nil {
		return limit{}, err
	}
	if l.soft > l.hard {
		return limit{}, errors.New("the soft limit is above the hard one")
	}
	return l, nil
}

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
