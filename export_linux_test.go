//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn

// CompileOnce compiles as Start does.
func CompileOnce(s *Spec) error {
	p, err := compile(s, use{once: true})
	if err == nil {
		p.release()
	}
	return err
}
