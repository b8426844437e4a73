// Package lookup finds the ids and the environment of users, by package os/user. It
// is not a part of package attr, because of the cost of os/user: if a program is
// compiled with cgo, os/user links the system's C library, and the program takes
// longer to start.
package lookup

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// Credential returns the credentials of a user, as initgroups(3) would set them.
// The name has the form "user" or "user:group". Either part may be a number. The
// supplementary groups are those of the user at the time of the call.
//
// If the name has a group, the gid is that group instead of the user's own. If
// nobody has the uid, the name must have a group, and the credentials have no other
// groups. If all ids are those of this process already, the credentials keep the
// groups, because setting them would need privilege all the same. Any Unix.
func Credential(name string) (attr.Credential, error) {
	if os.Getuid() < 0 {
		return attr.Credential{}, fmt.Errorf("lookup.Credential: %w", &attr.UnsupportedError{What: "user ids that are numbers", Since: "any Unix"})
	}
	u, group, err := findUser(name)
	if err != nil {
		return attr.Credential{}, err
	}
	cr := attr.Credential{}
	if cr.UID, err = attr.ParseID(u.Uid); err != nil {
		return attr.Credential{}, err
	}
	if cr.GID, err = attr.ParseID(cmp.Or(group, u.Gid)); err != nil {
		return attr.Credential{}, err
	}
	if u.Username != "" {
		list, err := u.GroupIds()
		if err != nil {
			return attr.Credential{}, err
		}
		for _, text := range list {
			if group != "" && text == u.Gid {
				continue // not as a supplementary group either
			}
			id, err := attr.ParseID(text)
			if err != nil {
				return attr.Credential{}, err
			}
			cr.Groups = append(cr.Groups, id)
		}
	}
	if !slices.Contains(cr.Groups, cr.GID) {
		cr.Groups = append(cr.Groups, cr.GID)
	}
	if isOurs(cr) {
		cr.Groups, cr.KeepGroups = nil, true
	}
	cr.Groups = slices.Clip(cr.Groups) // the callers' copies share them
	cr.Root = cr.UID == 0 || cr.GID == 0
	return cr, nil
}

// isOurs says that there is nothing to change.
func isOurs(cr attr.Credential) bool {
	groups, err := os.Getgroups()
	if err != nil || int(cr.UID) != os.Getuid() || int(cr.UID) != os.Geteuid() || int(cr.GID) != os.Getgid() || int(cr.GID) != os.Getegid() {
		return false
	}
	ours := func(id uint32) bool { return id == cr.GID || slices.Contains(groups, int(id)) }
	theirs := func(id int) bool { return slices.Contains(cr.Groups, uint32(id)) }
	return !slices.ContainsFunc(cr.Groups, func(id uint32) bool { return !ours(id) }) &&
		!slices.ContainsFunc(groups, func(id int) bool { return !theirs(id) })
}

// Group returns the id of a group, by name or else by number. A number needs no
// group that has it. If there is neither a group of the name nor a number, the error
// is a [user.UnknownGroupError]. Any Unix.
func Group(name string) (uint32, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		return attr.ParseID(g.Gid)
	}
	var unknown user.UnknownGroupError
	if gid, bad := attr.ParseID(name); bad == nil && errors.As(err, &unknown) {
		return gid, nil
	}
	return 0, err
}

// Env returns HOME, USER, LOGNAME and SHELL of a user, in the form of an
// environment. The name has the form that [Credential] takes. To override the
// variables of another environment, such as os.Environ's, append these to it.
//
// SHELL is that of /etc/passwd. If it is empty there, it is /bin/sh. If the user is
// not in the file, SHELL is left out. If nobody has the uid, the result is an
// error.
func Env(name string) ([]string, error) {
	u, _, err := findUser(name)
	if err != nil {
		return nil, err
	}
	if u.Username == "" {
		return nil, user.UnknownUserError(name)
	}
	env := []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}
	shell, err := shellOf("/etc/passwd", u.Username)
	if shell != "" {
		env = append(env, "SHELL="+shell)
	}
	return slices.Clip(env), err
}

// findUser also returns the gid that the name gives, if any. A uid that nobody has
// gives a user without a name.
func findUser(name string) (u *user.User, gid string, err error) {
	who, group, with := strings.Cut(name, ":")
	if who == "" || with && group == "" {
		return nil, "", plan.Invalid("%q is neither user nor user:group", name)
	}
	if with {
		id, err := Group(group)
		if err != nil {
			return nil, "", err
		}
		gid = strconv.FormatUint(uint64(id), 10)
	}
	u, err = user.Lookup(who)
	var unknown user.UnknownUserError
	if !errors.As(err, &unknown) || !isNumber(who) {
		return u, gid, err
	}
	u, err = user.LookupId(who)
	var nobody user.UnknownUserIdError
	if errors.As(err, &nobody) && with {
		return &user.User{Uid: who}, gid, nil
	}
	return u, gid, err
}

func isNumber(s string) bool {
	_, err := attr.ParseID(s)
	return err == nil
}

// shellOf looks into a file of the form of passwd(5).
func shellOf(path, name string) (string, error) {
	text, err := highfd.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("the shell of %s: %w", name, err)
	}
	for line := range strings.Lines(string(text)) {
		if entry := strings.Split(strings.TrimSuffix(line, "\n"), ":"); len(entry) == 7 && entry[0] == name {
			return cmp.Or(entry[6], "/bin/sh"), nil
		}
	}
	return "", nil
}
