//go:build !unix

package stop

import "os"

// cont is never sent.
var cont = os.Kill

// Wakes is for Unix: nothing is ever stopped here.
func Wakes(os.Signal) bool { return false }
