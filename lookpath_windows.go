package spawn

import (
	"io/fs"
	"path/filepath"
	"strings"
)

func hasDirectory(name string) bool { return strings.ContainsAny(name, `:\/`) }

func sameKey(a, b string) bool { return strings.EqualFold(a, b) }

// byMode finds nothing wrong: there is no mode that says what is a program.
func byMode(fs.FileMode) error { return nil }

// candidates are the files that a name may stand for in a directory.
func candidates(dir, name string, env []string) (paths []string) {
	path := from(dir, name)
	list, ok := lastValue(env, "PATHEXT")
	if !ok || list == "" {
		list = ".com;.exe;.bat;.cmd"
	}
	if filepath.Ext(name) != "" {
		paths = append(paths, path)
	}
	for ext := range strings.SplitSeq(strings.ToLower(list), ";") {
		if ext != "" {
			paths = append(paths, path+"."+strings.TrimPrefix(ext, "."))
		}
	}
	return paths
}
