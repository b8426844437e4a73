package exec

import (
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Environ is a copy of the environment in which the program would run now.
func (c *Cmd) Environ() []string {
	env, _ := c.environ() // what could not be used is left out
	return env
}

// environ is the environment of the program, and what is wrong with it.
func (c *Cmd) environ() (env []string, err error) {
	if env = c.Env; env == nil {
		env, err = inheritedEnv(c.SysProcAttr)
		if c.Dir != "" && runtime.GOOS != "windows" && runtime.GOOS != "plan9" {
			pwd, absErr := filepath.Abs(c.Dir)
			if absErr == nil {
				env = append(env, "PWD="+pwd)
			} else if err == nil {
				err = absErr
			}
		}
	}
	env, bad := lastOfEach(env, runtime.GOOS == "windows", runtime.GOOS == "plan9")
	if err == nil {
		err = bad
	}
	return addRequired(env), err
}

// lastOfEach keeps the last entry for each key, in the order of what is kept.
// Entries with a NUL are left out and reported, unless the system allows them.
// Entries without a key are kept: other programs may know what they mean.
func lastOfEach(env []string, foldCase, nulOK bool) (kept []string, err error) {
	kept = make([]string, 0, len(env)+1)
	seen := make(map[string]struct{}, len(env))
	for _, entry := range slices.Backward(env) {
		if !nulOK && strings.IndexByte(entry, 0) >= 0 {
			err = errors.New("exec: environment variable contains NUL")
			continue
		}
		key, ok := keyOf(entry)
		if !ok {
			if entry != "" {
				kept = append(kept, entry)
			}
			continue
		}
		if foldCase {
			key = strings.ToLower(key)
		}
		if _, again := seen[key]; !again {
			seen[key] = struct{}{}
			kept = append(kept, entry)
		}
	}
	slices.Reverse(kept)
	return kept, err
}

// keyOf is what an entry is for. Windows has keys that begin with "=", for the
// current directory of each drive; "=" alone has the empty key.
func keyOf(entry string) (string, bool) {
	i := strings.IndexByte(entry, '=')
	if i == 0 {
		i = strings.IndexByte(entry[1:], '=') + 1
	}
	if i < 0 {
		return "", false
	}
	return entry[:i], true
}
