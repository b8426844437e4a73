package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpText is the reference: the flags between the texts, each group in its order.
func helpText(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "spawn - %s\n\nUsage: %s\n", cmd.Short, cmd.UseLine())
	b.WriteString(helpBefore)
	for _, group := range groupsOf(cmd.Flags()) {
		fmt.Fprintf(&b, "\n%s:\n", group.name)
		width := 0
		for _, f := range group.flags {
			width = max(width, len(heading(f)))
		}
		for _, f := range group.flags {
			_, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(&b, "%-*s  %s\n", width, heading(f), usage)
		}
	}
	b.WriteString(helpAfter)
	return b.String()
}

// shortHelp is a screen: the flags that have a letter.
func shortHelp(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "spawn - %s\n\nUsage: %s\n\n", cmd.Short, cmd.UseLine())
	width := 0
	var list []*pflag.Flag
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Shorthand != "" {
			list, width = append(list, f), max(width, len(heading(f)))
		}
	})
	for _, f := range list {
		_, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(&b, "%-*s  %s\n", width, heading(f), usage)
	}
	b.WriteString("\nThe reference, with all flags: spawn --help\n")
	return b.String()
}

// heading is a flag with its letter and its value.
func heading(f *pflag.Flag) string {
	s := "    --" + f.Name
	if f.Shorthand != "" {
		s = "-" + f.Shorthand + ", --" + f.Name
	}
	switch value, _ := pflag.UnquoteUsage(f); {
	case takesValue(f):
		s += " " + value
	case mayHaveValue(f):
		s += "[=" + value + "]"
	}
	return "  " + s
}

// group is a part of the help text.
type group struct {
	name  string
	flags []*pflag.Flag
}

func groupsOf(flags *pflag.FlagSet) (list []group) {
	flags.VisitAll(func(f *pflag.Flag) {
		switch name := groupOf(f); {
		case f.Hidden:
		case len(list) == 0 || list[len(list)-1].name != name:
			list = append(list, group{name, []*pflag.Flag{f}})
		default:
			last := &list[len(list)-1]
			last.flags = append(last.flags, f)
		}
	})
	return list
}

const helpBefore = `
Everything from PROGRAM on is left alone. A PROGRAM without a slash is searched
for as by env(1): in the PATH that it gets itself, and in /bin and /usr/bin where
it gets none. What flags set is set in the child before PROGRAM begins, whatever
their order; --explain shows it step by step. Lists have commas.
`

const helpAfter = `
Of --env, --unset-env, --fd, --keep-fd, --rlimit, --join, --uid-map, --gid-map,
--mount, the flags with lists and --allow-* there may be many. --clear-env or
--reset-env come before --user-env, then --unset-env, then --env.

Files. The program has descriptors 0, 1 and 2, those of --fd and --keep-fd, and
no others. Files are opened by the child, as the user of --user, in the
directory of the caller; with --chroot, --pivot-root and --join of a mount
namespace inside, relative paths from its root. --chdir comes after that, so a
relative PROGRAM with a slash is looked for in --chdir, as by env(1). MODE is r
to read, w to write an emptied file, rw to read and write one as it is, a to
append; all but r make the file if need be. "--stderr stdout" sends standard
error to where standard output goes; a file of that name is ./stdout.

Signals. HUP, INT, QUIT, TERM, USR1, USR2 and WINCH are passed on to the
program. Without --setsid and --setpgid, HUP, INT, QUIT and WINCH are not while
spawn is in the foreground of a terminal, which sends them to both; HUP is if spawn
leads the session, as only its leader gets it when the terminal goes away. Before the
program runs, as while a FIFO is being opened, the first four end spawn; a
stopped program gets CONT after them. HUP, INT, TSTP, TTIN and TTOU stay ignored
where the caller ignores them, as under nohup(1), without --sig-default; the
others don't, as spawn itself handles them: say --sig-ignore. What the caller
blocks stays blocked without --sig-block, but for HUP, INT, QUIT, TERM, CHLD,
URG, PROF and the signals of faults.
SIGNALS are names or numbers, "all" or "none". As pid 1, as in a container, spawn
also reaps orphans.

With --pty the program leads a session of its own and has a new terminal, also as
the standard streams that no flag is about. Standard input is copied to it, and what
is written to it to standard output, all of it also at the end. A terminal on standard
input is raw meanwhile, so all keys are the program's; its modes and its size are those
of the new one. The end of another input is typed as the key for it (^D). The terminal
belongs to the user of spawn, whatever --user says. What still has it when the program
has ended gets HUP, as the program does when nobody reads standard output. KILL leaves
the own terminal raw; stty sane helps.

--ctty needs --setsid. --foreground needs --setpgid, and that spawn is in the
foreground itself; when the program is stopped, as by ^Z, it keeps the terminal,
and no shell gets it back. --stopped tells the process id on standard error, and
CONT is passed on, too; without CAP_SYS_PTRACE a set-user-ID program does not
get its id then.

Scheduling. POLICY is other, batch, idle, fifo:PRIORITY and rr:PRIORITY of 1 to
99, or deadline:RUNTIME/DEADLINE[/PERIOD] in durations. CLASS is none, realtime,
best-effort or idle; LEVEL is 0 to 7. MODE is default, preferred, bind,
interleave, local, preferred-many or weighted-interleave; FLAG is static,
relative or balancing. MIN or MAX 0 leaves that clamp as it is. --nice is not
added to the current value; --add-nice is, up to 19 and down to -20.

Limits. NAME is one of as, core, cpu, data, fsize, locks, memlock, msgqueue,
nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack. A limit is a
number, with K, M, G or T for limits of bytes, or "unlimited". Without HARD it
is both limits; "hard" raises the soft limit to the hard one. nofile can also
be "original", which spawn was started with, or "current", the soft limit as
the Go runtime of spawn has raised it.

Descendants. With --tree all that the program has started is killed when the
program has ended, and --timeout stops all of it. A control group of its own
holds the tree where spawn may make one, else a pid namespace, else the process
group of the program, which setsid(1) leaves: --verbose says which, --tree-strict
makes the last an error. Without a control group the program is in the background
of the terminal; --setpgid 0 --foreground changes that. Limits imply --tree, and
need controllers that are delegated to spawn; docs/trees.md tells how. BYTES may
end in K, M, G or T.

Users. "--user NAME" gives all groups of the user, "--user NAME:GROUP" the
supplementary ones along with that group. Without privilege --user changes
nothing for the user that one is already. With --ruid, --euid, --rgid or --egid
there are no supplementary groups without --groups or --keep-groups.
Capabilities are names or numbers, "none", or "all" of the bounding set of spawn;
"all,-NAME" leaves one out. --cap-effective and --cap-permitted are for the time
before execve, which makes both sets anew, from the others.
Flags of --securebits are noroot, no_setuid_fixup, no_cap_ambient_raise,
exec_restrict_file and exec_deny_interactive, each with _locked or without.

Sandbox. The FILE of --seccomp is an array of struct sock_filter, as libseccomp
exports it. Each flag from --landlock to --landlock-best-effort restricts the
program to what such flags allow; it must be allowed to run PROGRAM and to read
its libraries. The paths are looked up by spawn. With mounts, another root
directory or --join of a mount namespace they are looked up inside: after the
mounts, by the user of --user, relative ones from --chdir. Without privilege both
need --no-new-privs.

Memory. A core dump can have anon-private, anon-shared, file-private,
file-shared, elf-headers, huge-private, huge-shared, dax-private and dax-shared
mappings, or "none".

Namespaces. They are mount, pid, net, ipc, uts, user, cgroup and time; --unshare
also leaves files, fs and sysvsem. Options of --mount are those of mount(8), as
bind,ro or nosuid,size=1m; mounts are made in the order given, and need a mount
namespace. A bind mount with an option as ro also keeps the ro, nosuid, nodev, noexec
and nosymfollow of its source, as spawn finds it before, unless rw, suid, dev, exec or
symfollow are given. --map-auto maps the first ids that /etc/subuid and /etc/subgid
list for the caller, from 0 up, by newuidmap and newgidmap; --map-root and --map-self
then also map the ids of the caller. With --chroot and --pivot-root PROGRAM is a path
inside. With --new pid PROGRAM is init there: INT, TERM and others that it does not
handle do nothing.

With --init, as with docker run --init and bwrap(1), it is spawn that is init there,
and PROGRAM is its child: the init passes all signals on but those of job control and
of faults, reaps orphans, and ends when PROGRAM ends, which ends all others in the
namespace. What is set is set for both: a filter of --seccomp must let the init work,
--allow-exec must name the file of spawn, too, and --rlimit nproc counts its threads;
--rlimit as and data must have room for a program in Go.
--sig-default, --sig-ignore, --sig-block, --argv0 and --sha256 are about PROGRAM alone,
which the init looks for in the PATH and among the files inside. What is wrong with
PROGRAM the init says, by its message and its status. With another root directory
spawn needs no file there if it was built with CGO_ENABLED=0, and else its libraries.
--pidfile, --status-fd, --stats, --stopped and --persist are about the init. A signal
that has killed PROGRAM is status 128+N of the init; spawn ends by that signal where it
has got it, too, as by ^C.

With --exec spawn itself becomes the program, as env(1), nice(1) and setpriv(1) do:
the pid stays, and nobody is between the caller and PROGRAM. --parent-death is then
about the parent of spawn. Flags that need a process beside the program are refused,
as are new user and pid namespaces; docs/command.md lists them. --setsid fails
where spawn leads a process group, as each job of a shell does.

Optional flags. What can't be set is an error, and PROGRAM does not run. With --optional
it runs without what the flags of LIST set, after a message on standard error, and an
element of "lacks" in the line started of --status-fd. A value that makes no sense
stays an error. Flags that may be in LIST are nice, add-nice, sched without --util, cpus,
ioprio, timer-slack, numa, core-sched, rlimit, oom-score-adj, subreaper, coredump-filter,
no-huge-pages, merge-pages, no-aslr and personality, and of those that restrict PROGRAM
no-new-privs, landlock, seccomp, deny-write-exec and keyring. "landlock" is for all rules
together; it and seccomp need --no-new-privs.

--timeout stops the program by TERM, or the signal of --stop-signal, and kills it
by KILL if it has not ended 10 s later; with --tree what it has started, too, and
with --setsid or --setpgid 0 its process group. A DURATION is in seconds, or has a
unit: ms, s, m, h or d; 0 is never. With --kill-after the program is also killed that long
after a HUP, INT, QUIT or TERM that was passed on. As with "timeout --foreground",
the program keeps the terminal. See docs/command.md for what else timeout(1) does.
The file of --pidfile has the process id and a newline while PROGRAM runs. It is empty
just before, locked by fcntl(2) while spawn lives, and removed at the end. A file that a
spawn that was killed has left is used again. A file that is there must be empty or have
a process id alone, and belong to the user of spawn or root; it must be no link, device or
FIFO, and have no second hard link. Else it is left as it is, and PROGRAM does not run.
--progress shows nothing where standard error is no terminal, or spawn is in its
background.
--stats, --verbose and messages go to standard error. With json, --stats and
--explain print an object in one line; that of --explain also has the clone, the id
maps, and what each attribute needs of the kernel and of privileges.

Lines of --status-fd are JSON objects. "event" is started, with "pid" and "spawn_pid",
when PROGRAM runs, and with "namespaces", unless it has ended by then; ended, with
"exit_code" or "signal", when it has ended, and with --tree all others, too; or failed,
with "error", where PROGRAM does not run. "status" is the exit status of spawn. N must be
open for spawn. PROGRAM does not have it without
--keep-fd, unless N is 0, 1 or 2.

Exit status:
    that of the program, or
    128+N  signal N has killed the program; it then ends spawn, too, so that a shell
           sees the signal, and one ^C ends a script
    124    --timeout is over, without --preserve-status; 137 if KILL was needed
    125    a mistake in the command line, or a step before PROGRAM failed
    126    PROGRAM is there, but can't be run
    127    there is no PROGRAM

Examples:
    spawn --stdout build.log --stderr stdout make all
    spawn --chdir /srv/app --user app --rlimit nofile=65536 ./server
    spawn --fd 3=state.db:rw --clear-env --env LANG=C -- prog --a-flag-of-prog
    spawn --timeout 10s --rlimit as=512M:1G --nice 10 --stats ./job
    spawn --explain --setsid --stdin /dev/null ls
    source <(spawn --completion bash)

    nice -n 5 ionice -c 3 taskset -c 0-3 chrt -b 0 ./job
    spawn --nice 5 --ioprio idle --cpus 0-3 --sched batch ./job

    setpriv --reuid app --regid app --init-groups --inh-caps=-all \
        --ambient-caps=-all --bounding-set=-all --no-new-privs ./server
    spawn --user app --caps none --no-new-privs ./server

    exec spawn --exec --user app --caps none ./server

    choom -n 500 -- prlimit --core=0 --nofile=1024 setarch -R ./job
    spawn --oom-score-adj 500 --rlimit core=0 --rlimit nofile=1024 --no-aslr ./job

    unshare -r -p -f -m -n sh -c 'mount -t proc proc /proc && exec ./job'
    spawn --new user,pid,mount,net --map-root --mount type=proc,target=/proc ./job
`
