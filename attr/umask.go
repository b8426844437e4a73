package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Umask sets the file mode creation mask, from 0 to 0777. It also applies to files
// that the file actions make. Without it the child has this process's mask. See
// umask(2).
type Umask int

func (u Umask) check(c *plan.Claims) error {
	if u < 0 || u > 0o777 {
		return invalid(plan.StepUmask, fmt.Sprintf("%#o", int(u)), "out of range")
	}
	return c.Claim("the umask", "attr.Umask")
}

func (u Umask) lower(p *plan.Plan) {
	p.Step(plan.StepUmask, fmt.Sprintf("%04o", int(u)))
	p.Call(plan.Umask, raw.Umask, raw.Int(int64(u)))
}
