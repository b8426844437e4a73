// Package exectest runs the Cmds of package exec without processes, to test code that runs
// programs.
//
// The code under test makes its Cmds by exec.CommandContext. The test gives it a context with
// a runner: [Script] answers by rules, [Record] runs the real programs and writes down what
// they do, and [Replay] does the same again from the file.
//
//	git := exectest.Script(exectest.On("git", "status", "-s").Out(" M main.go\n")).Strict(t)
//	changed, err := Changed(git.Context(t.Context()))
//	git.AssertRan(t, []string{"git", "status", "-s"})
//
// The errors are those of real programs: an *exec.ExitError with its status and its signal, an
// *exec.Error for a program that is missing, and an *fs.PathError with the *spawn.Error of the
// step that has failed.
//
// With Script and Replay nothing is looked up, opened or started. The Pid of Cmd.Process is larger
// than any that a kernel gives, so that no signal to it can reach anybody. See exec.WithRunner for
// what Process can't do.
//
// A status other than 0 needs an os.ProcessState, which package os does not let others make.
// This package makes it where package os is as this version knows it: on all systems but plan9
// and WebAssembly, with the versions of Go that exist. Otherwise Cmd.Wait returns an
// error that matches errors.ErrUnsupported.
package exectest
