//go:build unix

// Osexec is the program waits with os/exec. A thread waits for each child.
package main

import (
	"flag"
	"fmt"
	"log"
	"os/exec"
	"sync"
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
		wait := sync.OnceValue(cmd.Wait)
		for range 2 {
			all.Go(func() { results <- wait() })
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
