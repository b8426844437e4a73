//go:build unix

// Restart starts a program again until it succeeds, and waits twice as long each time.
// Nothing that a failed run has started is left beside the next.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/safespawn/spawn/exec"
)

func main() {
	delay := 10 * time.Millisecond
	for run := 1; run <= 5; run++ {
		cmd := exec.Command("sh", "-c", "sleep 600 & echo run $1; test $1 -eq 3", "sh", strconv.Itoa(run))
		cmd.Stdout = os.Stdout
		cmd.Tree = true
		err := cmd.Run()
		if err == nil {
			return
		}
		fmt.Println(err)
		time.Sleep(delay)
		delay *= 2
	}
	log.Fatal("it never succeeds")
}
