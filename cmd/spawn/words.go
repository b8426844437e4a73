package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/plan"
)

// origin is the flags that the parts of a Spec come of, for messages.
type origin struct {
	given   []string  // names, in the order of the help text
	attrs   attr.List // as in the Spec
	actions []string  // the flag of each file action
}

// note notes the flags of the command line.
func (o *origin) note(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			o.given = append(o.given, f.Name)
		}
	})
}

// message is an error in one line.
func (o *origin) message(err error) string { return tame(o.inFlags(err)) }

// complain prints a message on standard error, where nobody may be.
func complain(words ...any) {
	_ = write(os.Stderr, "spawn: "+tame(strings.TrimSuffix(fmt.Sprintln(words...), "\n"))+"\n")
}

// tame is a text that moves no cursor and gives a terminal no orders, whatever names are
// in it.
func tame(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		c, size := utf8.DecodeRuneInString(s)
		if quoted := strconv.Quote(s[:size]); strconv.IsPrint(c) && (c != utf8.RuneError || size > 1) {
			b.WriteString(s[:size])
		} else {
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[size:]
	}
	return b.String()
}

// bare is the text of an error without the prefix of the library.
func bare(err error) string {
	s := err.Error()
	for _, prefix := range []string{"spawn: ", "spawn "} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			return rest
		}
	}
	return s
}

// flagError is an error of the library that is about a flag.
type flagError struct {
	flag string
	err  error
}

func (e *flagError) Error() string { return e.flag + ": " + bare(e.err) }

func (e *flagError) Unwrap() error { return e.err }

// inFlags is an error, with flags for what the library names by its types.
func (o *origin) inFlags(err error) string {
	var conflict *attr.ConflictError
	var need *attr.NeedError
	var lack *spawn.UnsupportedError
	var failed *spawn.Error
	var limit *spawn.TreeLimitError
	switch {
	case errors.As(err, &conflict) && conflict.A == conflict.B:
		return o.flagFor(conflict.A) + " twice: " + conflict.Why
	case errors.As(err, &conflict):
		return o.flagFor(conflict.A) + " contradicts " + o.flagFor(conflict.B) + ": " + conflict.Why
	case errors.As(err, &need):
		return o.flagFor(need.Attr) + " needs " + o.needed(need)
	case errors.As(err, &lack) && strings.HasPrefix(lack.What, "attr."):
		name, how, _ := strings.Cut(strings.TrimPrefix(lack.What, "attr."), " ")
		return strings.TrimRight(o.flagFor(name)+" "+how, " ") + " needs " + lack.Since
	case errors.As(err, &failed):
		return o.ofStart(failed)
	case errors.As(err, &limit):
		return limitFlags[limit.File] + ": " + bare(limit)
	}
	return bare(err)
}

// limitFlags are the flags of limits, by the files of a cgroup.
var limitFlags = map[string]string{
	"memory.max": "--limit-memory", "memory.swap.max": "--limit-swap", "pids.max": "--limit-procs",
	"cpu.max": "--limit-cpu", "io.weight": "--io-weight", "memory.oom.group": "--oom-group",
}

// ofStart is why a start has failed: the flag, and what the kernel was asked for. What no
// flag has asked for is about the program.
func (o *origin) ofStart(e *spawn.Error) string {
	subject, step, object := o.flagOf(e), e.Step, plan.Printable(e.Object)
	switch {
	case subject == "--"+strings.ReplaceAll(step, "_", "-"):
		subject, step = subject+" "+object, ""
	case subject == "" && e.Object == e.Path:
		subject, object = e.Path, ""
	case subject == "":
		subject = e.Path
	}
	text := strings.TrimSpace(subject)
	if step != "" {
		text += ": " + strings.TrimSpace(step+" "+object)
	}
	text += ": " + e.Err.Error()
	if hint := cmp.Or(e.Hint, o.elsewhere(e)); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// elsewhere is that a program was looked for among other files than those of the caller.
func (o *origin) elsewhere(e *spawn.Error) string {
	if e.Step != spawn.StepExecve || !errors.Is(e, fs.ErrNotExist) {
		return ""
	}
	for _, flag := range []string{"chroot", "pivot-root", "mount", "join"} {
		if slices.Contains(o.given, flag) {
			return "among the files that --" + flag + " gives it"
		}
	}
	return ""
}

// flagOf is the flag that a failure is about, or "".
func (o *origin) flagOf(e *spawn.Error) string {
	switch {
	case e.Part == spawn.PartAttr && e.Index < len(o.attrs):
		return o.flagFor(attrName(o.attrs[e.Index]))
	case e.Part == spawn.PartAction && e.Index < len(o.actions):
		return o.actions[e.Index]
	}
	return ""
}

// attrName is the name of an attribute, as in messages of the library.
func attrName(a attr.Attr) string {
	a, _ = attrlist.Optional(a)
	name := strings.TrimPrefix(fmt.Sprintf("%T", a), "attr.")
	if name == "inTree" {
		name = "Tree.Attr"
	}
	return name
}

// givenFor are the flags that were given for an attribute.
func (o *origin) givenFor(name string) []string {
	list := []string{}
	for _, flag := range o.given {
		if slices.Contains(flagsOf[name], flag) {
			list = append(list, "--"+flag)
		}
	}
	return list
}

// flagFor is the flags of an attribute as words. Where none was given it is the one that
// gives the attribute, or where there is none its name.
func (o *origin) flagFor(name string) string {
	list := o.givenFor(name)
	if may := flagsOf[name]; len(list) == 0 && len(may) > 0 {
		list = append(list, "--"+may[0])
	}
	return cmp.Or(strings.Join(list, " and "), "attr."+name)
}

// needed is what an attribute needs, as a flag of namespaces where it is about one.
func (o *origin) needed(need *attr.NeedError) string {
	flags := make([]string, len(need.Of))
	for i, of := range need.Of {
		flags[i] = o.flagFor(of)
	}
	text := strings.Join(flags, " or ")
	switch need.Namespace {
	case "":
		return text
	case "mnt":
		return text + " with mount"
	}
	return text + " with " + need.Namespace
}
