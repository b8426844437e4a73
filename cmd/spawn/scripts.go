package main

import (
	"fmt"
	"io"
)

// printCompletion prints the completion script for a shell.
func printCompletion(w io.Writer, shell string) error {
	script, ok := scripts[shell]
	if !ok {
		return fmt.Errorf("--completion %q: not one of bash, zsh, fish", shell)
	}
	return write(w, script)
}

// scripts hand the line to spawn as one argument, which reads it without evaluating
// anything. No script has the shell expand what was typed, and none runs the word that
// was typed for spawn, but the spawn in the PATH.
var scripts = map[string]string{
	"bash": `# Completions of spawn for bash, with the package bash-completion and without.
_spawn() {
	local line blank=
	COMPREPLY=()
	while IFS= read -r line; do
		[[ $line == ' '* ]] && blank=1
		COMPREPLY+=("${line:1}")
	done <<<"$(command spawn --complete bash -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null </dev/null)"
	[[ ${COMPREPLY[0]-} ]] || COMPREPLY=()
	[[ $blank ]] || compopt -o nospace 2>/dev/null
	return 0
}
complete -o nosort -F _spawn spawn 2>/dev/null || complete -F _spawn spawn
`,
	"zsh": `#compdef spawn
# Completions of spawn for zsh.
_spawn() {
	local line word
	local -a closed open shown_closed shown_open
	for line in "${(@f)$(command spawn --complete zsh -- "${(j: :)words[1,CURRENT-1]} $QIPREFIX$IPREFIX$PREFIX" 2>/dev/null </dev/null)}"; do
		[[ -n $line ]] || continue
		word=${${line#?}%%$'\t'*}
		if [[ $line == *$'\t'* ]]; then
			line="${line[1]}$word  -- ${line#*$'\t'}"
		fi
		if [[ $line == ' '* ]]; then
			closed+=("${word#"$IPREFIX"}") shown_closed+=("${line#?}")
		else
			open+=("${word#"$IPREFIX"}") shown_open+=("${line#?}")
		fi
	done
	(( $#closed )) && compadd -l -d shown_closed -a -- closed
	(( $#open )) && compadd -S '' -d shown_open -a -- open
	(( $#closed + $#open ))
}
if [[ $funcstack[1] == _spawn ]]; then
	_spawn "$@"
else
	compdef _spawn spawn
fi
`,
	"fish": `# Completions of spawn for fish.
function __spawn_complete
	set -l line (commandline -cp | string collect)
	command spawn --complete fish -- "$line" 2>/dev/null </dev/null | string sub -s 2
end
complete -c spawn -f -a '(__spawn_complete)'
`,
}
