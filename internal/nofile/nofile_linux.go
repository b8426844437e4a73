//go:build amd64 || arm64

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

// Raised reports whether now is what package syscall makes of the original
// limit, so that nobody has chosen another since.
func Raised(now Limit) bool {
	return now.Hard == Original.Hard && now.Hard > 0 && now.Soft == now.Hard-1 && Original.Soft < now.Soft
}

// prlimit is prlimit64(0, RLIMIT_NOFILE, NULL, l).
//
//go:noescape
func prlimit(l *Limit) (result int)
