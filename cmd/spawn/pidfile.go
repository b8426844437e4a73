package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// pidFile is the file of --pidfile. It is locked as long as this process lives, so
// that the file of a spawn that was killed is in nobody's way.
type pidFile struct {
	file *os.File
	path string
}

// makePidFile returns nil where no path is given. The file is empty until write.
func makePidFile(path string) (*pidFile, error) {
	if path == "" {
		return nil, nil
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o644)
		if err != nil {
			return nil, fmt.Errorf("--pidfile: %w", err)
		}
		p := &pidFile{f, path}
		if err := lockFile(f); err != nil {
			_ = f.Close() // it was not written to
			return nil, fmt.Errorf("--pidfile %s: it is another spawn's: %w", path, err)
		}
		if !p.present() { // whoever had it has just removed it
			_ = f.Close()
			continue
		}
		if err := p.write(""); err != nil {
			p.remove()
			return nil, err
		}
		return p, nil
	}
}

// present reports whether the file still has its name.
func (p *pidFile) present() bool {
	there, err := os.Lstat(p.path)
	if err != nil {
		return false
	}
	own, err := p.file.Stat()
	return err == nil && os.SameFile(there, own)
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
			fmt.Fprintln(os.Stderr, "spawn: --pidfile:", err)
		}
	}
	_ = p.file.Close() // nothing is left to be written
}
