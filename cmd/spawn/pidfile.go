package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// pidFile is the file of --pidfile. It is locked as long as this process lives, so
// that the file of a spawn that was killed is in nobody's way.
type pidFile struct {
	file *os.File
	path string
}

// makePidFile returns nil where no path is given. The file is empty until write. It may be
// there already if it is one of pids, and of nobody else: another file is left as it is.
func makePidFile(path string) (*pidFile, error) {
	if path == "" {
		return nil, nil
	}
	for range takings {
		if p, err := takePidFile(path); p != nil || err != nil {
			return p, err
		}
	}
	return nil, fmt.Errorf("--pidfile %s: it is another file whenever it is looked at; a file system with lasting inode numbers is needed", path)
}

// takings is how often a file is taken that another spawn has removed just then.
const takings = 1000

// takePidFile returns nil if the file has lost its name meanwhile.
func takePidFile(path string) (*pidFile, error) {
	// To open a device may be to use it.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--pidfile %s: %w", path, errNotRegular)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|openCarefully, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--pidfile: %w", err)
	}
	p := &pidFile{f, path}
	if err := p.check(); err != nil {
		_ = f.Close() // it was not written to
		return nil, fmt.Errorf("--pidfile %s: %w", path, err)
	}
	if err := lockFile(f); err != nil {
		_ = f.Close() // it was not written to
		return nil, fmt.Errorf("--pidfile %s: it is another spawn's: %w", path, err)
	}
	if !p.present() { // whoever had it has just removed it
		_ = f.Close()
		return nil, nil
	}
	if err := p.write(""); err != nil {
		p.remove()
		return nil, err
	}
	return p, nil
}

var errNotRegular = errors.New("it is no regular file")

// check fails for a file that is no pid file, or one that somebody else can change.
func (p *pidFile) check() error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errNotRegular
	}
	if uid, other := otherOwner(info); other {
		return fmt.Errorf("it is a file of user %d, who could change it", uid)
	}
	if n := hardLinks(info); n > 1 {
		return fmt.Errorf("it is a file of %d names, and is left as it is", n)
	}
	text := make([]byte, 32)
	n, err := p.file.ReadAt(text, 0)
	if err != nil && err != io.EOF {
		return err
	}
	if !isPID(string(text[:n])) {
		return errors.New("it has something else than a process id, and is left as it is")
	}
	return nil
}

// isPID reports whether a text is that of a pid file, which may be empty.
func isPID(s string) bool {
	line := strings.TrimSuffix(s, "\n")
	return s == "" || len(line) <= len("4294967295") && line != "" && strings.Trim(line, "0123456789") == ""
}

// sameFile is replaced by a test.
var sameFile = os.SameFile

// present reports whether the file still has its name.
func (p *pidFile) present() bool {
	there, err := os.Lstat(p.path)
	if err != nil {
		return false
	}
	own, err := p.file.Stat()
	return err == nil && sameFile(there, own)
}

// write replaces what is in the file.
func (p *pidFile) write(text string) error {
	if p == nil {
		return nil
	}
	err := p.file.Truncate(0)
	if err == nil {
		_, err = p.file.WriteAt([]byte(text), 0)
	}
	if err != nil {
		return fmt.Errorf("--pidfile: %w", err)
	}
	return nil
}

// remove removes the file, unless another one has its name by now.
func (p *pidFile) remove() {
	if p == nil {
		return
	}
	if p.present() {
		if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			complain("--pidfile:", err)
		}
	}
	_ = p.file.Close() // nothing is left to be written
}
