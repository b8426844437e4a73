package exec

import (
	"os"
	"path/filepath"
	"strings"
)

// extensionCache is a path, as it was when Command was called, and the file that
// was found for it.
type extensionCache struct{ path, file string }

// findExtension looks early for the file of an absolute path, while LookPath
// would find it, too.
func (c *Cmd) findExtension(path string) {
	if !filepath.IsAbs(path) {
		return
	}
	file, err := withExtension(path, "")
	if err != nil {
		c.Err = err
		return
	}
	c.extension = extensionCache{path, file}
}

// program is the file to run: Path, with an extension of PATHEXT if it has none.
func (c *Cmd) program() (string, error) {
	if c.extension.path != "" && c.extension.path == c.Path {
		return c.extension.file, nil
	}
	return withExtension(c.Path, c.Dir)
}

// withExtension finds the extension of a program that is given by its path,
// which is relative to dir. LookPath does not search for what has a directory.
func withExtension(path, dir string) (string, error) {
	switch path {
	case "", ".", "..":
		return "", &Error{Name: path, Err: ErrNotFound}
	}
	if filepath.Base(path) == path {
		path = `.\` + path
	}
	if hasExtension(path) {
		return path, nil
	}
	if dir == "" || filepath.VolumeName(path) != "" || os.IsPathSeparator(path[0]) {
		return LookPath(path)
	}
	full := filepath.Join(dir, path)
	if !strings.ContainsAny(full, `:\/`) {
		full = `.\` + full
	}
	found, err := LookPath(full)
	if err != nil {
		return "", err
	}
	return path + strings.TrimPrefix(found, full), nil
}

// hasExtension reports whether path ends in an extension of PATHEXT.
func hasExtension(path string) bool {
	ext := filepath.Ext(path)
	if ext == "" {
		return false
	}
	list := os.Getenv("PATHEXT")
	if list == "" {
		list = ".com;.exe;.bat;.cmd"
	}
	for e := range strings.SplitSeq(list, ";") {
		if e != "" && strings.EqualFold(strings.TrimPrefix(e, "."), ext[1:]) {
			return true
		}
	}
	return false
}
