package plan

import "strings"

// Shell runs what has no interpreter of its own.
const Shell = "/bin/sh"

// ShellArgv is the argument vector with which the shell reads the program at a path.
func ShellArgv(path string, argv []string) []string {
	if strings.HasPrefix(path, "-") || strings.HasPrefix(path, "+") {
		path = "./" + path // and no option
	}
	return append([]string{Shell, path}, argv[1:]...)
}
