package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manPage is spawn.1, from the same texts as --help.
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	b.WriteString(".TH SPAWN 1\n.SH NAME\n" + roff("spawn - "+cmd.Short) + "\n")
	b.WriteString(".SH SYNOPSIS\n" + roff(cmd.UseLine()) + "\n.SH DESCRIPTION\n")
	manText(&b, helpBefore)
	b.WriteString(".SH OPTIONS\n")
	for _, group := range groupsOf(cmd.Flags()) {
		fmt.Fprintf(&b, ".SS %s\n", roff(group.name))
		for _, f := range group.flags {
			_, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(heading(f))), roff(usage))
		}
	}
	b.WriteString(".SH NOTES\n")
	manText(&b, helpAfter)
	return b.String()
}

// manText writes paragraphs. Indented lines stay as they are, and a line before some that
// ends in a colon is the title of a section.
func manText(b *strings.Builder, text string) {
	for paragraph := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		first, rest, _ := strings.Cut(paragraph, "\n")
		if title, ok := strings.CutSuffix(first, ":"); ok && strings.HasPrefix(rest, " ") {
			fmt.Fprintf(b, ".SH %s\n", strings.ToUpper(roff(title)))
			paragraph = rest
		}
		if strings.HasPrefix(paragraph, " ") {
			b.WriteString(".PP\n.nf\n" + roff(paragraph) + "\n.fi\n")
			continue
		}
		b.WriteString(".PP\n" + roff(paragraph) + "\n")
	}
}

// roff escapes a text. No line of it is a request.
func roff(s string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
