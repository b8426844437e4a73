package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completion is a word that may stand at the cursor.
type completion struct {
	word  string
	about string
	open  bool // more of the word follows
}

// complete prints what may follow a line. The words are the line up to the cursor
// and, for bash, what of it will be replaced. Each line of output is a completion and,
// after a tab, what it is about; it begins with "+" if no blank is to follow, else with
// a blank.
func complete(w io.Writer, shell string, words []string) error {
	if len(words) == 0 {
		return nil
	}
	t, ok := readLine(words[0])
	if !ok || len(t.words) == 0 && t.cur == "" {
		return nil
	}
	skip := 0
	if shell == "bash" && len(words) > 1 {
		if !strings.HasSuffix(words[0], words[1]) {
			return nil
		}
		skip = t.before(len(words[0]) - len(words[1]))
	}
	var b strings.Builder
	for _, c := range completions(t) {
		if !strings.HasPrefix(c.word, t.cur) && !t.tilde || strings.ContainsFunc(c.word, control) {
			continue
		}
		word := c.word
		if shell == "bash" {
			if word, ok = quoteBash(word[min(skip, len(word)):], t.quote); !ok {
				continue
			}
		}
		sign := " "
		if c.open {
			sign = "+"
		}
		b.WriteString(sign + word)
		if c.about != "" && shell != "bash" {
			b.WriteString("\t" + c.about)
		}
		b.WriteByte('\n')
	}
	return write(w, b.String())
}

// control reports whether a character can't be shown in a line.
func control(c rune) bool { return c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 }

// before is how many bytes of the word at the cursor are before an offset of the line.
func (t *typed) before(offset int) int {
	n, _ := slices.BinarySearch(t.at, offset)
	return n
}

// quoteBash writes a word so that bash reads it as it is, after a quote that is open.
func quoteBash(s string, quote byte) (string, bool) {
	switch quote {
	case '\'':
		return strings.ReplaceAll(s, "'", `'\''`), true
	case '"':
		// Nothing keeps bash's history from an exclamation mark in there.
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s), !strings.Contains(s, "!")
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(" \"'\\$`!&|;<>()*?[]{}~#^", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}

// completions are those at the end of a line.
func completions(t typed) []completion {
	if t.file {
		return files(t.cur, t.tilde, anyFile)
	}
	words := t.words
	for len(words) > 0 && isAssignment(words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		return nil // it is the name of a command itself
	}
	cmd := (&options{}).root()
	words = words[1:]
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "--" && i+1 == len(words) {
			return programs(t)
		} else if word == "--" || !isFlag(word) {
			return files(t.cur, t.tilde, anyFile) // an argument of the program
		}
		f, open, err := flagIn(cmd.Flags(), word)
		switch {
		case err != nil:
			return nil
		case open && i+1 == len(words):
			return valuesOf(f, t.cur, t.tilde)
		case open:
			i++
		}
	}
	return firstWord(cmd, t)
}

// isAssignment reports whether a word before a command sets a variable.
func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && !strings.ContainsAny(name, "/-")
}

// firstWord completes a word that is a flag or the program.
func firstWord(cmd *cobra.Command, t typed) []completion {
	if !strings.HasPrefix(t.cur, "-") {
		return programs(t)
	}
	if name, value, with := strings.Cut(t.cur, "="); with {
		f, _, err := flagIn(cmd.Flags(), t.cur)
		if err != nil || !takesValue(f) && !mayHaveValue(f) || !strings.HasPrefix(name, "--") {
			return nil
		}
		list := valuesOf(f, value, false)
		for i := range list {
			list[i].word = name + "=" + list[i].word
		}
		return list
	}
	var list []completion
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			_, usage := pflag.UnquoteUsage(f)
			list = append(list, completion{word: "--" + f.Name, about: usage})
		}
	})
	return list
}

// valuesOf are the values of a flag that begin with a text.
func valuesOf(f *pflag.Flag, text string, tilde bool) []completion {
	if tilde || pathFlags[f.Name] != nil {
		want := pathFlags[f.Name]
		if want == nil {
			return nil
		}
		if bindFlags[f.Name] {
			return filesToBind(text, tilde, want)
		}
		return files(text, tilde, want)
	}
	if of := valueFlags[f.Name]; of != nil {
		return of(text)
	}
	return nil
}

// anyFile and isDir say which files there are to be completed, isProgram which can be
// run. Directories are, on the way to others.
func anyFile(string) bool { return true }
func isDir(string) bool   { return false }

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (info.Mode()&0o111 != 0 || os.PathSeparator == '\\')
}

// files are those whose path begins with a text.
func files(text string, tilde bool, want func(path string) bool) []completion {
	if tilde {
		rest, own := strings.CutPrefix(text, "~/")
		home, err := os.UserHomeDir()
		if !own || err != nil {
			return nil
		}
		text = filepath.ToSlash(home) + "/" + rest
	}
	slash := strings.LastIndexByte(text, '/') + 1
	dir, begin := text[:slash], text[slash:]
	entries, err := os.ReadDir(filepath.FromSlash(dir + "."))
	if err != nil {
		return nil
	}
	var list []completion
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, begin) || strings.HasPrefix(name, ".") && begin == "" {
			continue
		}
		if info, err := os.Stat(dir + name); err == nil && info.IsDir() {
			list = append(list, completion{word: dir + name + "/", open: true})
		} else if want(dir + name) {
			list = append(list, completion{word: dir + name})
		}
	}
	return list
}

// programs are those of the PATH, or those of a directory that is written out.
func programs(t typed) []completion {
	if t.tilde || strings.ContainsRune(t.cur, '/') {
		return files(t.cur, t.tilde, isProgram)
	}
	var names []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if dir == "" {
			dir = "."
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), t.cur) && isProgram(filepath.Join(dir, e.Name())) {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	var list []completion
	for _, name := range slices.Compact(names) {
		list = append(list, completion{word: name})
	}
	return list
}
