package testenv

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// addrLimit32Bit is a flag that execve sets on kernels for arm.
const addrLimit32Bit = 0x0800000

// PersonalityFile is what /proc/PID/personality says of a program that was started with flags.
func PersonalityFile(t testing.TB, flags uint64) string {
	t.Helper()
	own, err := os.ReadFile("/proc/thread-self/personality")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(own)), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%08x\n", flags|n&addrLimit32Bit)
}
