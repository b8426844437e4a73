//go:build linux

// Osexec is the program restart with os/exec. It kills the group while the shell is a
// zombie, or the group's number could be another's.
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	delay := 10 * time.Millisecond
	for run := 1; run <= 5; run++ {
		cmd := exec.Command("sh", "-c", "sleep 600 & echo run $1; test $1 -eq 3", "sh", strconv.Itoa(run))
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		err := cmd.Start()
		if err == nil {
			_ = unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) // Wait has the error
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			err = cmd.Wait()
		}
		if err == nil {
			return
		}
		fmt.Println(err)
		time.Sleep(delay)
		delay *= 2
	}
	log.Fatal("it never succeeds")
}
