package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/safespawn/spawn/attr"
)

// ids are those of this process; -1 where the system has no such numbers.
type ids struct{ uid, euid, gid, egid int }

func currentIDs() ids { return ids{os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid()} }

// credential is what a value of --user means to a process with the given ids. It
// is nil where there is nothing to change and no privilege to change it with.
func credential(s string, self ids) (*attr.Credential, error) {
	if self.uid < 0 {
		return nil, fmt.Errorf("user ids are not numbers here: %w", errors.ErrUnsupported)
	}
	name, group, withGroup := strings.Cut(s, ":")
	uid, account, err := lookupUser(name)
	if err != nil {
		return nil, err
	}
	var gid uint32
	switch {
	case withGroup:
		if gid, err = lookupGroup(group); err != nil {
			return nil, err
		}
	case account != nil:
		if gid, err = parseID(account.Gid); err != nil {
			return nil, err
		}
	}
	if self.are(uid, gid, withGroup) {
		return nil, nil
	}
	switch {
	case withGroup:
		return &attr.Credential{UID: uid, GID: gid, Groups: []uint32{gid}}, nil
	case account == nil:
		return nil, fmt.Errorf("uid %d has no entry in the user database, so a group must be given: UID:GID", uid)
	}
	groups, err := groupsOf(account)
	if err != nil {
		return nil, err
	}
	return &attr.Credential{UID: uid, GID: gid, Groups: groups}, nil
}

// are reports whether an unprivileged process has these ids already.
func (id ids) are(uid, gid uint32, withGroup bool) bool {
	if id.euid == 0 || id.uid != int(uid) || id.euid != int(uid) {
		return false
	}
	return !withGroup || id.gid == int(gid) && id.egid == int(gid)
}

// lookupUser finds a user by name, or else by number; account is nil for a number
// that is not in the user database.
func lookupUser(s string) (uid uint32, account *user.User, err error) {
	account, err = user.Lookup(s)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		if uid, err = parseID(s); err != nil {
			return 0, nil, fmt.Errorf("no user %q", s)
		}
		var unknownID user.UnknownUserIdError
		if account, err = user.LookupId(s); errors.As(err, &unknownID) {
			return uid, nil, nil
		}
	}
	if err != nil {
		return 0, nil, err
	}
	uid, err = parseID(account.Uid)
	return uid, account, err
}

// lookupGroup finds a group by name, or else by number.
func lookupGroup(s string) (uint32, error) {
	g, err := user.LookupGroup(s)
	var unknown user.UnknownGroupError
	if errors.As(err, &unknown) {
		if gid, err := parseID(s); err == nil {
			return gid, nil
		}
		return 0, fmt.Errorf("no group %q", s)
	}
	if err != nil {
		return 0, err
	}
	return parseID(g.Gid)
}

// groupsOf are all groups of a user.
func groupsOf(account *user.User) ([]uint32, error) {
	list, err := account.GroupIds()
	if err != nil {
		return nil, err
	}
	groups := make([]uint32, len(list))
	for i, s := range list {
		if groups[i], err = parseID(s); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 1<<32-1 {
		return 0, fmt.Errorf("%q is not an id", s)
	}
	return uint32(n), nil
}
