package attr_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestJoinTypeOfFile wants Types of 0 to contradict what the type of the file does.
func TestJoinTypeOfFile(t *testing.T) {
	join := func(name string) attr.JoinNamespace { return attr.JoinNamespace{File: fileOfKind(t, name)} }
	for name, list := range map[string]attr.List{
		"given twice":     {join("net"), join("net")},
		"Types and file":  {attr.JoinNamespace{File: os.Stdin, Types: newNet}, join("net")},
		"Namespaces":      {attr.Namespaces{Flags: newNet}, join("net")},
		"Namespaces, mnt": {attr.Namespaces{Flags: newNS}, join("mnt")},
		"Unshare":         {attr.Unshare{Flags: newIPC}, join("ipc")},
		"Unshare, pid":    {attr.Unshare{Flags: newPID}, join("pid")},
	} {
		var conflict *attr.ConflictError
		if err := check(list); !errors.As(err, &conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, list := range map[string]attr.List{
		"two kinds":     {join("net"), join("ipc")},
		"Unshare, uts":  {attr.Unshare{Flags: newUTS}, join("uts")},
		"Hostname":      {join("uts"), attr.Hostname("x")},
		"of no process": {attr.Namespaces{Flags: newNet}, attr.JoinNamespace{File: os.Stdin}},
	} {
		if err := check(list); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestJoinTime wants a time namespace to be refused by Compile.
func TestJoinTime(t *testing.T) {
	for _, types := range []uint{0, newTime} {
		list := attr.List{attr.JoinNamespace{File: fileOfKind(t, "time"), Types: types}}
		if err := check(list); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("Types of %#x: %v", types, err)
		}
	}
}

// fileOfKind is a namespace of this process whose kind the kernel tells.
func fileOfKind(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open("/proc/self/ns/" + name)
	if err != nil {
		testenv.Skip(t, "no file of the "+name+" namespace: "+err.Error())
	}
	t.Cleanup(func() { f.Close() })
	if _, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE); err != nil {
		testenv.Skip(t, "no NS_GET_NSTYPE: "+err.Error())
	}
	return f
}
