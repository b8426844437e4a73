package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// options is the command line, by groups of flags.
type options struct {
	streams
	state
	scheduling
	limiting
	keeping
	identity
	sandbox
	memory
	isolation
	rooted
	running

	program []string
	err     error       // the first value that makes no sense
	opened  []io.Closer // what attributes name, until the start
	dropped []string    // what the kernel can't restrict
	from    origin      // for messages
	screen  *screen     // of --pty, or nil
}

// flags are the flags, which store into o. The help text has them in this order.
func (o *options) flags() []*pflag.Flag {
	return slices.Concat(o.fileFlags(), o.processFlags(), o.schedFlags(), o.limitFlags(), o.treeFlags(), o.identityFlags(),
		o.sandboxFlags(), o.memoryFlags(), o.namespaceFlags(), o.rootFlags(), o.runFlags())
}

// letters are the short names of the frequent flags.
var letters = map[string]string{
	"chdir": "C", "env": "e", "clear-env": "i", "user": "u", "nice": "n", "timeout": "t", "rlimit": "l",
	"stdin": "I", "stdout": "o", "stderr": "E", "verbose": "v", "tree": "T", "cpus": "c",
	"short-help": "h",
}

// value is a flag with a value, which may be given several times.
func (o *options) value(group, name, usage string, set func(string) error) *pflag.Flag {
	// The library would drop the type of an error and write other words.
	return inGroup(group, &pflag.Flag{Name: name, Shorthand: letters[name], Usage: usage, Value: setter(func(s string) error {
		if err := set(s); err != nil && o.err == nil {
			o.err = fmt.Errorf("--%s %q: %w", name, s, err)
		}
		return nil
	})})
}

// toggle is a flag without a value.
func toggle(group, name, usage string, to *bool) *pflag.Flag {
	var set pflag.FlagSet
	set.BoolVarP(to, name, letters[name], false, usage)
	return inGroup(group, set.Lookup(name))
}

// setter is a pflag.Value that hands each value to a function.
type setter func(string) error

func (f setter) Set(s string) error { return f(s) }
func (setter) Type() string         { return "value" }
func (setter) String() string       { return "" }

// groupKey is where a flag has its part of the help text.
const groupKey = "group"

func inGroup(group string, f *pflag.Flag) *pflag.Flag {
	f.Annotations = map[string][]string{groupKey: {group}}
	return f
}

func groupOf(f *pflag.Flag) string { return f.Annotations[groupKey][0] }

// takesValue reports whether a flag needs a value.
func takesValue(f *pflag.Flag) bool { return f.NoOptDefVal == "" }

// root is the command as the library knows it.
func (o *options) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "spawn [flags] [--] PROGRAM [ARGUMENTS]",
		Short:                 "run a program with everything set that a program can be given",
		Args:                  cobra.ArbitraryArgs,
		DisableFlagsInUseLine: true,
		SilenceErrors:         true,
		SilenceUsage:          true,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.SetInterspersed(false)
	for _, f := range o.flags() {
		flags.AddFlag(f)
	}
	return cmd
}

// parse reads the command line. It is done where there is nothing to run: help,
// version or completions have been printed.
func parse(args []string) (o *options, done bool, err error) {
	o, done = &options{}, true
	cmd := o.root()
	args, err = separate(cmd.Flags(), args)
	if err != nil {
		return o, true, err
	}
	var printed error
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { printed = write(os.Stdout, helpText(cmd)) })
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.program = args
		o.from.note(cmd.Flags())
		done, err = o.itself(cmd)
		return err
	}
	cmd.SetArgs(args)
	err = cmd.Execute()
	return o, done, cmp.Or(err, printed)
}

// itself does what is asked of spawn itself, and reports whether anything was.
func (o *options) itself(cmd *cobra.Command) (done bool, err error) {
	switch {
	case o.complete != "":
		return true, complete(os.Stdout, o.complete, o.program)
	case o.short:
		return true, write(os.Stdout, shortHelp(cmd))
	case o.man:
		return true, write(os.Stdout, manPage(cmd))
	case o.err != nil:
		return true, o.err
	case o.version:
		return true, write(os.Stdout, cmd.Name()+" version "+version()+"\n")
	case o.completion != "":
		return true, printCompletion(os.Stdout, o.completion)
	case o.dumpHere:
		return true, dump(os.Stdout)
	case o.dump && len(o.program) > 0:
		return true, errors.New("--dump: it runs no program, and takes none")
	case o.dump:
		o.program = []string{cmd.Name(), "--" + dumpHere}
	case len(o.program) == 0 && !o.features:
		return true, errors.New("no program given; spawn --help tells more")
	}
	return false, nil
}

// separate puts "--" before the program if it isn't there, so that no word of the
// program is one of the library's. It finds mistakes that the library would report
// in other words.
func separate(flags *pflag.FlagSet, args []string) ([]string, error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return args, nil
		case !isFlag(arg):
			return slices.Insert(slices.Clone(args), i, "--"), nil
		}
		f, open, err := flagIn(flags, arg)
		switch {
		case err != nil:
			return args, err
		case open:
			i++
			if i == len(args) {
				return args, fmt.Errorf("--%s: needs a value", f.Name)
			}
		}
	}
	return args, nil
}

// isFlag reports whether a word before the program is one with flags.
func isFlag(word string) bool { return word != "-" && strings.HasPrefix(word, "-") }

// flagIn is the last flag in a word, and whether its value is the next word.
func flagIn(flags *pflag.FlagSet, word string) (f *pflag.Flag, open bool, err error) {
	text, value, given := strings.Cut(word, "=")
	if name, long := strings.CutPrefix(text, "--"); long {
		f = flags.Lookup(name)
		_, notBool := strconv.ParseBool(value)
		switch {
		case f == nil:
			return nil, false, noFlag(flags, text, name)
		case !takesValue(f) && !mayHaveValue(f) && given && notBool != nil:
			return nil, false, fmt.Errorf("%s %q: it takes no value", text, value)
		}
		return f, takesValue(f) && !given, nil
	}
	for i, letter := range word[1:] {
		if letter < 0x80 { // the library looks at bytes
			f = flags.ShorthandLookup(string(letter))
		}
		switch {
		case f == nil || letter >= 0x80:
			return nil, false, noFlag(flags, text, text[1:])
		case takesValue(f):
			return f, i+2 == len(word), nil
		}
	}
	return f, false, nil
}

// noFlag is the error for a flag that there isn't.
func noFlag(flags *pflag.FlagSet, text, name string) error {
	if meant := suggestion(flags, name); meant != "" {
		return fmt.Errorf("%s: no such flag; did you mean --%s?", text, meant)
	}
	return fmt.Errorf("%s: no such flag; spawn -h lists the frequent ones", text)
}

// version is what the go command has stamped into the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return fmt.Sprintf("%s (%s)", info.Main.Version, info.GoVersion)
}
