//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable

// onTableSize is for tests of what others open beside a start.
var onTableSize func()

// OnTableSizeForTest has f called where a start without close_range has found out how
// large the table is, before the clone.
func OnTableSizeForTest(f func()) (restore func()) {
	was := onTableSize
	onTableSize = f
	return func() { onTableSize = was }
}
