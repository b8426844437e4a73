//go:build (amd64 || arm64) && spawn_nolinkname

package raw

// ReleasesP says that a thread which makes a child does not hold up the scheduler.
const ReleasesP = false

// Without linkname the thread keeps its P while the child prepares itself.

func entersyscall() {}

func exitsyscall() {}
