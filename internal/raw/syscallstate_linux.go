//go:build (amd64 || arm64) && !spawn_nolinkname

package raw

import _ "unsafe" // for go:linkname

// ReleasesP says that a thread which makes a child does not hold up the scheduler.
const ReleasesP = true

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()
