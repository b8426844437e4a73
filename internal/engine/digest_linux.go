//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// verify makes the program an open file that can't change, and has the digest that the
// attribute wants. It does so once for all that is compiled of an Input.
func (p *Program) verify(in *Input, pl *plan.Plan) error {
	d := pl.Digest
	if d == nil || in.verified != nil {
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
	sure, sum, err := surely(f, path.Base(in.Path), d.Sum)
	if f != in.File && (sure == nil || f != sure.File) {
		f.Close()
	}
	if err != nil {
		return failed(err)
	}
	if sure != nil && sure.File != in.File {
		p.own = sure
	}
	if sum != d.Sum {
		p.disown()
		return plan.AttrError(plan.StepDigest, d.Index, fmt.Sprintf("%s %x", in.Path, sum), plan.ErrDigest)
	}
	in.File, in.verified = sure.File, sure
	return nil
}

// disown closes the program that verify has opened.
func (p *Program) disown() {
	p.own.Close()
	p.own = nil
}

// surely is a file, or where that may change a copy, and its hash. There is no copy of a
// file that has another hash than is wanted: it may be of any size.
func surely(f *os.File, name string, want [32]byte) (sure *highfd.Held, sum [32]byte, err error) {
	err = highfd.WithNumber(f, func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG {
			return unix.EACCES
		}
		if err := mayExecute(fd); err != nil {
			return err
		}
		stays := unchangeable(fd) // before it is read
		var size int64
		switch sum, size, err = hashOf(fd); {
		case err != nil || sum != want:
		case stays:
			sure, err = highfd.HoldFile(f)
		default:
			sure, sum, err = copyOf(fd, name, size, &st)
		}
		return err
	})
	return sure, sum, err
}

// mayExecute is nil where this process may execute a file.
func mayExecute(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if fs.Flags&stNoexec != 0 {
		return unix.EACCES
	}
	err := unix.Faccessat2(fd, "", unix.X_OK, unix.AT_EACCESS|unix.AT_EMPTY_PATH)
	if err == unix.ENOSYS || err == unix.EPERM { // before Linux 5.8, or by a filter
		err = unix.Faccessat(unix.AT_FDCWD, "/proc/thread-self/fd/"+strconv.Itoa(fd), unix.X_OK, unix.AT_EACCESS)
	}
	return err
}

// unchangeable reports whether nobody can write to a file any more.
func unchangeable(fd int) bool {
	if highfd.IsSealed(fd) {
		return true
	}
	var st unix.Statx_t
	var fs unix.Statfs_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st) != nil || unix.Fstatfs(fd, &fs) != nil {
		return false
	}
	return st.Attributes&st.Attributes_mask&unix.STATX_ATTR_VERITY != 0 && ownsVerity(magicOf(&fs))
}

// ownsVerity reports whether what statx says of fs-verity is of the file itself. overlayfs
// says what the lower file has, and executes the upper one once there is one.
func ownsVerity(magic int64) bool {
	return magic == unix.EXT4_SUPER_MAGIC || magic == unix.F2FS_SUPER_MAGIC || magic == unix.BTRFS_SUPER_MAGIC
}

// copyOf is a copy of no more than size bytes in a sealed memory file, and the hash of the
// copy. Until it is sealed, other processes of the same user can write to it, by /proc. So
// it is hashed afterwards. st is of the file.
func copyOf(fd int, name string, size int64, st *unix.Stat_t) (sure *highfd.Held, sum [32]byte, err error) {
	n, err := highfd.NewMemory(name)
	if err != nil {
		return nil, sum, err
	}
	if sure, err = highfd.Hold(n, name); err != nil {
		return nil, sum, err
	}
	if err = permit(n, st); err == nil {
		err = readAll(fd, sure.File, size)
	}
	if err == nil {
		sum, err = seal(n)
	}
	if err != nil {
		sure.Close()
		return nil, sum, err
	}
	return sure, sum, nil
}

// permit lets those execute a copy who may execute its file. Where the copy can't have the
// owner of the file, they are this process's user, and otherwise those whom the file is
// nobody's in particular.
func permit(fd int, st *unix.Stat_t) error {
	mode := st.Mode & 0o777
	if err := unix.Fchmod(fd, mode); err != nil {
		return err
	}
	if unix.Fchown(fd, int(st.Uid), int(st.Gid)) == nil {
		return nil
	}
	others := mode & 0o007
	return unix.Fchmod(fd, 0o500|others<<3|others)
}

// seal keeps a memory file as it is by now, and returns its hash. It fails where somebody
// has mapped the file to write to it.
func seal(fd int) (sum [32]byte, err error) {
	if onCopied != nil {
		onCopied(fd)
	}
	if err := highfd.SealMemory(fd); err != nil {
		return sum, err
	}
	if !highfd.IsSealed(fd) {
		return sum, unix.EBUSY
	}
	sum, _, err = hashOf(fd)
	return sum, err
}

// hashOf is the hash of a file, and of how many bytes it is.
func hashOf(fd int) (sum [32]byte, size int64, err error) {
	hash := newSHA256()
	if err := readAll(fd, hash, math.MaxInt64); err != nil {
		return sum, 0, err
	}
	size = int64(hash.n)
	return hash.sum(), size, nil
}

// readAll reads the first size bytes of a file, or all that it has, whatever its offset is.
func readAll(fd int, to io.Writer, size int64) error {
	buf := make([]byte, 64<<10)
	for off := int64(0); off < size; {
		want := buf[:min(int64(len(buf)), size-off)]
		n, ok := readAt(fd, want, off)
		if !ok {
			return unix.EIO
		}
		if _, err := to.Write(want[:n]); err != nil {
			return err
		}
		if off += int64(n); n < len(want) {
			return nil
		}
	}
	return nil
}
