package exec

import (
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

// inheritedEnv is this process's environment, or that of the user whose token
// the program is to run with.
func inheritedEnv(sys *syscall.SysProcAttr) ([]string, error) {
	if sys == nil || sys.Token == 0 {
		return os.Environ(), nil
	}
	env, err := windows.Token(sys.Token).Environ(false)
	if err != nil {
		return os.Environ(), err
	}
	return env, nil
}

// addRequired adds SYSTEMROOT, without which most programs do not start.
func addRequired(env []string) []string {
	const key = "SYSTEMROOT"
	for _, entry := range env {
		if k, _, ok := strings.Cut(entry, "="); ok && strings.EqualFold(k, key) {
			return env
		}
	}
	return append(env, key+"="+os.Getenv(key))
}
