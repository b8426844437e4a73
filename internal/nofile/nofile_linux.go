//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package nofile

// Limit is RLIMIT_NOFILE.
type Limit struct{ Soft, Hard uint64 }

// Original is the limit that this process was started with; zero where it could
// not be read.
var Original = read()

func read() (l Limit) {
	if prlimit(&l) != 0 {
		return Limit{}
	}
	return l
}

// Raisable reports whether package syscall has raised the original limit.
func Raisable() bool { return Original.Hard > 0 && Original.Soft < Original.Hard-1 }

// Raised reports whether now is what package syscall makes of the original
// limit, so that nobody has chosen another since.
func Raised(now Limit) bool {
	return Raisable() && now.Hard == Original.Hard && now.Soft == now.Hard-1
}

// prlimit is prlimit64(0, RLIMIT_NOFILE, NULL, l).
//
//go:noescape
func prlimit(l *Limit) (result int)
