package main

import "golang.org/x/sys/unix"

// resources have the names of prlimit(1).
var resources = []resource{
	{"as", unix.RLIMIT_AS, true},
	{"core", unix.RLIMIT_CORE, true},
	{"cpu", unix.RLIMIT_CPU, false},
	{"data", unix.RLIMIT_DATA, true},
	{"fsize", unix.RLIMIT_FSIZE, true},
	{"locks", unix.RLIMIT_LOCKS, false},
	{"memlock", unix.RLIMIT_MEMLOCK, true},
	{"msgqueue", unix.RLIMIT_MSGQUEUE, true},
	{"nice", unix.RLIMIT_NICE, false},
	{"nofile", unix.RLIMIT_NOFILE, false},
	{"nproc", unix.RLIMIT_NPROC, false},
	{"rss", unix.RLIMIT_RSS, true},
	{"rtprio", unix.RLIMIT_RTPRIO, false},
	{"rttime", unix.RLIMIT_RTTIME, false},
	{"sigpending", unix.RLIMIT_SIGPENDING, false},
	{"stack", unix.RLIMIT_STACK, true},
}
