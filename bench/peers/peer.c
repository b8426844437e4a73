// The peer in C. It answers requests on stdin, one a line, fields separated by
// tabs, and is driven by peers.go, which describes the protocol.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

// Each starter makes a child that runs path with out as its stdout, or with the
// caller's where out is negative. It returns the pid, or a negative number.

static pid_t start_posix_spawn(const char *path, int out) {
	char *argv[] = {(char *)path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_t *fa = NULL;
	pid_t pid;
	if (out >= 0) {
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, out, 1);
		fa = &actions;
	}
	int e = posix_spawn(&pid, path, fa, NULL, argv, environ);
	if (fa)
		posix_spawn_file_actions_destroy(fa);
	return e ? -1 : pid;
}

static pid_t start_vfork(const char *path, int out) {
	char *argv[] = {(char *)path, NULL};
	pid_t pid = vfork();
	if (pid == 0) {
		if (out >= 0)
			dup2(out, 1);
		execve(path, argv, environ);
		_exit(127);
	}
	return pid;
}

// What a process like that of Go needs besides: signals blocked while memory is
// shared, a handler for SIGCHLD, and a pidfd to wait with.

static int pidfd = -1;

static void on_child(int sig) { (void)sig; }

static pid_t start_careful(const char *path, int out) {
	char *argv[] = {(char *)path, NULL};
	sigset_t all, old;
	struct sigaction act = {.sa_handler = on_child, .sa_flags = SA_RESTART};
	sigaction(SIGCHLD, &act, NULL); // costs next to nothing each time
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid_t pid = vfork();
	if (pid == 0) {
		struct sigaction dfl = {.sa_handler = SIG_DFL};
		sigaction(SIGCHLD, &dfl, NULL);
		if (out >= 0)
			dup2(out, 1);
		sigprocmask(SIG_SETMASK, &old, NULL);
		execve(path, argv, environ);
		_exit(127);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid >= 0)
		pidfd = syscall(SYS_pidfd_open, pid, 0);
	return pid;
}

static pid_t start_fork(const char *path, int out) {
	char *argv[] = {(char *)path, NULL};
	pid_t pid = fork();
	if (pid == 0) {
		if (out >= 0)
			dup2(out, 1);
		execve(path, argv, environ);
		_exit(127);
	}
	return pid;
}

typedef pid_t starter(const char *path, int out);

static starter *find(const char *method) {
	if (!strcmp(method, "posix_spawn"))
		return start_posix_spawn;
	if (!strcmp(method, "vfork"))
		return start_vfork;
	if (!strcmp(method, "careful"))
		return start_careful;
	if (!strcmp(method, "fork"))
		return start_fork;
	return NULL;
}

static int reap(pid_t pid) {
	int status;
	if (pidfd >= 0) {
		siginfo_t info;
		while (waitid(P_PIDFD, pidfd, &info, WEXITED) < 0)
			if (errno != EINTR)
				return -1;
		close(pidfd);
		pidfd = -1;
		return info.si_status;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

static int spawn_inherit(starter *start, const char *path) {
	pid_t pid = start(path, -1);
	return pid < 0 ? -1 : reap(pid);
}

static int spawn_capture(starter *start, const char *path) {
	static char buf[65536];
	int p[2];
	if (pipe2(p, O_CLOEXEC))
		return -1;
	pid_t pid = start(path, p[1]);
	close(p[1]);
	size_t got = 0;
	ssize_t n;
	while (pid >= 0 && (n = read(p[0], buf, sizeof buf)) > 0)
		got += n;
	close(p[0]);
	return pid < 0 || got == 0 ? -1 : reap(pid);
}

static int fail(const char *what) {
	printf("error\t%s: %s\n", what, strerror(errno));
	return fflush(stdout);
}

static int run(const char *method, const char *kind, const char *path, int n) {
	starter *start = find(method);
	int capture = !strcmp(kind, "capture");
	int64_t *took = calloc(n, sizeof *took);
	if (!start || !took)
		return fail(method);
	int64_t begin = now();
	for (int i = 0; i < n; i++) {
		int64_t t = now();
		if (capture ? spawn_capture(start, path) : spawn_inherit(start, path)) {
			free(took);
			return fail(path);
		}
		took[i] = now() - t;
	}
	printf("ok\t%lld", (long long)(now() - begin));
	for (int i = 0; i < n; i++)
		printf("\t%lld", (long long)took[i]);
	printf("\n");
	free(took);
	return fflush(stdout);
}

static int open_files(int n) {
	for (int i = 0; i < n; i++)
		if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
			return fail("open");
	printf("ok\n");
	return fflush(stdout);
}

int main(void) {
	static char line[8192];
	while (fgets(line, sizeof line, stdin)) {
		char *field[6] = {0};
		int fields = 0;
		for (char *f = strtok(line, "\t\n"); f && fields < 6; f = strtok(NULL, "\t\n"))
			field[fields++] = f;
		errno = EINVAL;
		if (fields == 2 && !strcmp(field[0], "files"))
			open_files(atoi(field[1]));
		else if (fields == 6 && !strcmp(field[0], "run"))
			run(field[1], field[2], field[3], atoi(field[4]));
		else
			fail("request");
	}
	return 0;
}
