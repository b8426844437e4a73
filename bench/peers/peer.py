"""The peer in Python: subprocess and os.posix_spawn. See peers.go for the protocol."""

import os
import subprocess
import sys
import time


def subprocess_inherit(path):
    return subprocess.run([path]).returncode == 0


def subprocess_capture(path):
    done = subprocess.run([path], stdout=subprocess.PIPE)
    return done.returncode == 0 and len(done.stdout) > 0


def posix_spawn_inherit(path):
    pid = os.posix_spawn(path, [path], os.environ)
    return os.waitpid(pid, 0)[1] == 0


def posix_spawn_capture(path):
    r, w = os.pipe()
    pid = os.posix_spawn(path, [path], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)])
    os.close(w)
    with open(r, "rb") as f:
        out = f.read()
    return os.waitpid(pid, 0)[1] == 0 and len(out) > 0


METHODS = {
    ("subprocess", "inherit"): subprocess_inherit,
    ("subprocess", "capture"): subprocess_capture,
    ("posix_spawn", "inherit"): posix_spawn_inherit,
    ("posix_spawn", "capture"): posix_spawn_capture,
}


def run(method, kind, path, n):
    spawn = METHODS[method, kind]
    clock = time.monotonic_ns
    took = []
    begin = clock()
    for _ in range(n):
        t = clock()
        if not spawn(path):
            raise OSError("child failed")
        took.append(clock() - t)
    return "\t".join(map(str, ["ok", clock() - begin, *took]))


def main():
    for line in sys.stdin:
        try:
            _, method, kind, path, n, _ = line.rstrip("\n").split("\t")
            reply = run(method, kind, path, int(n))
        except Exception as e:
            reply = "error\t%s" % e
        print(reply, flush=True)


main()
