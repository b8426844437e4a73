//go:build unix

// Deadline gives a program, and all that it starts, a fifth of a second.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/safespawn/spawn/exec"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 600 & echo started; wait")
	cmd.Tree = true
	out, err := cmd.Output()
	if !errors.Is(err, context.DeadlineExceeded) {
		log.Fatal(err)
	}
	fmt.Printf("%sout of time\n", out)
}
