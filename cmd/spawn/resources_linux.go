package main

import (
	"slices"
	"strings"

	"github.com/safespawn/spawn/internal/names"
)

// resources have the names of prlimit(1).
var resources = func() (list []resource) {
	for n, r := range names.Resources {
		list = append(list, resource{strings.ToLower(r.Name), n, r.Bytes})
	}
	slices.SortFunc(list, func(a, b resource) int { return strings.Compare(a.name, b.name) })
	return list
}()
