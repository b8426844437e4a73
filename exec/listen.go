package exec

import (
	"errors"
	"os"
	"strconv"
	"strings"
)

// ListenFDs are sockets, or other files, that a program gets as a service of systemd
// does. They are the descriptors 3 and up of the program. Its environment has their count
// as LISTEN_FDS, their names as LISTEN_FDNAMES, and the program's pid as LISTEN_PID, which
// tells the program that the sockets are for it. See sd_listen_fds(3).
type ListenFDs []ListenFD

// ListenFD is one of [ListenFDs]. File stays yours to close; it becomes blocking, as
// ExtraFiles do. The name has up to 255 printable characters and no colon; an empty name
// is "unknown".
type ListenFD struct {
	Name string
	File *os.File
}

// listenPID is the variable that only the child can have right.
const listenPID = "LISTEN_PID"

// listen adds sockets to files, and to an environment.
func (l ListenFDs) listen(files []*os.File, env []string) ([]*os.File, []string, error) {
	names := make([]string, len(l))
	for i, x := range l {
		if x.File == nil {
			return nil, nil, errors.New("exec: ListenFDs has no file for " + strconv.Quote(x.Name))
		}
		if names[i] = x.Name; x.Name == "" {
			names[i] = "unknown"
		}
		if len(x.Name) > 255 || strings.ContainsFunc(x.Name, func(r rune) bool { return r == ':' || r < ' ' || r > '~' }) {
			return nil, nil, errors.New("exec: ListenFDs has a name that can't be: " + strconv.Quote(x.Name))
		}
		files = append(files, x.File)
	}
	env = append(env, "LISTEN_FDS="+strconv.Itoa(len(l)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	return files, env, nil
}
