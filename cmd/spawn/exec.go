package main

import (
	"errors"
	"os"
	"runtime"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/plan"
)

// With --exec the first thread becomes the program. With --dump it alone has the signal of
// --parent-death.
func init() { runtime.LockOSThread() }

// compile prepares the program. With --exec its start does not return, unless it has done
// nothing.
func (o *options) compile(s *spawn.Spec) (*spawn.Program, error) {
	if !o.exec {
		return spawn.Compile(s)
	}
	return handover.CompileExec(s, func(err error) { os.Exit(o.statusOf(err)) })
}

// checkExec finds flags that need a process beside the program.
func (o *options) checkExec() error {
	if o.exec && !spawn.Features().Has(spawn.FeatureEngine) {
		return errors.New("--exec: " + noEngine)
	}
	for _, x := range []struct {
		name  string
		given bool
		why   string
	}{
		{"--timeout", o.timeout != nil, "nobody would be left to stop it"},
		{"--pidfile", o.pidfile != "", "nobody would be left to remove the file"},
		{"--optional", len(o.optional) > 0, "nobody would be left to say what is not set"},
		{"--stats", o.stats != "", "nobody would be left to print them"},
		{"--status-fd", o.statusFD != nil, "nobody would be left to write there"},
		{"--verbose", o.verbose, "nobody would be left to log what happens"},
		{"--progress", o.progress, "nobody would be left to show it"},
		{"--pty", o.pty, "nobody would be left between the terminals"},
		{"--foreground", o.foreground, "nobody would be left to take the terminal back"},
		{"--stopped", o.stopped, "nobody would be left to wait for it"},
		{"--persist", o.persists != nil, "nobody would be left to bind the namespaces"},
		{"--die-with-parent", o.dieTogether, "nobody would be left to end them; --parent-death KILL ends the program together with its parent"},
		{"--tree and --limit-*", o.kept(), "nobody would be left to hold the tree"},
		{"--init", o.init, "spawn would be the init, and nobody would start the program"},
		{"--map-root, --map-self, --map-auto, --uid-map and --gid-map", o.mapRoot || o.mapSelf || o.mapAuto || o.uidMap != nil || o.gidMap != nil, onlyChild},
		{"--new user", bits(o.clone)&plan.CloneNewUser != 0, onlyChild},
		{"--unshare user", bits(o.unshare)&plan.CloneNewUser != 0, onlyChild},
		{"--new pid", bits(o.clone)&plan.CloneNewPID != 0, onlyChild},
	} {
		if o.exec && x.given {
			return errors.New("--exec: contradicts " + x.name + ": " + x.why)
		}
	}
	return nil
}

const noEngine = "needs the engine, which is for " + plan.Engine

// onlyChild is why a process can't get into some namespaces.
const onlyChild = "only a child can be in a new namespace of this kind"
