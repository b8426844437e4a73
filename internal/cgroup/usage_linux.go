package cgroup

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// Usage reads the files of the controllers.
func (g *Group) Usage() (u Usage, err error) {
	err = g.with(func(fd int) error {
		if !exists(fd) {
			return os.ErrClosed
		}
		read := func(file string, use func(text []byte) bool) {
			if text, err := readFile(fd, file); err != nil || !use(text) {
				u.Missing = append(u.Missing, file)
			}
		}
		read("memory.peak", func(b []byte) bool { u.MemoryPeak, _ = number(b); return true })
		read("memory.events", func(b []byte) bool { n, ok := keyed(b, "oom_kill"); u.OOMKills = int(n); return ok })
		read("cpu.stat", func(b []byte) bool {
			user, ok := keyed(b, "user_usec")
			system, _ := keyed(b, "system_usec")
			throttled, _ := keyed(b, "throttled_usec")
			u.User, u.System, u.Throttled = micros(user), micros(system), micros(throttled)
			return ok
		})
		read("pids.peak", func(b []byte) bool { n, ok := number(b); u.ProcsPeak = int(n); return ok })
		read("io.stat", func(b []byte) bool { u.Read, u.Written = sumIO(b); return true })
		return nil
	})
	return u, err
}

// OOMKills is how many processes of the group, and of those below it, the kernel has
// killed for memory; ok is false where it does not count them.
func (g *Group) OOMKills() (n int, ok bool) {
	_ = g.with(func(fd int) error {
		text, err := readFile(fd, "memory.events")
		if err == nil {
			var count int64
			count, ok = keyed(text, "oom_kill")
			n = int(count)
		}
		return err
	})
	return n, ok
}

// exists reports whether a directory of a group has not been removed.
func exists(fd int) bool {
	_, err := readFile(fd, "cgroup.events")
	return err == nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

func number(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	return n, err == nil
}

// keyed is a number in a file with lines of a key and a number.
func keyed(text []byte, key string) (int64, bool) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(key+" ")); ok {
			return number(rest)
		}
	}
	return 0, false
}

// sumIO adds up the devices of io.stat: MAJOR:MINOR rbytes=N wbytes=N ...
func sumIO(text []byte) (read, written int64) {
	for _, field := range bytes.Fields(text) {
		name, value, _ := bytes.Cut(field, []byte("="))
		n, _ := number(value)
		switch string(name) {
		case "rbytes":
			read += n
		case "wbytes":
			written += n
		}
	}
	return read, written
}
