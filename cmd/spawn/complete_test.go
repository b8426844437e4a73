//go:build unix

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completed are the completions of a line, in a directory.
func completed(t *testing.T, dir, shell string, line ...string) (list []string) {
	t.Helper()
	cmd := spawnCmd(t, append([]string{"--complete", shell, "--"}, line...)...)
	cmd.Dir = dir
	for l := range strings.Lines(ok(t, cmd)) {
		word, _, _ := strings.Cut(strings.TrimSuffix(l, "\n"), "\t")
		list = append(list, strings.TrimPrefix(word, " "))
	}
	return list
}

// TestCompletions wants values, files and programs. "+" is before words that are not whole.
func TestCompletions(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"my file", "$(touch x)", "new\nline", "esc\x1b[2J", "a:b", "a,b"} {
		writeFile(t, filepath.Join(dir, name), "", 0o644)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "dir", "program"), "", 0o755)
	writeFile(t, filepath.Join(dir, "dir", "text"), "", 0o644)
	for line, want := range map[string]string{
		"spawn --ni":                         "--nice",
		"spawn --umask 027 > important --ni": "--nice",
		"spawn --umask 027 2>&1 --ni":        "--nice",
		"spawn -vC / --ni":                   "--nice",
		"spawn --nice -5 --uma":              "--umask",
		"ls; A=1 spawn --ni":                 "--nice",
		"spawn --env A=$(touch x) --ni":      "--nice",
		"spawn --env \"$(touch x; y)\" --ni": "--nice",
		"spawn --env `touch x` --ni":         "--nice",
		"spawn --stop-signal INT --sig-ign":  "--sig-ignore",
		"spawn --sig-block INT,TER":          "INT,TERM",
		"spawn --sig-block=INT,TER":          "--sig-block=INT,TERM",
		"spawn --stop-signal KIL":            "KILL",
		"spawn --rlimit nof":                 "+nofile=",
		"spawn -l nofile=or":                 "nofile=original",
		"spawn --caps net_adm":               "net_admin",
		"spawn --caps chown,net_adm":         "chown,net_admin",
		"spawn --optional nice,nu":           "nice,numa",
		"spawn --completion b":               "bash",
		"spawn --stdin my":                   "my file",
		"spawn --stdin < my":                 "my file",
		"spawn --stdin 'my":                  "my file",
		"spawn --stdin \\$":                  "$(touch x)",
		"spawn --chdir di":                   "+dir/",
		"spawn --chdir dir/":                 "",
		"spawn --fd 3=my":                    "+3=my file",
		"spawn --fd 3=my:r":                  "3=my:r 3=my:rw",
		"spawn --bind a":                     `a,b a\:b`,
		`spawn --ro-bind 'a\:'`:              `a\:b`,
		"spawn --bind a:":                    "",
		"spawn --dev-bind=a:":                "",
		"spawn --ro-bind=a":                  `--ro-bind=a,b --ro-bind=a\:b`,
		"spawn --mount bind,source=a":        "bind,source=a:b",
		"spawn --persist net=a,":             "net=a,b",
		"spawn --persist 1:":                 "",
		"spawn --join 1:mount,ne":            "1:mount,net",
		"spawn --join net=a:":                "net=a:b",
		"spawn --setsid dir/":                "dir/program",
		"spawn --setsid -- dir/p":            "dir/program",
		"spawn cat m":                        "my file",
		"spawn cat --ni":                     "",
		"spawn -- cat --ni":                  "",
		"spawn --comple":                     "--completion",
		"spawn --bogus --ni":                 "",
		"spawn --bogus=$(touch x":            "",
		"spawn --env `touch x":               "",
		"spawn --stdin n":                    "",
		"spawn --stdin e":                    "",
		"spawn; ls; --ni":                    "",
		"spa":                                "",
		"":                                   "",
	} {
		if got := strings.Join(completed(t, dir, "fish", line), " "); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// TestCompletionsForBash wants what bash replaces by its own idea of words, quoted.
func TestCompletionsForBash(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"my file", "$(touch x)", "it's", "wow!"} {
		writeFile(t, filepath.Join(dir, name), "", 0o644)
	}
	for _, line := range [][3]string{
		{"spawn --stdin my", "my", `my\ file`},
		{"spawn --stdin=my", "my", `my\ file`},
		{"spawn --stdin 'my", "my", `my file`},
		{"spawn --stdin '$", "$", `$(touch x)`},
		{"spawn --stdin \"$", "$", `\$(touch x)`},
		{"spawn --stdin \\$", "\\$", `\$\(touch\ x\)`},
		{"spawn --stdin it", "it", `it\'s`},
		{"spawn --stdin 'it", "it", `it'\''s`},
		{"spawn --stdin wo", "wo", `wow\!`},
		{"spawn --stdin \"wo", "wo", ``},
		{"spawn --fd 3=my", "my", `+my\ file`},
		{"spawn --umask=02", "02", `022 027`},
		{"spawn --ni", "something else", ``},
	} {
		if got := strings.Join(completed(t, dir, "bash", line[0], line[1]), " "); got != line[2] {
			t.Errorf("%q: got %q, want %q", line[0], got, line[2])
		}
	}
}

// TestCompletionHasAllFlags wants all flags completed and in the help text, and values
// for flags that there are.
func TestCompletionHasAllFlags(t *testing.T) {
	list := completed(t, t.TempDir(), "zsh", "spawn --")
	help := must(t, "--help")
	flags := map[string]bool{}
	for _, f := range (&options{}).flags() {
		flags[f.Name] = true
		if name := "--" + f.Name; !f.Hidden && (!slices.Contains(list, name) || !strings.Contains(help, name)) {
			t.Errorf("%s is not in the help text or not completed", name)
		}
	}
	for _, name := range slices.Concat(keysOf(pathFlags), keysOf(valueFlags), keysOf(letters)) {
		if !flags[name] {
			t.Errorf("no flag %s", name)
		}
	}
	fails(t, statusError, "--completion", "csh")
	fails(t, statusError, "--completion", "pwsh")
}

func keysOf[V any](m map[string]V) (list []string) {
	for name := range m {
		list = append(list, name)
	}
	return list
}

func FuzzParseLine(f *testing.F) {
	f.Add("spawn --env \"$(a 'b')\" 2>&1 `c` \\")
	f.Fuzz(func(t *testing.T, line string) {
		r, ok := readLine(line)
		if !ok {
			return
		}
		if len(r.at) != len(r.cur) {
			t.Fatalf("%q: %d offsets of %d bytes", line, len(r.at), len(r.cur))
		}
		for i, at := range r.at {
			if line[at] != r.cur[i] {
				t.Fatalf("%q: byte %d of %q is not at %d", line, i, r.cur, at)
			}
		}
	})
}
