package exec

import "golang.org/x/sys/windows"

// brokenPipe reports whether a write failed because nobody reads any more. Which
// error it is depends on whether the reader was closed before or meanwhile.
func brokenPipe(err error) bool {
	return err == windows.ERROR_BROKEN_PIPE || err == windows.ERROR_NO_DATA
}
