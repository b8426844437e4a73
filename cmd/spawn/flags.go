package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
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
	running

	program []string
	err     error       // the first value that makes no sense
	opened  []io.Closer // what attributes name, until the start
	dropped []string    // what the kernel can't restrict
}

// flags are the flags, which store into o. The help text has them in this order.
func (o *options) flags() []cli.Flag {
	return slices.Concat(o.fileFlags(), o.processFlags(), o.schedFlags(), o.limitFlags(), o.treeFlags(), o.identityFlags(),
		o.sandboxFlags(), o.memoryFlags(), o.namespaceFlags(), o.runFlags())
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

// completionCommand is the name of the library's command that prints completion
// scripts. No argument can have it, so it hides no program.
const completionCommand = "\x00completion"

// completing is the variable by which the completion scripts ask for completions.
// The library has a last argument for that, which may be one of a program.
const completing = "SPAWN_COMPLETION"

// asking puts the variable into the completion scripts. The one for bash would have
// the shell evaluate what was typed so far, redirections and substitutions included;
// here the words are arguments.
var asking = strings.NewReplacer(
	`opts=$(eval "${request_comp}" 2>/dev/null)`, // bash
	`opts=$(`+completing+`=1 "${words[@]:0:cword}" ${cur:+"$cur"} --generate-shell-completion 2>/dev/null)`,
	`$(${words[@]`, `$(`+completing+`=1 ${words[@]`, // zsh
	`($args[1] `, `(env `+completing+`=1 $args[1] `, // fish
)

// parse reads the command line. It is done where there is nothing to run: help,
// version or completion have been printed.
func parse(args []string) (o *options, done bool, err error) {
	o, done = &options{}, true
	out := &output{Writer: os.Stdout}
	cmd := &cli.Command{
		Name:                          "spawn",
		Usage:                         "run a program with everything set that a program can be given",
		Version:                       version(),
		HideVersion:                   true,
		HideHelpCommand:               true,
		CustomRootCommandHelpTemplate: helpTemplate,
		Flags:                         o.flags(),
		Writer:                        out,
		EnableShellCompletion:         os.Getenv(completing) != "",
		ShellCompletionCommandName:    completionCommand,
		// It is there for --completion in any case.
		ConfigureShellCompletionCommand: func(*cli.Command) {},
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {},
		OnUsageError:                    func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err },
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
	args, err = separate(cmd.Flags, args)
	if err != nil && !cmd.EnableShellCompletion {
		return o, true, err
	}
	err = cmd.Run(context.Background(), append([]string{cmd.Name}, args...))
	return o, done, cmp.Or(err, out.err)
}

// separate puts "--" before the program if it isn't there, so that the library
// leaves everything from there on alone: it would drop a "--" that is an argument
// of the program. It finds mistakes that the library would report with other names.
func separate(flags []cli.Flag, args []string) ([]string, error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return args, nil
		case arg == "-" || !strings.HasPrefix(arg, "-"):
			return slices.Insert(slices.Clone(args), i, "--"), nil
		}
		text, value, given := strings.Cut(arg, "=")
		takes, err := flagNamed(flags, strings.TrimPrefix(strings.TrimPrefix(text, "-"), "-"))
		_, notBool := strconv.ParseBool(value)
		switch {
		case err != nil:
			return args, fmt.Errorf("%s: %w", text, err)
		case !takes && given && notBool != nil:
			return args, fmt.Errorf("%s %q: it takes no value", text, value)
		case takes && !given:
			i++
			if i == len(args) {
				return args, fmt.Errorf("%s: needs a value", text)
			}
		}
	}
	return args, nil
}

// flagNamed reports whether the flag with a name takes a value.
func flagNamed(flags []cli.Flag, name string) (takesValue bool, err error) {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			doc, ok := f.(cli.DocGenerationFlag)
			return ok && doc.TakesValue(), nil
		}
	}
	return false, errors.New("no such flag")
}

// output is a writer that keeps its first error, which the library does not tell.
type output struct {
	io.Writer
	err error
}

func (w *output) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// printCompletion prints the completion script of the library.
func printCompletion(ctx context.Context, cmd *cli.Command, shell string) error {
	script := cmd.Command(completionCommand).Command(shell)
	if script == nil || shell == "pwsh" { // whose script evaluates what was typed
		return fmt.Errorf("--completion %q: not one of bash, zsh, fish", shell)
	}
	out := cmd.Root().Writer
	var text strings.Builder
	cmd.Root().Writer = &text
	if err := script.Action(ctx, script); err != nil {
		return err
	}
	return write(out, asking.Replace(text.String()))
}

// version is what the go command has stamped into the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return fmt.Sprintf("%s (%s)", info.Main.Version, info.GoVersion)
}
