# SPDX-License-Identifier: MIT
# bash completion for p2pctl(1)

_p2pctl() {
    local cur prev words cword split
    local global='--user --host= -H --json --no-legend --help -h --version'
    local download='--output= -o --force --no-wait --wait --root= --type= --size= --address= --port='
    local search='--exact --type= --min-size= --max-size= --limit='
    local verbs='status search download transfers pause resume cancel share shares rescan leave join monitor ft
        config metrics verify hash help'
    local verb='' sub='' argument='' i where=()

    # "=" is part of the word for us, as for getopt_long.
    _init_completion -s -n : || return
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        -H | --host | -o | --output | --root | --type | --size | --address | --port | --*-size | --limit)
            # The value of an option is no verb.
            case ${words[i]} in -H | --host) where+=(-H "${words[i + 1]}") ;; esac
            ((i++))
            ;;
        --user | --host=*) where+=("${words[i]}") ;;
        -*) ;;
        *) if [[ $verb ]]; then argument=${words[i]} sub=${sub:-${words[i]}}; else verb=${words[i]}; fi ;;
        esac
    done

    case $prev in
    -o | --output)
        _filedir
        return
        ;;
    -H | --host)
        _known_hosts_real -- "$cur"
        return
        ;;
    --root | --type | --size | --address | --port | --*-size | --limit) return ;;
    esac
    $split && return

    if [[ $cur == -* ]]; then
        [[ $verb == download || ! $verb ]] && global+=" $download"
        [[ $verb == search || ! $verb ]] && global+=" $search"
        [[ $verb == metrics ]] && global+=' --output= -o'
        [[ $verb == verify ]] && global+=' --root='
        [[ $verb == share && ${sub:-add} == add ]] && global+=' --fix'
        mapfile -t COMPREPLY < <(compgen -W "$global" -- "$cur")
        [[ ${COMPREPLY-} == *= ]] && compopt -o nospace
        return
    fi
    case $verb in
    '') mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
    help) mapfile -t COMPREPLY < <(compgen -W "${verbs% help}" -- "$cur") ;;
    config)
        case $argument in
        check) _filedir ;;
        reload) mapfile -t COMPREPLY < <(compgen -W 'p2p-peer p2p-ft' -- "$cur") ;;
        '') mapfile -t COMPREPLY < <(compgen -W 'check reload' -- "$cur") ;;
        esac
        ;;
    share)
        case $argument in
        add) _filedir ;;
        remove) mapfile -t COMPREPLY < <(compgen -W "$(p2pctl "${where[@]}" share list --no-legend 2>/dev/null |
            awk '{ print $1 }')" -- "$cur") ;;
        '') mapfile -t COMPREPLY < <(compgen -W 'add remove list' -- "$cur") ;;
        esac
        ;;
    ft) [[ $argument ]] || mapfile -t COMPREPLY < <(compgen -W 'peers lookup kick' -- "$cur") ;;
    hash | verify) _filedir ;;
    cancel | pause | resume)
        # The columns are ID, DIRECTION, NAME, and what follows; only downloads can be paused.
        mapfile -t COMPREPLY < <(p2pctl "${where[@]}" transfers --no-legend 2>/dev/null |
            awk -v cur="$cur" -v verb="$verb" 'index($1, cur) == 1 &&
                (verb == "cancel" || $2 == "download") { print $1 }')
        ;;
    esac
} &&
    complete -F _p2pctl p2pctl
