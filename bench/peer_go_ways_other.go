//go:build linux && (!(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || android || spawn_forkexec)

package main

import "errors"

const hasWays = false

func waySpawn(string, string) (spawnFunc, error) { return nil, errors.ErrUnsupported }
