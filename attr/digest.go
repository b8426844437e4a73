package attr

import "github.com/safespawn/spawn/internal/plan"

// Digest lets only one program run: the one whose SHA-256 hash is SHA256. Compile reads
// the program and returns an error that matches spawn.ErrDigest if it is another one. The
// zero value is an error.
//
// What was hashed is what each start executes, even if somebody writes to the file or puts
// another one in its place afterwards. For this Compile hashes the file. If the hash is
// right, Compile makes a copy in a sealed memory file, hashes the copy too, and the copy
// is executed as Spec.File is. It takes memory of the program's size, for as long as the
// Program lasts. No copy is made if the file can't change: a Spec.File that is a memory
// file sealed against writing, or a file with fs-verity on ext4, f2fs or btrfs. To hash a
// file takes time by its size, which nothing limits.
//
// The program is Spec.File, or the file at Spec.Path. This process must be allowed to read
// and to execute it, and no noexec may be on its mount. The copy has the mode of the file,
// and its owner and group if this process may give them to it. An AppArmor profile for the
// path of the file, and the SELinux label of the file, do not count for a copy. The ACL of
// the file counts for this process alone, and not for a child with other ids.
//
// If the child has another root directory or other mounts, or a relative path another
// working directory, Compile returns an error without Spec.File. The interpreter of a
// script, the dynamic loader and libraries are not verified. A copy has neither the
// set-user-ID bit of its file nor its capabilities, and /proc/PID/exe is no path.
//
// Linux 3.19. See memfd_create(2).
type Digest struct{ SHA256 [32]byte }

func (d Digest) check(c *plan.Claims) error {
	if d.SHA256 == [32]byte{} {
		return invalid(plan.StepDigest, "", "all zeros, which is the hash of no program")
	}
	return c.Claim("the digest of the program", "attr.Digest")
}

func (d Digest) lower(p *plan.Plan) { p.SetDigest(d.SHA256) }
