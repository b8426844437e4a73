//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// noCall is the number of no system call, and too small for one of those by which arm kills.
const noCall = 1 << 15

// TestHereIsTheModel performs random programs by Go, which must do what the assembly does.
// The thread has a umask of its own and ends with the test.
func TestHereIsTheModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var err error
	testenv.OnThread(func() {
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			return
		}
		data := make([]byte, 400)
		for range 2000 {
			for i := range data {
				data[i] = byte(rnd.Uint32())
			}
			if checkHere(t, data); t.Failed() {
				return
			}
		}
	})
	if err != nil {
		testenv.Skip(t, "unshare: "+err.Error())
	}
}

// checkHere compares a random program, which does not exit, with the model.
func checkHere(t *testing.T, data []byte) {
	t.Helper()
	r := random{data}
	var vars [modelVars + 1]uint64
	for v := 1; v <= modelVars; v++ {
		vars[v] = uint64(r.below(4))
	}
	ops := []modelOp{{sys: Umask, arg: operand{0, startUmask}}}
	for n := r.below(24); n > 0; n-- {
		op := r.op()
		switch {
		case op.sys == ExitGroup && op.sweep:
			op.sys = Umask
		case op.sys == ExitGroup:
			op.sys = Chdir
		}
		ops = append(ops, op)
	}
	want := interpret(ops, vars)
	p := build(ops)
	p.ops[len(p.ops)-1].nr = noCall // the exit at the end
	run := NewRun(p)
	defer run.Free()
	copy(run.storage, vars[:])
	run.ended[0], run.ended[1] = run.perform()
	if !run.failedHere() {
		t.Error("it is not at its end")
		return
	}
	step, errno, _ := run.Failure()
	got := outcome{failed: -1, status: FailedStatus}
	if errno != unix.ENOSYS {
		got.failed, got.errno = step.Index, errno
	}
	copy(got.vars[:], run.storage)
	got.vars[0], want.vars[0] = 0, 0
	if got != want {
		t.Errorf("data %x\n%sgot  %+v\nwant %+v", data, listing(ops), got, want)
	}
}

// TestHereRetries counts the tries by their pauses.
func TestHereRetries(t *testing.T) {
	const tries = 20
	var p program
	p.fails().Retry(uint8(unix.EBADF), tries)
	r := NewRun(p.Build())
	defer r.Free()
	begin := time.Now()
	r.ended[0], r.ended[1] = r.perform()
	if took := time.Since(begin); took < tries*retryPause {
		t.Errorf("it took %v", took)
	}
	if !r.failedHere() {
		t.Fatal("it has not failed")
	}
	if step, errno, ok := r.Failure(); !ok || errno != unix.EBADF || step.Index != 0 {
		t.Errorf("%+v, %v", step, errno)
	}
}

var _ = testenv.RegisterHelper("here", helperHere)

// helperHere becomes another program, or says why not. It is to keep the mask.
func helperHere(args []string) int {
	runtime.LockOSThread()
	var b Builder
	b.Step(Step{Name: "sigmask", Index: -1})
	b.Call(0, RtSigprocmask, Int(unix.SIG_SETMASK), b.SavedMask(), Int(0), Int(sigsetSize))
	b.exec(args[0])
	r := NewRun(b.Build())
	r.PrepareHere()
	go func() {
		r.AwaitHere()
		_, errno, _ := r.Failure()
		syscall.Exit(int(errno))
	}()
	if err := r.Here(); err != nil {
		return FailedStatus
	}
	select {}
}

func TestHereBecomesTheProgram(t *testing.T) {
	for path, want := range map[string]int{tinyProgram(t, 23): 23, "/nonexistent/program": int(unix.ENOENT)} {
		cmd := helperCommand(t, "here", path)
		err := cmd.Run()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
			t.Errorf("%s: %v, want %d", path, err, want)
		}
	}
}
