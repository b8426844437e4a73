// On 386 and arm the programs of the examples may be for amd64 and arm64, whose calls have other
// numbers.

//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !386 && !arm && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"fmt"
	"log"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func init() { testenv.OmitExample("ExampleSeccompListener", spawntest.LacksListener) }

// The filter notifies of uname, and this process answers: the program is told that the call
// is not permitted.
func ExampleSeccompListener() {
	arch := map[string]uint32{
		"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64,
		"loong64": unix.AUDIT_ARCH_LOONGARCH64, "ppc64le": unix.AUDIT_ARCH_PPC64LE, "riscv64": unix.AUDIT_ARCH_RISCV64,
		"s390x": unix.AUDIT_ARCH_S390X,
	}[runtime.GOARCH]
	filter := []attr.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4}, // the architecture
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: arch},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_UNAME},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	var l attr.SeccompListener
	defer l.Close()
	go func() {
		for {
			call, err := l.Recv(context.Background())
			if err != nil {
				return // io.EOF: the last process with the filter has ended
			}
			_ = call.Deny(unix.EPERM) // or the caller is dead
		}
	}()
	state, err := spawn.Run(context.Background(), &spawn.Spec{
		Path: "/bin/sh", Args: []string{"sh", "-c", "uname 2>/dev/null || exit 7"},
		Attr: attr.List{attr.NoNewPrivs{}, attr.Seccomp{Filter: filter, Listener: &l}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.ExitCode())
	// Output: 7
}

// The program may read and execute the files of the system's directories. It has no
// network, and may not trace other programs.
func Example_sandbox() {
	rules, err := attr.NewLandlock(attr.LandlockRules{
		Execute:    []string{"/bin", "/usr", "/lib"},
		Write:      []string{"/dev/null"},
		BestEffort: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer rules.Close()
	arch := map[string]uint32{
		"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64,
		"loong64": unix.AUDIT_ARCH_LOONGARCH64, "ppc64le": unix.AUDIT_ARCH_PPC64LE, "riscv64": unix.AUDIT_ARCH_RISCV64,
		"s390x": unix.AUDIT_ARCH_S390X,
	}[runtime.GOARCH]
	const x32 = 0x40000000
	filter := []attr.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4}, // arch of struct seccomp_data
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: arch},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // nr
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jt: 1, K: x32},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_UNSHARE},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	output("unshare --user true 2>/dev/null || echo no namespaces", attr.List{
		attr.NoNewPrivs{},
		rules.Attr(),
		attr.Seccomp{Filter: filter},
		attr.Personality(attr.PersonalityNoASLR),
	})
	// Output: no namespaces
}
