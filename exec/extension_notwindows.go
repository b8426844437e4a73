//go:build !windows

package exec

// extensionCache is empty: programs have no extension that may be left out.
//
//lint:ignore U1000 see Cmd
type extensionCache struct{}

func (c *Cmd) findExtension(string) {}

// program is the file to run.
func (c *Cmd) program() (string, error) { return c.Path, nil }
