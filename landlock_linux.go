//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// holdRuleset adds the ruleset that attr.Landlock wants to the files.
func (e *engine) holdRuleset(f *fdPlan) error {
	r := f.Ruleset
	if r == nil {
		return nil
	}
	fd := r.FD
	if r.File.File != nil {
		var err error
		if fd, err = e.hold(r.File.File, plan.PartAttr, "landlock", r.Index); err != nil {
			return plan.AttrError("landlock", r.Index, r.Name(), err)
		}
	}
	f.files = append(f.files, fd)
	return nil
}

// restrict applies the ruleset. Nothing is opened from then on.
func (f *fdPlan) restrict() {
	if f.Ruleset == nil {
		return
	}
	f.stepOf(len(f.actions) + 1)
	from, _ := f.source(f.files[len(f.actions)])
	f.Call(plan.Landlock, raw.Landlock, from, raw.Int(int64(f.Ruleset.Flags)))
}
