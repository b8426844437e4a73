//go:build linux

// Osexec is the program user with os/exec. A shell sets the limits, as the other user.
package main

import (
	"log"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

func main() {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		log.Fatal(err)
	}
	groups, err := nobody.GroupIds()
	if err != nil {
		log.Fatal(err)
	}
	credential := &syscall.Credential{Uid: id(nobody.Uid), Gid: id(nobody.Gid)}
	for _, g := range groups {
		credential.Groups = append(credential.Groups, id(g))
	}
	const limited = `ulimit -n 64 && ulimit -c 0 && exec "$@"`
	cmd := exec.Command("sh", "-c", limited, "sh", "sh", "-c", "id -un; ulimit -n; ulimit -c")
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}

func id(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		log.Fatal(err)
	}
	return uint32(n)
}
