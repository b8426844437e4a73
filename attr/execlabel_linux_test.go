//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

var labels = map[string]attr.Attr{"selinux": attr.SELinuxContext("u:r:t:s0"), "apparmor": attr.AppArmorProfile("some profile")}

// TestExecLabelInactive wants Compile to name the module that is missing. No
// module that has labels is active where these tests usually run.
func TestExecLabelInactive(t *testing.T) {
	for name, label := range labels {
		_, err := spawn.Compile(spawntest.Shell(":", attr.Nice(19), label))
		var e *spawn.Error
		if err == nil {
			testenv.Skip(t, name+" is active")
		}
		if !errors.As(err, &e) || e.Step != name || e.Index != 1 || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%+v", err)
		}
	}
}

// TestAppArmorProfile has the profile that there always is where AppArmor is, and
// one that there is not.
func TestAppArmorProfile(t *testing.T) {
	current, err := os.ReadFile("/proc/self/attr/current")
	if _, e := spawn.Compile(spawntest.Shell(":", labels["apparmor"])); e != nil {
		testenv.Skip(t, "AppArmor is not active")
	}
	if err != nil || string(current) != "unconfined\n" {
		testenv.Skip(t, "these tests are confined")
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		if got := spawntest.Output(t, spawntest.Shell("cat /proc/self/attr/current", attr.AppArmorProfile("unconfined"), attr.NoNewPrivs{})); got != "unconfined\n" {
			t.Errorf("%q", got)
		}
		_, err := spawn.Start(context.Background(), spawntest.Shell(":", attr.Nice(19), labels["apparmor"]))
		spawntest.CheckFault(t, err, spawntest.Fails("apparmor", 1, "some profile", unix.ENOENT))
	})
}

// TestExecLabel pretends that modules are active: in namespaces of its own, where
// files stand for those of /proc and securityfs. It shows what the child writes
// where, and that a kernel without the module refuses it.
func TestExecLabel(t *testing.T) {
	const flags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	spawntest.NeedNamespaces(t, flags)
	if _, err := os.Stat(securityFS); err != nil {
		testenv.Skip(t, "no "+securityFS)
	}
	for name := range spawntest.Without {
		for _, test := range []struct{ lsm, file, want string }{
			{"selinux", "self/attr/exec", "u:r:t:s0"},
			{"apparmor", "self/attr/apparmor/exec", "exec some profile"},
			{"apparmor", "self/attr/exec", "exec some profile"}, // as before Linux 5.8
			{"selinux", "", "selinux 0 true"},
		} {
			s := spawntest.Helper(t, "labels", name, test.lsm, test.file)
			s.Attr = attr.List{attr.Namespaces{Flags: flags}, attr.IDMap{
				UID: []attr.IDMapEntry{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
				GID: []attr.IDMapEntry{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
			}}
			if got := spawntest.Output(t, s); got != test.want {
				t.Errorf("without %s, %s: %q, want %q", name, test.file, got, test.want)
			}
		}
	}
}

const securityFS = "/sys/kernel/security"

var _ = testenv.RegisterHelper("labels", func(args []string) int {
	got, err := labelled(args[0], args[1], args[2])
	fmt.Print(got)
	return testenv.Status(err)
})

// labelled starts a child with a label and returns what is in a file of /proc
// then, which stands for the kernel's; or the error where there is no such file.
func labelled(engine, lsm, file string) (string, error) {
	spawntest.Force(engine)
	if err := errors.Join(
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("none", securityFS, "tmpfs", 0, ""),
		os.WriteFile(filepath.Join(securityFS, "lsm"), []byte("lockdown,capability,"+lsm), 0o600),
	); err != nil {
		return "", err
	}
	if file == "" {
		_, err := spawn.Run(context.Background(), spawntest.Shell(":", labels[lsm]))
		var e *spawn.Error
		if !errors.As(err, &e) {
			return "", fmt.Errorf("started: %w", err)
		}
		return fmt.Sprint(e.Step, " ", e.Index, " ", errors.Is(err, unix.EINVAL)), nil
	}
	path := filepath.Join("/proc", file)
	if err := errors.Join(
		unix.Mount("none", "/proc", "tmpfs", 0, ""), os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600),
	); err != nil {
		return "", err
	}
	state, err := spawn.Run(context.Background(), spawntest.Shell(":", labels[lsm], attr.Nice(19)))
	if err != nil || !state.Success() {
		return "", fmt.Errorf("%v, %w", state, err)
	}
	text, err := os.ReadFile(path)
	return string(text), err
}
