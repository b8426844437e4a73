//go:build !unix

package exec

import (
	"syscall"

	"github.com/safespawn/spawn/attr"
)

// attributes is Attr, and what SysProcAttr says.
func (c *Cmd) attributes() (attr.List, *syscall.SysProcAttr, error) {
	return c.Attr, c.SysProcAttr, nil
}
