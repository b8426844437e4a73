//go:build unix

// Osexec is the program lines with os/exec. A line of more than 64 KiB is an error.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os/exec"
	"sync"
)

type line struct{ stream, text string }

func main() {
	cmd := exec.Command("sh", "-c", "while :; do n=$((n + 1)); echo step $n >&2; done")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		log.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	lines, done := make(chan line), make(chan struct{})
	var readers sync.WaitGroup
	read := func(name string, from io.Reader) {
		for s := bufio.NewScanner(from); s.Scan(); {
			select {
			case lines <- line{name, s.Text()}:
			case <-done:
				return
			}
		}
	}
	readers.Go(func() { read("stdout", stdout) })
	readers.Go(func() { read("stderr", stderr) })
	go func() { readers.Wait(); close(lines) }()
	for l := range lines {
		fmt.Println(l.stream, l.text)
		if l.text == "step 3" {
			_ = cmd.Process.Kill() // or it has ended
			break
		}
	}
	close(done)
	readers.Wait()
	if err := cmd.Wait(); err != nil && cmd.ProcessState.Exited() {
		log.Fatal(err)
	}
}
