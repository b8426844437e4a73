//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

// otherNames are how scenes get attributes that they don't name by type.
var otherNames = map[string]string{
	"Capabilities": "NoCapabilities", "IDMap": "MapRoot", "Landlock": "NewLandlock", "NoFilePolicy": "NoFileCurrent",
	"Personality": "PersonalityNoASLR", "Seccomp": "SeccompListener",
}

// TestEachAttribute wants each attribute to be in a scene.
func TestEachAttribute(t *testing.T) {
	names, err := attrnames.In("../../attr")
	if errors.Is(err, fs.ErrNotExist) {
		testenv.Skip(t, "no source of package attr")
	}
	files, gerr := filepath.Glob("*scene*_test.go")
	if err := errors.Join(err, gerr); err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	var used []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\battr\.(\w+)`).FindAllSubmatch(text, -1) {
			used = append(used, string(m[1]))
		}
	}
	for _, name := range names {
		if !slices.Contains(used, name) && !slices.Contains(used, otherNames[name]) {
			t.Errorf("attr.%s is in no scene", name)
		}
	}
}
