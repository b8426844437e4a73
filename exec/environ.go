package exec

import (
	"path/filepath"
	"runtime"

	"github.com/safespawn/spawn/internal/environ"
)

// Environ returns a copy of the environment that the program would get if it were
// started now.
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
	env, bad := environ.LastOfEach(env)
	if err == nil {
		err = bad
	}
	return addRequired(env), err
}
