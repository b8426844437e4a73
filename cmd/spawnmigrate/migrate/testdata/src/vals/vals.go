package vals

import (
	"fmt"
	"os/exec" // want `import of os/exec can be`
	"reflect"
	_ "unsafe"
)

//go:linkname lookExtensions os/exec.lookExtensions // want `linkname into os/exec`
func lookExtensions(path, dir string) (string, error)

func values(c *exec.Cmd, v any) {
	d := *c // want `a copy of a Cmd has its own state`
	d.Args = nil
	*c = exec.Cmd{Path: "x"}
	_ = (*c).Path
	_ = reflect.TypeOf(c)       // want `package reflect finds another type`
	fmt.Printf("%s %T\n", c, c) // want `Printf prints the type`
	fmt.Println(c)
	_, _ = v.(*exec.Cmd) // want `a \*os/exec.Cmd that a foreign package made is no \*exec.Cmd`
}
