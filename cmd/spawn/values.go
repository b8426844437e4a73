package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/safespawn/spawn/attr"
)

// name stores a text that must not be empty.
func name(to *string) func(string) error {
	return func(s string) error {
		if s == "" {
			return errors.New("empty")
		}
		*to = s
		return nil
	}
}

// duration stores a positive duration.
func duration(to *time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return errors.New("not a positive duration with a unit, as 1.5s or 2m")
		}
		*to = d
		return nil
	}
}

// parseTimeLimit reads a duration as of timeout(1): a number, with s, m, h or d for other
// units than seconds, or one of several units. What no clock can count is the longest.
func parseTimeLimit(s string) (time.Duration, error) {
	unit := time.Second
	number := s
	for suffix, u := range map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = rest, u
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // as large as can be
	}
	d, several := time.ParseDuration(s)
	switch {
	case err == nil && n*float64(unit) >= math.MaxInt64:
		return math.MaxInt64, nil
	case err == nil && n >= 0:
		return time.Duration(math.Ceil(n * float64(unit))), nil
	case several == nil && d >= 0:
		return d, nil
	}
	return 0, errors.New("not a duration, as 10, 1.5s, 2m, 1d or 1h30m")
}

// single stores the last value.
func single[T any](to **T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		*to = &v
		return err
	}
}

// collect stores all values.
func collect[T any](to *[]T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		*to = append(*to, v)
		return err
	}
}

// gather stores all elements of all values, which are lists; nil is that there was
// no value.
func gather[L ~[]T, T any](to *L, parse func(string) ([]T, error)) func(string) error {
	return func(s string) error {
		list, err := parse(s)
		*to = append(append(L{}, *to...), list...)
		return err
	}
}

// text is a parse function for texts that must not be empty.
func text[T ~string](s string) (T, error) {
	if s == "" {
		return "", errors.New("empty")
	}
	return T(s), nil
}

// parseList reads a list with commas; "none" is the empty one.
func parseList[T any](s string, parse func(string) (T, error)) ([]T, error) {
	if s == "none" {
		return nil, nil
	}
	var list []T
	for item := range strings.SplitSeq(s, ",") {
		v, err := parse(item)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// parseRange makes a parse function for numbers from least to most.
func parseRange(least, most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("%q is not a number from %d to %d", s, least, most)
		}
		return n, nil
	}
}

// named is a name for a number of the kernel.
type named struct {
	name   string
	number uint
}

// numberOf finds a name in a table, which is empty where there is no such thing.
func numberOf(kind string, table []named, name string) (uint, error) {
	if len(table) == 0 {
		return 0, fmt.Errorf("%ss of Linux: %w", kind, errors.ErrUnsupported)
	}
	names := make([]string, len(table))
	for i, n := range table {
		if n.name == name {
			return n.number, nil
		}
		names[i] = n.name
	}
	return 0, fmt.Errorf("no %s %q; there are %s", kind, name, strings.Join(names, ", "))
}

// parseNames makes a parse function for a list of names from tables.
func parseNames(kind string, tables ...[]named) func(string) ([]uint, error) {
	table := slices.Concat(tables...)
	return func(s string) ([]uint, error) {
		return parseList(s, func(name string) (uint, error) { return numberOf(kind, table, name) })
	}
}

// bits are numbers added up that are bits.
func bits(list []uint) (sum uint) {
	for _, n := range list {
		sum |= n
	}
	return sum
}

// put adds the attribute of a flag that was given.
func put[A attr.Attr](list *attr.List, v *A) {
	if v != nil {
		*list = append(*list, *v)
	}
}

// when adds the attribute of a flag without a value.
func when(list *attr.List, given bool, a attr.Attr) {
	if given {
		*list = append(*list, a)
	}
}
