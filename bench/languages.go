//go:build linux

package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// sources are the peers in other languages.
//
//go:embed peers
var sources embed.FS

// method is one way of spawning.
type method struct {
	id    string // in the protocol
	title string // in tables
}

// language is a peer program and its methods.
type language struct {
	name    string
	tool    string   // what builds or runs it
	version []string // arguments that make the tool print its version
	resolve []string // arguments that make it print its own path, past wrappers that change the environment
	source  string
	build   []string // arguments of the tool; nil: it runs the source
	methods []method

	argv []string // how to start it, once prepared
}

// The languages; Go is the program itself.
func languages() []language {
	return []language{
		{
			name: "C", tool: "cc", version: []string{"--version"}, source: "peer.c",
			build: []string{"-O2", "SOURCE", "-o", "PROGRAM"},
			methods: []method{
				{"posix_spawn", cPosixSpawn}, {"vfork", cVfork}, {"careful", cCareful}, {"fork", "C fork+execve"},
			},
		},
		{
			name: "Rust", tool: "rustc", version: []string{"--version"}, source: "peer.rs",
			build:   []string{"-O", "SOURCE", "-o", "PROGRAM"},
			methods: []method{{"process", "Rust std::process"}},
		},
		{
			name: "Python", tool: "python3", version: []string{"--version"}, source: "peer.py",
			resolve: []string{"-c", "import sys; print(sys.executable)"},
			methods: []method{{"subprocess", "Python subprocess"}, {"posix_spawn", "Python os.posix_spawn"}},
		},
		{
			name: "Python 3.13", tool: "python3.13", version: []string{"--version"}, source: "peer.py",
			resolve: []string{"-c", "import sys; print(sys.executable)"},
			methods: []method{{"subprocess", "Python 3.13 subprocess"}},
		},
		{
			name: "Node", tool: "node", version: []string{"--version"}, source: "peer.js",
			methods: []method{{"spawn", "Node child_process"}},
		},
	}
}

// prepare builds the peer in dir and returns what the tool says of its version.
func (l *language) prepare(ctx context.Context, dir string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tool, err := exec.LookPath(l.tool)
	if err != nil {
		return "", fmt.Errorf("no %s", filepath.Base(l.tool))
	}
	out, err := exec.CommandContext(ctx, tool, l.version...).Output()
	if err != nil {
		return "", fmt.Errorf("%s does not work: %w", filepath.Base(l.tool), err)
	}
	version, _, _ = strings.Cut(string(out), "\n")
	if l.resolve != nil {
		if out, err = exec.CommandContext(ctx, tool, l.resolve...).Output(); err != nil {
			return "", fmt.Errorf("%s does not work: %w", filepath.Base(l.tool), err)
		}
		tool = strings.TrimSpace(string(out))
	}
	text, err := sources.ReadFile("peers/" + l.source)
	if err != nil {
		return "", err
	}
	source := filepath.Join(dir, l.source)
	if err := os.WriteFile(source, text, 0o644); err != nil {
		return "", err
	}
	if l.build == nil {
		l.argv = []string{tool, source}
		return version, nil
	}
	program := strings.TrimSuffix(source, filepath.Ext(source)) + "-" + l.name
	args := strings.NewReplacer("SOURCE", source, "PROGRAM", program)
	build := exec.CommandContext(ctx, tool)
	for _, a := range l.build {
		build.Args = append(build.Args, args.Replace(a))
	}
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(l.tool), err, out)
	}
	l.argv = []string{program}
	return version, nil
}
