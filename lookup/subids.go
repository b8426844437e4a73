package lookup

import (
	"cmp"
	"os"
	"strings"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// SubordinateIDs returns the first range of subordinate user ids of a user, and the
// first of group ids, as /etc/subuid and /etc/subgid list them. Both ranges begin at
// 0 inside. They are for an [attr.IDMap] with Helpers. The name has the form that
// [Credential] takes.
//
// A line of the files is for a user by name or by number. In both files it is the
// user that counts, not a group. If a file has no line for the user, or if there is
// no such file, the error matches [os.ErrNotExist]. If the first line for the user
// has no range, the error matches EINVAL. See subuid(5).
func SubordinateIDs(name string) (uid, gid attr.IDMapEntry, err error) {
	u, _, err := findUser(name)
	if err != nil {
		return uid, gid, err
	}
	if uid, err = firstRange("/etc/subuid", u.Username, u.Uid); err == nil {
		gid, err = firstRange("/etc/subgid", u.Username, u.Uid)
	}
	return uid, gid, err
}

// firstRange looks into a file of the form of subuid(5), for a user of whom either is
// enough.
func firstRange(path, name, uid string) (attr.IDMapEntry, error) {
	text, err := highfd.ReadFile(path)
	if err != nil {
		return attr.IDMapEntry{}, err
	}
	line := lineOf(string(text), name, uid)
	if line == "" {
		return attr.IDMapEntry{}, &noIDsError{path, cmp.Or(name, uid)}
	}
	_, ids, _ := strings.Cut(line, ":")
	e, err := attr.ParseIDMapEntry("0:" + ids)
	if err != nil {
		return e, plan.Invalid("%s: %q has no range of ids", path, line)
	}
	return e, nil
}

// lineOf is the first line for the user, without its end, or empty.
func lineOf(text, name, uid string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if who, _, _ := strings.Cut(line, ":"); who != "" && (who == name || who == uid) {
			return line
		}
	}
	return ""
}

// noIDsError matches os.ErrNotExist, and does not say that the file is missing.
type noIDsError struct{ path, user string }

func (e *noIDsError) Error() string        { return e.path + " has no ids for user " + e.user }
func (e *noIDsError) Is(target error) bool { return target == os.ErrNotExist }
