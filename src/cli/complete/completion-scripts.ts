import { DIRECTIVE } from "./complete-answer.js";

/**
 * The script that completes a command in each shell. It passes the words up to the cursor to `NAME complete`, which
 * works out the proposals, and shows them. The user may source it any number of times.
 */
export const COMPLETION_SCRIPTS = { bash, zsh, fish } as const;

/**
 * Bash also splits words at `=`, `:` and `@`. The script joins these words again for the request. It removes the part
 * of the word that bash already has from the answers. An `@` belongs to the text after it.
 */
function bash(name: string): string {
  return `# bash completion for ${name}
_${name}_complete() {
    local line=\${COMP_LINE:0:COMP_POINT} words=() answers=() word kept directive i IFS=$'\\n'
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=\${COMP_WORDS[i]}
        if ((\${#words[@]} > 0)) && [[ $word == [=:@]* || \${COMP_WORDS[i - 1]} == [=:@] ]] &&
            [[ $line == *"\${words[-1]}$word"* ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    mapfile -t answers < <(${name} complete -- "\${words[@]}" 2>/dev/null)
    COMPREPLY=()
    ((\${#answers[@]} > 0)) || return
    directive=\${answers[-1]#:}
    unset 'answers[-1]'
    word=\${words[-1]}
    kept=\${word%"\${word##*[=:]}"}
    [[ $COMP_WORDBREAKS == *@* && \${word#"$kept"} == *@* ]] && kept=\${word%@*}
    for line in "\${answers[@]}"; do
        line=\${line%%$'\\t'*}
        COMPREPLY+=("$(printf '%q' "\${line#"$kept"}")")
    done
    ((directive & ${DIRECTIVE.noSpace})) && compopt -o nospace
    ((directive & ${DIRECTIVE.noFiles})) && return
    compopt -o filenames
    while read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${word#"$kept"}")
}
complete -F _${name}_complete ${name}`;
}

/** For `source`, or as a file \`_NAME\` in a directory of \`fpath\`. */
function zsh(name: string): string {
  return `#compdef ${name}
_${name}() {
    local -a answers values texts more
    local line directive
    answers=("\${(@f)$(${name} complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
    directive=\${answers[-1]#:}
    for line in "\${(@)answers[1,-2]}"; do
        values+=("\${line%%$'\\t'*}")
        texts+=("\${line/$'\\t'/  -- }")
    done
    ((directive & ${DIRECTIVE.noSpace})) && more=(-S '')
    ((\${#values})) && compadd -l -d texts "\${more[@]}" -a values
    ((directive & ${DIRECTIVE.noFiles})) || _files
}
if [[ \${funcstack[1]} == _${name} ]]; then
    _${name} "$@"
else
    compdef _${name} ${name}
fi`;
}

function fish(name: string): string {
  return `# fish completion for ${name}
function __${name}_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answers (${name} complete -- $words[2..-1] "$current" 2>/dev/null)
    test (count $answers) -gt 0; or return
    printf '%s\\n' $answers[1..-2]
    if test (math "bitand($(string sub -s 2 -- $answers[-1]), ${DIRECTIVE.noFiles})") -eq 0
        __fish_complete_path "$current"
    end
end
complete -c ${name} -f -a '(__${name}_complete)'`;
}
