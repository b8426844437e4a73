package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// streams are the flags of files and descriptors.
type streams struct {
	stdin, stdout, stderr string // files, "" for none
	append                bool
	opens                 []opening // --fd
	keep                  []int     // --keep-fd
}

func (o *options) fileFlags() []*pflag.Flag {
	const group = "Files"
	return []*pflag.Flag{
		o.value(group, "stdin", "read standard input from `FILE`", name(&o.stdin)),
		o.value(group, "stdout", "write standard output to `FILE`, emptied first", name(&o.stdout)),
		o.value(group, "stderr", "write standard error to `FILE|stdout`", name(&o.stderr)),
		toggle(group, "append", "append to the files of --stdout and --stderr", &o.append),
		o.value(group, "fd", "open a file as descriptor N: `N=FILE:MODE`", collect(&o.opens, parseOpening)),
		o.value(group, "keep-fd", "hand on descriptor `N` of the caller", collect(&o.keep, parseFD)),
	}
}

// opening is a file to be opened as a descriptor.
type opening struct {
	by   string // the flag
	fd   int
	path string
	mode int // of open(2)
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
	mode, ok := modes[rest[colon+1:]]
	if !ok {
		return opening{}, fmt.Errorf("mode %q is not r, w, rw or a", rest[colon+1:])
	}
	return opening{"--fd", fd, rest[:colon], mode}, nil
}

func parseFD(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, errors.New("not a descriptor number")
	}
	return int(n), nil
}
