// First is the first program of the README: a child, and all that it starts, get a second.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/safespawn/spawn/exec"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 60 & echo started")
	cmd.Tree = true
	out, err := cmd.Output()
	fmt.Printf("%s%v\n", out, err)
}
