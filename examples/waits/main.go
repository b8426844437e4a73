//go:build unix

// Waits waits for a thousand children, each in two places at once. No thread waits.
package main

import (
	"flag"
	"fmt"
	"log"
	"sync"

	"github.com/safespawn/spawn/exec"
)

func main() {
	n := flag.Int("n", 1000, "number of children")
	flag.Parse()
	var all sync.WaitGroup
	results := make(chan error, 2**n)
	for range *n {
		cmd := exec.Command("true")
		if err := cmd.Start(); err != nil {
			log.Fatal(err)
		}
		for range 2 {
			all.Go(func() { results <- cmd.Wait() })
		}
	}
	all.Wait()
	close(results)
	for err := range results {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("all have ended")
}
