package attr

import (
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// SessionKeyring gives the child another session keyring: a new one without a
// name for "", else the user's of that name, which is made if there is none. It is
// joined with the child's credentials. Names with a dot in front are the kernel's.
// Without support for keys in the kernel the error is ENOSYS. See
// KEYCTL_JOIN_SESSION_KEYRING(2const) and session-keyring(7).
type SessionKeyring string

const (
	keyctlJoinSessionKeyring = 1
	maxKeyringName           = 4095
)

func (k SessionKeyring) check(c *plan.Claims) error {
	if strings.ContainsRune(string(k), 0) || len(k) > maxKeyringName {
		return invalid(plan.StepKeyring, string(k), "not a name")
	}
	return c.Claim("the session keyring", "attr.SessionKeyring")
}

func (k SessionKeyring) lower(p *plan.Plan) {
	name, zero := raw.Int(0), raw.Int(0)
	if k != "" {
		name = p.Builder().String(string(k))
	}
	p.Step(plan.StepKeyring, string(k))
	p.Call(plan.AfterCredentials, raw.Keyctl, raw.Int(keyctlJoinSessionKeyring), name, zero, zero, zero)
}
