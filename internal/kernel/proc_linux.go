package kernel

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// OurIDs reports whether a number in /proc is a pid as this process knows it, and not
// that of another pid namespace.
func OurIDs() bool {
	var buf, own [20]byte
	n, err := unix.Readlink("/proc/self", buf[:])
	return err == nil && string(buf[:n]) == string(strconv.AppendInt(own[:0], int64(os.Getpid()), 10))
}

// Stat is StatFields of a directory of /proc, with all that are used here.
func Stat(name string) ([][]byte, error) {
	text, err := highfd.ReadFile("/proc/" + name + "/stat")
	if err != nil {
		return nil, err
	}
	fields := StatFields(text)
	if len(fields) < statFields {
		return nil, unix.EIO
	}
	return fields, nil
}

// Passes reports whether an error is that descriptors or memory were short. It says nothing of
// what was looked at.
func Passes(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// statFields is the least number of fields that Stat returns.
const statFields = 20

// StatFlags is the index of the flags in StatFields, and ForkNoExec one of them,
// PF_FORKNOEXEC: the process has had no execve.
const (
	StatFlags  = 6
	ForkNoExec = 0x40
)

// StatFields are the fields of a stat file from the third on: PID (NAME) STATE PPID
// PGRP SESSION TTY TPGID FLAGS ..., of which the twentieth is the time of the start.
// The name may have any character.
func StatFields(text []byte) [][]byte {
	return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
}

// Number is the number that a file of /proc has after a name, which must not
// be in its first line.
func Number(path, name string) (n int, ok bool) {
	text, err := highfd.ReadFile(path)
	if err != nil {
		return 0, false
	}
	return number(text, name)
}

// number is Number of the text of a file.
func number(text []byte, name string) (n int, ok bool) {
	_, rest, ok := bytes.Cut(text, []byte("\n"+name+":"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	return n, err == nil
}

// MountPath is the path that a field of mountinfo is about. The kernel writes some bytes as
// a backslash and three octal digits.
func MountPath(field string) string {
	path := make([]byte, 0, len(field))
	for len(field) > 0 {
		c, n := field[0], 1
		if c == '\\' && len(field) >= 4 {
			if octal, err := strconv.ParseUint(field[1:4], 8, 8); err == nil {
				c, n = byte(octal), 4
			}
		}
		path, field = append(path, c), field[n:]
	}
	return string(path)
}
