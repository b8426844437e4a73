package attr

import (
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// SessionKeyring gives the child another session keyring. The name "" means a new
// keyring without a name. Any other name means the user's keyring of that name, and
// the kernel makes it if there is none. Names that begin with a dot are the
// kernel's. The child joins the keyring with its new credentials.
//
// If the kernel has no support for keys, the error is ENOSYS. See
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
