package logs_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

// mostPackages bounds what a program links for packages spawn and exec, beside what
// os/exec and encoding/json need, which grows with Go.
const mostPackages = 40

// TestImports wants packages spawn and exec to link neither package zap nor what
// makes programs large and slow to start. Package zap imports net/http and crypto/tls,
// and os/user links the system's C library.
func TestImports(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		testenv.Skip(t, "no go tool")
	}
	if _, err := os.Stat("../../go.mod"); err != nil {
		testenv.Skip(t, "no source code here")
	}
	env := goEnv(t, tool)
	for _, system := range []string{"linux", "darwin", "windows"} {
		env := append(env, "GOOS="+system)
		std := deps(t, tool, env, "os/exec", "encoding/json")
		for _, of := range []string{"../..", "../../exec"} {
			list := slices.DeleteFunc(deps(t, tool, env, of), func(pkg string) bool { return slices.Contains(std, pkg) })
			if len(list) > mostPackages {
				t.Errorf("%s, %s: %d packages, more than %d", system, of, len(list), mostPackages)
			}
			if system == "windows" { // golang.org/x/sys/windows imports it
				list = slices.DeleteFunc(list, func(pkg string) bool { return pkg == "net" || pkg == "net/netip" })
			}
			for _, pkg := range list {
				if heavy(pkg) {
					t.Errorf("%s: %s imports %s", system, of, pkg)
				}
			}
		}
	}
}

// deps are the packages that some import, directly or not, and themselves.
func deps(t *testing.T, tool string, env []string, of ...string) []string {
	cmd := exec.Command(tool, append([]string{"list", "-deps"}, of...)...)
	cmd.Env = env
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		testenv.Skip(t, fmt.Sprintf("the go tool can't load this module: %s", failed.Stderr))
	} else if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// goEnv makes the go tool work for a user without a home.
func goEnv(t *testing.T, tool string) []string {
	env := append(os.Environ(), "GOARCH=amd64", "CGO_ENABLED=1")
	out, err := exec.Command(tool, "env", "GOCACHE").Output()
	cache := strings.TrimSpace(string(out))
	if err == nil && cache != "off" {
		if probe, err := os.CreateTemp(cache, "probe"); err == nil {
			probe.Close()
			os.Remove(probe.Name())
			return env
		}
	}
	return append(env, "GOCACHE="+t.TempDir())
}

func heavy(pkg string) bool {
	switch pkg {
	case "go.uber.org/zap", "log", "net", "os/user", "runtime/cgo", "regexp", "text/template":
		return true
	}
	return strings.HasPrefix(pkg, "net/") || strings.HasPrefix(pkg, "crypto/") || strings.HasPrefix(pkg, "log/")
}
