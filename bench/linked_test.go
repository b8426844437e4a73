//go:build linux

package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestLinkedParts wants a program with spawn.Run alone to be linked without control groups,
// without pid namespaces, and without the code of attributes that it does not name. The linker
// keeps this code where the library converts an attribute of the type to an interface, or
// calls a generic function for the type: a type switch does neither. It keeps a method of
// Process, and what that needs, where an interface has a method of the same name and type.
func TestLinkedParts(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", program, "./linked/spawn").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	symbols, err := exec.Command("go", "tool", "nm", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = `safespawn/spawn`
	if !regexp.MustCompile(module + `\.Run\n`).Match(symbols) {
		t.Error("no spawn.Run")
	}
	unwanted := regexp.MustCompile(module + `/(internal/(cgroup|pidns)\.New\w*|attr\.(Capabilities|Credential|Seccomp|DieWithParent|NoNewPrivs)\.(check|lower))\n`)
	for _, name := range unwanted.FindAll(symbols, -1) {
		t.Errorf("linked: %s", name)
	}
}
