package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// options is the command line.
type options struct {
	stdin, stdout, stderr string // files, "" for none
	append                bool
	opens                 []opening // --fd
	keep                  []int     // --keep-fd
	chdir                 string
	env                   []variable
	clearEnv              bool
	umask                 *int
	nice                  *int
	rlimits               []limit
	user                  string
	setsid                bool
	timeout               time.Duration

	explain, stats, verbose bool

	features, version bool
	completion        string

	program []string
	err     error // the first value that makes no sense
}

// Categories of flags; the help text has them in the order of the alphabet.
const (
	files   = "Files"
	process = "Process"
	running = "Running"
	itself  = "Spawn itself"
)

// flags are the flags, which store into o.
func (o *options) flags() []cli.Flag {
	return []cli.Flag{
		o.value(files, "stdin", "read standard input from `FILE`", name(&o.stdin)),
		o.value(files, "stdout", "write standard output to `FILE`, emptied first", name(&o.stdout)),
		o.value(files, "stderr", "write standard error to `FILE|stdout`", name(&o.stderr)),
		toggle(files, "append", "append to the files of --stdout and --stderr", &o.append),
		o.value(files, "fd", "open a file as descriptor N: `N=FILE:MODE`", collect(&o.opens, parseOpening)),
		o.value(files, "keep-fd", "hand on descriptor `N` of the caller", collect(&o.keep, parseFD)),

		o.value(process, "chdir", "run in directory `DIR`", name(&o.chdir)),
		o.value(process, "env", "put `NAME=VALUE` into the environment", collect(&o.env, parseVariable)),
		toggle(process, "clear-env", "start with an empty environment", &o.clearEnv),
		o.value(process, "umask", "run with file mode creation mask `MASK`, octal", single(&o.umask, parseUmask)),
		o.value(process, "nice", "run with nice value `N`, from -20 to 19", single(&o.nice, parseNice)),
		o.value(process, "rlimit", "set a limit: `NAME=SOFT[:HARD]`", collect(&o.rlimits, parseLimit)),
		o.value(process, "user", "run as `USER[:GROUP]`, names or numbers", name(&o.user)),
		toggle(process, "setsid", "run in a new session, without a terminal", &o.setsid),

		o.value(running, "timeout", "kill the program after `DURATION`, as 500ms or 1h30m", duration(&o.timeout)),
		toggle(running, "stats", "print time, memory and context switches afterwards", &o.stats),
		toggle(running, "explain", "print the system calls of the child, and run nothing", &o.explain),
		toggle(running, "verbose", "log what happens", &o.verbose),

		toggle(itself, "features", "print what this kernel gives", &o.features),
		o.value(itself, "completion", "print the completion script for `SHELL`: bash, zsh, fish or pwsh", name(&o.completion)),
		toggle(itself, "version", "print the version", &o.version),
		// The library finds the flag of this name and prints the help text.
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Category: itself, Usage: "print this text", HideDefault: true},
	}
}

// value is a flag with a value, which may be given several times.
func (o *options) value(category, name, usage string, set func(string) error) cli.Flag {
	// The library would drop the type of an error and write one hyphen.
	return &cli.GenericFlag{Name: name, Category: category, Usage: usage, Value: setter(func(s string) error {
		if err := set(s); err != nil && o.err == nil {
			o.err = fmt.Errorf("--%s %q: %w", name, s, err)
		}
		return nil
	})}
}

func toggle(category, name, usage string, to *bool) cli.Flag {
	return &cli.BoolFlag{Name: name, Category: category, Usage: usage, Destination: to, HideDefault: true}
}

// setter is a cli.Value that hands each value to a function.
type setter func(string) error

func (f setter) Set(s string) error { return f(s) }
func (setter) Get() any             { return nil }
func (setter) String() string       { return "" }

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

// completionCommand is the name of the library's command that prints completion
// scripts. No argument can have it, so it hides no program.
const completionCommand = "\x00completion"

// parse reads the command line. It is done where there is nothing to run: help,
// version or completion have been printed.
func parse(args []string) (o *options, done bool, err error) {
	o, done = &options{}, true
	cmd := &cli.Command{
		Name:                          "spawn",
		Usage:                         "run a program with files, limits and ids set",
		Version:                       version(),
		HideVersion:                   true,
		HideHelpCommand:               true,
		CustomRootCommandHelpTemplate: helpTemplate,
		Flags:                         o.flags(),
		EnableShellCompletion:         true,
		ShellCompletionCommandName:    completionCommand,
		ExitErrHandler:                func(context.Context, *cli.Command, error) {},
		OnUsageError:                  func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err },
		// --help with a program after it is --help.
		CommandNotFound: func(_ context.Context, cmd *cli.Command, _ string) { _ = cli.ShowRootCommandHelp(cmd) },
	}
	cmd.Action = func(ctx context.Context, cmd *cli.Command) error {
		o.program = cmd.Args().Slice()
		switch {
		case o.err != nil:
			return o.err
		case o.version:
			cli.ShowVersion(cmd)
		case o.completion != "":
			return printCompletion(ctx, cmd, o.completion)
		case len(o.program) == 0 && !o.features:
			return errors.New("no program given; spawn --help tells more")
		default:
			done = false
		}
		return nil
	}
	err = cmd.Run(context.Background(), append([]string{cmd.Name}, separate(cmd.Flags, args)...))
	return o, done, err
}

// separate puts "--" before the program if it isn't there, so that the library
// leaves everything from there on alone: it would drop a "--" that is an argument
// of the program.
func separate(flags []cli.Flag, args []string) []string {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--":
			return args
		case !strings.HasPrefix(arg, "-"):
			return slices.Insert(slices.Clone(args), i, "--")
		case takesValue(flags, arg):
			i++
		}
	}
	return args
}

// takesValue reports whether the argument after arg is the value of arg.
func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			doc, ok := f.(cli.DocGenerationFlag)
			return ok && doc.TakesValue()
		}
	}
	return false
}

// printCompletion prints the completion script of the library.
func printCompletion(ctx context.Context, cmd *cli.Command, shell string) error {
	script := cmd.Command(completionCommand).Command(shell)
	if script == nil {
		return fmt.Errorf("--completion %q: not one of bash, zsh, fish, pwsh", shell)
	}
	return script.Action(ctx, script)
}

// version is what the go command has stamped into the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return fmt.Sprintf("%s (%s)", info.Main.Version, info.GoVersion)
}
