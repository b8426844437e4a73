package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/lookup"
)

// identity is the flags of ids and privileges.
type identity struct {
	user                   string
	groups                 []uint32 // nil where not given
	keepGroups             bool
	userEnv, resetEnv      bool
	ruid, euid, rgid, egid *uint32
	resetIDs               bool

	// Sets of capabilities, nil where not given.
	caps, capEffective, capPermitted, capInheritable, capAmbient, capBounding []attr.Capability

	securebits *attr.SecureBits
	noNewPrivs bool
}

func (o *options) identityFlags() []*pflag.Flag {
	const group = "Identity"
	id := func(name, what string, to **uint32) *pflag.Flag {
		return o.value(group, name, "change the "+what+" id alone, to `N`", single(to, attr.ParseID))
	}
	caps := func(name, usage string, to *[]attr.Capability) *pflag.Flag {
		return o.value(group, name, usage, gather(to, attr.ParseCapabilities))
	}
	return []*pflag.Flag{
		o.value(group, "user", "run as `USER[:GROUP]`, names or numbers", name(&o.user)),
		o.value(group, "groups", "have the supplementary groups of `LIST`, or none", gather(&o.groups, parseGroups)),
		toggle(group, "keep-groups", "keep the supplementary groups", &o.keepGroups),
		toggle(group, "user-env", "set HOME, USER, LOGNAME and SHELL to those of --user", &o.userEnv),
		toggle(group, "reset-env", "have TERM, and what a login sets for --user or the caller", &o.resetEnv),
		id("ruid", "real user", &o.ruid),
		id("euid", "effective user", &o.euid),
		id("rgid", "real group", &o.rgid),
		id("egid", "effective group", &o.egid),
		toggle(group, "reset-ids", "make the effective ids the real ones", &o.resetIDs),
		caps("caps", "have the capabilities of `LIST`, no others ever: all sets", &o.caps),
		caps("cap-effective", "set the effective set to `LIST`, before execve", &o.capEffective),
		caps("cap-permitted", "set the permitted set to `LIST`, before execve", &o.capPermitted),
		caps("cap-inheritable", "set the inheritable set to `LIST`", &o.capInheritable),
		caps("cap-ambient", "set the ambient set to `LIST`; alone, add to it", &o.capAmbient),
		caps("cap-bounding", "set the bounding set to `LIST`", &o.capBounding),
		o.value(group, "securebits", "set the flags of `LIST`, as noroot,noroot_locked", single(&o.securebits, attr.ParseSecureBits)),
		toggle(group, "no-new-privs", "gain no privilege by execve", &o.noNewPrivs),
	}
}

func (o *options) identityAttributes() (attr.List, error) {
	list, err := o.idAttributes()
	if err != nil {
		return nil, err
	}
	when(&list, o.resetIDs, attr.ResetIDs{})
	if a := o.capabilities(); a != nil {
		list = append(list, a)
	}
	put(&list, o.securebits)
	when(&list, o.noNewPrivs, attr.NoNewPrivs{})
	return list, nil
}

// idAttributes leaves it to the library to find that --user, --ruid and so on
// contradict each other.
func (o *options) idAttributes() (list attr.List, err error) {
	ids := attr.IDs{Groups: o.groups, KeepGroups: o.keepGroups, Root: true}
	alone := false
	for _, x := range []struct{ to, given *uint32 }{
		{&ids.RUID, o.ruid}, {&ids.EUID, o.euid}, {&ids.RGID, o.rgid}, {&ids.EGID, o.egid},
	} {
		*x.to = attr.KeepID
		if x.given != nil {
			*x.to, alone = *x.given, true
		}
	}
	switch {
	case o.keepGroups && o.groups != nil:
		return nil, errors.New("--keep-groups: contradicts --groups")
	case o.keepGroups && !alone && o.user == "":
		return nil, errors.New("--keep-groups: needs --user, or --ruid and the like")
	case o.resetEnv && o.clearEnv:
		return nil, errors.New("--reset-env: contradicts --clear-env, as it keeps TERM and sets others")
	case o.userEnv && o.user == "":
		return nil, errors.New("--user-env: needs --user")
	}
	if o.user != "" {
		cr, err := o.credential()
		if err != nil {
			return nil, fmt.Errorf("--user %q: %w", o.user, unknown(err))
		}
		list = append(list, cr)
	}
	when(&list, alone || o.groups != nil && o.user == "", ids)
	return list, nil
}

// credential is what --user means. A process without privilege can't change its
// groups, so those of the user that it is already are kept as they are.
func (o *options) credential() (attr.Credential, error) {
	cr, err := lookup.Credential(o.user)
	uid, gid := int(cr.UID), int(cr.GID)
	switch {
	case o.groups != nil || o.keepGroups:
		cr.Groups, cr.KeepGroups = o.groups, o.keepGroups
	case uid != 0 && uid == os.Getuid() && uid == os.Geteuid() && gid == os.Getgid() && gid == os.Getegid():
		cr.Groups, cr.KeepGroups = nil, true
	}
	return cr, err
}

// capabilities are nil if no flag was given.
func (o *options) capabilities() attr.Attr {
	var c attr.Capabilities
	if o.caps != nil {
		c = attr.OnlyCapabilities(o.caps...)
	}
	others := o.caps != nil
	for _, x := range []struct {
		to    *[]attr.Capability
		given []attr.Capability
	}{{&c.Effective, o.capEffective}, {&c.Permitted, o.capPermitted}, {&c.Inheritable, o.capInheritable}, {&c.Bounding, o.capBounding}} {
		if x.given != nil {
			*x.to, others = x.given, true
		}
	}
	switch {
	case o.capAmbient == nil && !others:
		return nil
	case o.capAmbient == nil:
		return c
	case len(o.capAmbient) > 0 && !others:
		return attr.AmbientCaps(o.capAmbient)
	}
	c.Ambient = o.capAmbient
	return c
}

func parseGroups(s string) ([]uint32, error) {
	list, err := parseList(s, lookup.Group)
	return list, unknown(err)
}

// unknown says in simple words that a user or a group is not there.
func unknown(err error) error {
	var name user.UnknownUserError
	var id user.UnknownUserIdError
	var group user.UnknownGroupError
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("no such user: %q", string(name))
	case errors.As(err, &id):
		return errors.New("no user has this id; with a group it need not be there: USER:GROUP")
	case errors.As(err, &group):
		return fmt.Errorf("no such group: %q", string(group))
	}
	return err
}
