//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine describes where the figures come from. It names no host.
type machine struct {
	cpu      string
	cores    int
	memory   int64 // bytes
	kernel   string
	goVers   string
	tools    []string // versions of what builds the peers
	noFile   uint64
	freeMem  int64
	arch, os string
}

func describeMachine() (machine, error) {
	m := machine{cores: runtime.NumCPU(), goVers: runtime.Version(), arch: runtime.GOARCH, os: runtime.GOOS}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return m, err
	}
	m.kernel, _, _ = strings.Cut(unix.ByteSliceToString(u.Release[:]), "-") // the rest may name who built it
	m.cpu = procField("/proc/cpuinfo", "model name", "unknown CPU")
	m.memory = kibibytes(procField("/proc/meminfo", "MemTotal", "0"))
	m.freeMem = kibibytes(procField("/proc/meminfo", "MemAvailable", "0"))
	var l unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	m.noFile = l.Cur
	return m, err
}

// procField is the value of the first "key : value" line in a file of /proc.
func procField(path, key, fallback string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return fallback
	}
	for line := range strings.Lines(string(text)) {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return fallback
}

// kibibytes converts "123 kB" to bytes.
func kibibytes(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(s, " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// lines describe the machine as a Markdown list.
func (m machine) lines() []string {
	l := []string{
		fmt.Sprintf("CPU: %s, %d cores", m.cpu, m.cores),
		fmt.Sprintf("memory: %.1f GiB", float64(m.memory)/(1<<30)),
		fmt.Sprintf("kernel: %s %s, %s", m.os, m.kernel, m.arch),
		"Go: " + m.goVers,
	}
	return append(l, m.tools...)
}
