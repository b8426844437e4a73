package main

import (
	"github.com/spf13/pflag"

	"github.com/safespawn/spawn/attr"
)

// memory is the flags of what belongs to the memory, for which the child gets a
// copy of it.
type memory struct {
	coredump      []uint // nil where not given
	denyWriteExec bool
	noHugePages   bool
	mergePages    bool
}

// mappings are what a core dump may have.
var mappings = []named{
	{"anon-private", uint(attr.DumpAnonPrivate)}, {"anon-shared", uint(attr.DumpAnonShared)},
	{"file-private", uint(attr.DumpFilePrivate)}, {"file-shared", uint(attr.DumpFileShared)},
	{"elf-headers", uint(attr.DumpELFHeaders)},
	{"huge-private", uint(attr.DumpHugePrivate)}, {"huge-shared", uint(attr.DumpHugeShared)},
	{"dax-private", uint(attr.DumpDAXPrivate)}, {"dax-shared", uint(attr.DumpDAXShared)},
}

func (o *options) memoryFlags() []*pflag.Flag {
	const group = "Memory"
	return []*pflag.Flag{
		o.value(group, "coredump-filter", "have `LIST` in a core dump, as anon-private,elf-headers", gather(&o.coredump, parseNames("mapping", mappings))),
		toggle(group, "deny-write-exec", "make no memory executable that was writable", &o.denyWriteExec),
		toggle(group, "no-huge-pages", "have no transparent huge pages", &o.noHugePages),
		toggle(group, "merge-pages", "have pages merged with equal ones", &o.mergePages),
	}
}

func (o *options) memoryAttributes() (list attr.List, err error) {
	when(&list, o.coredump != nil, attr.CoredumpFilter(bits(o.coredump)))
	when(&list, o.denyWriteExec, attr.MemoryDenyWriteExec{})
	when(&list, o.noHugePages, attr.NoHugePages{})
	when(&list, o.mergePages, attr.MergePages{})
	return list, nil
}
