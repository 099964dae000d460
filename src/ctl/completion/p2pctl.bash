# SPDX-License-Identifier: MIT
# bash completion for p2pctl(1)
#
# p2pctl itself knows its verbs and options: "p2pctl __complete" prints what may come next. First a
# line that says what kind of thing that is, then a candidate and its description in each line.
# bash must never evaluate a candidate, since names may hold $(...): no eval, and no compgen -W.

_p2pctl() {
    # shellcheck disable=SC2034 # _init_completion sets them all
    local cur prev words cword split
    local lines

    # An option and its value are one word, as for getopt_long().
    _init_completion -s -n : || return
    # Only backslashes are undone: p2pctl needs the last word as it is meant.
    words[cword]=${words[cword]//\\/}
    mapfile -t lines < <(p2pctl __complete "${words[@]:1:cword}" 2>/dev/null)

    case ${lines[0]-} in
    files)
        _filedir
        return
        ;;
    hosts)
        _known_hosts_real -- "$cur"
        return
        ;;
    esac
    COMPREPLY=("${lines[@]:1}")
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
    # readline would leave a "$" as it is, so quote here. After a quote that the user has typed,
    # other rules hold, but then p2pctl has found nothing.
    [[ ${lines[0]-} == paths && ${#COMPREPLY[@]} -gt 0 ]] &&
        mapfile -t COMPREPLY < <(printf '%q\n' "${COMPREPLY[@]}")
    [[ ${COMPREPLY-} == *= ]] && compopt -o nospace
    __ltrim_colon_completions "$cur"
} &&
    complete -F _p2pctl p2pctl
