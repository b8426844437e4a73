//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// needsRoot is why a scene is left out.
func needsRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	return nil
}

// ready is a scene of a Spec that takes something to be made, once.
func ready(spec func() (spawn.Spec, error)) scene {
	return func() (func() error, error) {
		s, err := spec()
		return func() error { return runOf(s) }, err
	}
}

// withFile is a scene of a privileged child, with an attribute that takes an open file.
func withFile(path string, make func(f *os.File) attr.Attr) scene {
	return ready(func() (s spawn.Spec, err error) {
		if err := needsRoot(); err != nil {
			return s, err
		}
		f, err := os.Open(path)
		s.Attr = attr.List{make(f)}
		return s, err
	})
}

func joins(f *os.File) attr.Attr { return attr.JoinNamespace{File: f} }

// master is the other end of the terminal, which ends with it.
var master *os.File

func newTerminal() (tty *os.File, err error) {
	master, tty, err = testenv.NewPTY()
	return tty, err
}

// atTerminal is the leader of a session with a terminal.
func atTerminal() (s spawn.Spec, err error) {
	tty, err := newTerminal()
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	return s, err
}

// ofSession has a terminal that is the helper's controlling terminal, too.
func ofSession(list func(tty *os.File) attr.List) scene {
	return ready(func() (s spawn.Spec, err error) {
		tty, err := newTerminal()
		if err != nil {
			return s, err
		}
		s.Attr = list(tty)
		s.Actions.File(tty, 0)
		return s, testenv.OnDescriptor(tty, func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0) })
	})
}

func digested() (s spawn.Spec, err error) {
	text, err := os.ReadFile("program")
	s.Attr = attr.List{attr.Digest{SHA256: sha256.Sum256(text)}}
	return s, err
}

// pivoted has its program in the new root directory.
func pivoted() (s spawn.Spec, err error) {
	dir, err := os.Getwd()
	s.Attr = attr.List{attr.Namespaces{Flags: unix.CLONE_NEWNS}, attr.PivotRoot(dir)}
	return s, errors.Join(err, needsRoot())
}

// rulesInChild has the child make its ruleset.
func rulesInChild() (s spawn.Spec, err error) {
	r, err := attr.NewLandlock(attr.LandlockRules{Execute: []string{"/"}, Write: []string{"/tmp", "."}, InChild: true, BestEffort: true})
	if err != nil {
		return s, err
	}
	s.Attr = attr.List{attr.NoNewPrivs{}, r.Attr()}
	return s, nil
}

// optional leaves out what a call refuses, and says so.
func optional() (func() error, error) {
	list := attr.List{
		attr.Optional(attr.Nice(3)), attr.Optional(attr.OOMScoreAdj(400)), attr.Optional(attr.CoreSched{}),
		attr.Optional(attr.NoFile{Soft: 64, Hard: 64}), attr.Optional(attr.NUMAPolicy{Mode: attr.NUMALocal}),
		attr.Optional(attr.SessionKeyring("")), attr.Optional(attr.NoNewPrivs{}),
		attr.Optional(spawntest.Refuse(unix.EPERM, unix.SYS_CHROOT)),
	}
	return func() error {
		p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "./program", Attr: list})
		if err != nil {
			return err
		}
		applied := p.Applied()
		if err := ended(p.Wait(context.Background())); err != nil {
			return err
		}
		if len(applied) != len(list) {
			return wrongf("%d attributes: %+v", len(applied), applied)
		}
		for _, a := range applied {
			if a.Done != (a.Err == nil) {
				return wrongf("%+v", a)
			}
		}
		return nil
	}, nil
}

// limitedTree is treeScene with limits.
func limitedTree() (func() error, error) {
	return inTree(spawn.Limits{Memory: 64 << 20, Procs: 10, CPU: 0.5})
}
