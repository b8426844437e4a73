package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// keeping is the flags of the program together with its descendants.
type keeping struct {
	tree   bool
	limits spawn.Limits

	held *spawn.Tree // nil where there is none
}

func (o *options) treeFlags() []*pflag.Flag {
	const group = "Descendants"
	l := &o.limits
	return []*pflag.Flag{
		toggle(group, "tree", "end what the program has started together with it", &o.tree),
		toggle(group, "tree-strict", "--tree, or an error where some of it could get away", &l.Strict),
		o.value(group, "limit-memory", "bound their memory to `BYTES`", amount(&l.Memory)),
		o.value(group, "limit-swap", "bound their swap to `BYTES`", swap(&l.Swap)),
		o.value(group, "limit-procs", "bound their processes and threads to `N`", number(&l.Procs, 1, math.MaxInt32)),
		o.value(group, "limit-cpu", "bound them to N `PROCESSORS`, as 0.5", processors(&l.CPU)),
		o.value(group, "io-weight", "give them `N` of 1 to 10000 for disks, where others have 100", number(&l.IOWeight, 1, 10000)),
		toggle(group, "oom-group", "kill them all when one is killed for want of memory", &l.OOMGroup),
	}
}

// kept reports whether descendants are kept together.
func (o *keeping) kept() bool { return o.tree || o.limits != spawn.Limits{} }

// treeAttributes makes the tree.
func (o *options) treeAttributes() (attr.List, error) {
	if !o.kept() {
		return nil, nil
	}
	t, err := spawn.NewTree(o.limits)
	var limit *spawn.TreeLimitError
	switch {
	case errors.As(err, &limit):
		return nil, err
	case err != nil:
		return nil, &flagError{o.from.flagFor("Tree.Attr"), err}
	}
	o.held = t
	if holds := t.Holds(); o.verbose {
		complain("the tree is held by", holds)
	}
	return attr.List{t.Attr()}, nil
}

// closeTree ends what is left of the tree.
func (o *keeping) closeTree() {
	if o.held == nil {
		return
	}
	if err := o.held.Close(); err != nil {
		complain("--tree: " + new(origin).message(err))
	}
}

// usage is what the tree has used; nil where nobody counts.
func (o *keeping) usage() *spawn.Usage {
	if o.held == nil {
		return nil
	}
	u, err := o.held.Usage()
	if err != nil {
		return nil
	}
	return &u
}

// ownGroups reports whether the program leads a process group for the tree's sake.
func (o *keeping) ownGroups() bool {
	return o.held != nil && o.held.Holds().By != spawn.HeldByCgroup
}

// amount stores a positive number of bytes.
func amount(to *int64) func(string) error {
	return func(s string) error {
		n, err := attr.ParseBytes(s)
		if err == nil && (n == 0 || n > math.MaxInt64) {
			err = errors.New("not a positive number of bytes")
		}
		*to = int64(n)
		return err
	}
}

// swap stores a number of bytes; none at all is a negative limit.
func swap(to *int64) func(string) error {
	return func(s string) error {
		if s == "0" {
			*to = -1
			return nil
		}
		return amount(to)(s)
	}
}

// number stores a number from least to most.
func number(to *int, least, most int) func(string) error {
	return func(s string) (err error) {
		*to, err = parseRange(least, most)(s)
		return err
	}
}

const mostProcessors = 1 << 20

// processors stores a positive number that may have a fraction.
func processors(to *float64) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || !(n > 0 && n <= mostProcessors) {
			return fmt.Errorf("not a positive number up to %d, as 2 or 0.5", mostProcessors)
		}
		*to = n
		return nil
	}
}
