//go:build (amd64 || arm64) && !android

package engine

import (
	"encoding/hex"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// verify makes the program an open file that can't change, and has the digest that the
// attribute wants. It does so once for all that is compiled of an Input.
func (p *Program) verify(in *Input, pl *plan.Plan) error {
	d := pl.Digest
	if d == nil || in.verified {
		return nil
	}
	failed := func(err error) error { return plan.AttrError(plan.StepDigest, d.Index, in.Path, err) }
	f := in.File
	if f == nil {
		v := newView(in, pl)
		if v.foreign || v.moved && !path.IsAbs(in.Path) {
			return failed(plan.Invalid("Spec.File is needed: the path is another file's in the child"))
		}
		fd, err := highfd.Open(in.Path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return failed(err)
		}
		f = os.NewFile(uintptr(fd), in.Path)
	}
	sure, sum, err := surely(f, path.Base(in.Path))
	if f != in.File && f != sure {
		f.Close()
	}
	if err != nil {
		return failed(err)
	}
	if sure != in.File {
		p.own = sure
	}
	if sum != d.Sum {
		p.disown()
		return plan.AttrError(plan.StepDigest, d.Index, in.Path+" "+hex.EncodeToString(sum[:]), plan.ErrDigest)
	}
	in.File, in.verified = sure, true
	return nil
}

// disown closes the program that verify has opened.
func (p *Program) disown() {
	if p.own != nil {
		p.own.Close()
		p.own = nil
	}
}

// surely is a file, or where that may change a copy, and its hash.
func surely(f *os.File, name string) (sure *os.File, sum [32]byte, err error) {
	hash := newSHA256()
	err = highfd.WithNumber(f, func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
			return unix.EACCES
		}
		if unchangeable(fd) {
			sure = f
			return readAll(fd, hash)
		}
		sure, err = copyOf(fd, name, hash)
		return err
	})
	if err != nil {
		return nil, sum, err
	}
	return sure, hash.sum(), nil
}

// memorySeals keep a memory file from changing.
const memorySeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// unchangeable reports whether nobody can write to a file any more.
func unchangeable(fd int) bool {
	if seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err == nil && seals&memorySeals == memorySeals {
		return true
	}
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st)
	return err == nil && st.Attributes&st.Attributes_mask&unix.STATX_ATTR_VERITY != 0
}

// copyOf is a copy in a sealed memory file, which hash is told of.
func copyOf(fd int, name string, hash io.Writer) (*os.File, error) {
	const exec = 0x10 // MFD_EXEC, Linux 6.3
	n, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|exec)
	if err == unix.EINVAL {
		n, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err == nil {
		n, err = highfd.Raise(n)
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(n), name)
	err = readAll(fd, io.MultiWriter(f, hash))
	if err == nil {
		_, err = unix.FcntlInt(uintptr(n), unix.F_ADD_SEALS, memorySeals)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readAll reads a file from its beginning, whatever its offset is.
func readAll(fd int, to io.Writer) error {
	buf := make([]byte, 64<<10)
	for off := int64(0); ; {
		n, ok := readAt(fd, buf, off)
		if !ok {
			return unix.EIO
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
		if off += int64(n); n < len(buf) {
			return nil
		}
	}
}
