package main

// helpTemplate is the help text, with the flags put in by the library.
const helpTemplate = `spawn - {{.Usage}}

Usage: spawn [flags] [--] PROGRAM [ARGUMENTS]

Everything from PROGRAM on is left alone. PROGRAM is searched for in the PATH
of the caller, whatever --env says, unless it has a slash.
{{range .VisibleFlagCategories}}
{{.Name}}:
{{range .Flags}}    {{.}}
{{end}}{{end}}
Of --env, --fd, --keep-fd and --rlimit there may be many.

Files. The program has descriptors 0, 1 and 2, those of --fd and --keep-fd, and
no others. Files are opened by the child, as the user of --user, in the
directory of the caller; --chdir comes after that, so a relative PROGRAM with a
slash is looked for in --chdir, as by env(1). MODE is r to read, w to write an
emptied file, rw to read and write one as it is, a to append; all but r make
the file if need be. "--stderr stdout" sends standard error to where standard
output goes; a file of that name is ./stdout.

Limits. NAME is one of as, core, cpu, data, fsize, locks, memlock, msgqueue,
nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack. A limit is a
number, with K, M, G or T for limits of bytes, or "unlimited". Without HARD it
is both limits. The value of --nice is not added to the current one.

Users. "--user NAME" gives all groups of the user, "--user NAME:GROUP" that
group and no others. Without privilege --user changes nothing for the user that
one is already. The environment stays as it is.

Signals. HUP, INT, QUIT, TERM, USR1, USR2 and WINCH are passed on to the
program. Without --setsid, HUP, INT, QUIT and WINCH are not while spawn is in
the foreground of a terminal, which sends them to both. Before the program
runs, as while a FIFO is being opened, the first four end spawn. HUP and INT
stay ignored if the caller ignores them.

--timeout kills the program (KILL), but not what the program has started.
--stats, --verbose and messages go to standard error.

Exit status:
    that of the program, or
    128+N  signal N has killed the program
    124    --timeout is over
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
`
