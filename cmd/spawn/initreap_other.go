//go:build !linux || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x)

package main

// reapOthers is for the engine, without which there is no --init.
func reapOthers(int) {}
