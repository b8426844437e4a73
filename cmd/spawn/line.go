package main

import "strings"

// typed is a command line up to the cursor, as a shell reads it. Nothing of it is
// evaluated: variables and substitutions stand for themselves.
type typed struct {
	words []string // the whole ones of the last simple command, without redirections
	cur   string   // the one at the cursor
	at    []int    // the offset in the line of each byte of cur
	quote byte     // the quote that is open at the cursor: ' or " or 0
	tilde bool     // cur begins with ~, which is not quoted
	file  bool     // cur is the file of a redirection
}

// readLine reads a line. It fails where the cursor is inside a substitution, which is
// another command's business.
func readLine(line string) (t typed, ok bool) {
	r := lineReader{line: line}
	for r.at < len(line) {
		if !r.next() {
			return typed{}, false
		}
	}
	return r.typed, true
}

// lineReader reads a line byte by byte.
type lineReader struct {
	typed
	line   string
	at     int
	inWord bool
}

// next reads what is at the position. It fails where a substitution has no end.
func (r *lineReader) next() bool {
	c := r.line[r.at]
	switch {
	case r.quote == '\'':
		r.quoted(c, c == '\'')
	case c == '\\':
		r.escape()
	case c == '`', c == '$' && r.follows("("), c == '(':
		return r.substitution()
	case r.quote == '"':
		r.quoted(c, c == '"')
	case c == '\'' || c == '"':
		r.quote, r.inWord = c, true
		r.at++
	default:
		r.plain(c)
	}
	return true
}

func (r *lineReader) follows(s string) bool { return strings.HasPrefix(r.line[r.at+1:], s) }

func (r *lineReader) quoted(c byte, ends bool) {
	if ends {
		r.quote = 0
		r.at++
		return
	}
	r.put(c)
}

// put adds the byte at the position to the word.
func (r *lineReader) put(c byte) {
	r.cur += string([]byte{c})
	r.typed.at = append(r.typed.at, r.at)
	r.inWord = true
	r.at++
}

// escape reads a backslash, which inside of double quotes escapes only some.
func (r *lineReader) escape() {
	if r.at+1 == len(r.line) {
		r.at++
		return
	}
	if next := r.line[r.at+1]; r.quote == 0 || strings.IndexByte("\"$`\\", next) >= 0 {
		r.at++
		r.put(next)
		return
	}
	r.put('\\')
}

// plain reads a byte that is not quoted.
func (r *lineReader) plain(c byte) {
	switch c {
	case ' ', '\t':
		r.endWord()
	case '<', '>':
		r.redirection()
		return
	case '&':
		if r.follows(">") { // &>FILE
			r.endWord()
			break
		}
		r.endCommand()
	case ';', '|', '\n':
		r.endCommand()
	default:
		if c == '~' && !r.inWord {
			r.tilde = true
		}
		r.put(c)
		return
	}
	r.at++
}

// redirection reads an operator. The number before it belongs to it.
func (r *lineReader) redirection() {
	if strings.Trim(r.cur, "0123456789") == "" {
		r.cur, r.typed.at, r.inWord = "", nil, false
	}
	r.endWord()
	for r.at < len(r.line) && strings.IndexByte("<>&|-", r.line[r.at]) >= 0 {
		r.at++
	}
	r.file = true
}

func (r *lineReader) endWord() {
	if !r.inWord {
		return
	}
	if !r.file {
		r.words = append(r.words, r.cur)
	}
	r.cur, r.typed.at, r.inWord, r.tilde, r.file = "", nil, false, false, false
}

func (r *lineReader) endCommand() {
	r.endWord()
	r.words, r.file = nil, false
}

// substitution reads `...`, $(...) or (...) as a part of the word.
func (r *lineReader) substitution() bool {
	if c := r.line[r.at]; c == '`' {
		n := strings.IndexByte(r.line[r.at+1:], '`')
		if n < 0 {
			return false
		}
		for range n + 2 {
			r.put(r.line[r.at])
		}
		return true
	}
	depth := 0
	for r.at < len(r.line) {
		c := r.line[r.at]
		r.put(c)
		switch c {
		case '(':
			depth++
		case ')':
			depth--
			if depth == 0 {
				return true
			}
		}
	}
	return false
}
