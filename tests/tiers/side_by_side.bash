# shellcheck shell=bash
# Sourced by tiers that run several commands, two at a time, as these wait more than they compute:
#   side_by_side NAME COMMAND…      in the background, when one of two has ended; what it prints is shown when it ends
#   all_ended                       waits for the rest; fails when one of them failed
# Each is in a process group of its own: Ctrl-C goes to all of them, and each takes away then what it made.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
begun=()

side_by_side() {
    while [[ $(jobs -pr | wc -l) -ge 2 ]]; do wait -n || true; done
    begun+=("$1")
    set -m
    shown "$@" &
    set +m
}

all_ended() {
    local name
    wait
    for name in "${begun[@]}"; do [[ -e $logs/$name.ok ]] || return 1; done
}

# Success is kept in a file: `wait -n` does not see one that ended while another was seen to (bash 5.2).
shown() {
    local name=$1 begin=$SECONDS result=FAILED
    shift
    if "$@" >"$logs/$name" 2>&1; then
        result=ok
        touch "$logs/$name.ok"
    fi
    printf -- '--- %s: %s\n%s\n--- %s: %s, %d s\n' "$name" "$*" "$(cat "$logs/$name")" "$name" "$result" $((SECONDS - begin))
}

interrupted() {
    local pid
    for pid in $(jobs -p); do kill -INT -- "-$pid" 2>/dev/null || true; done
    wait
    exit 130
}
trap interrupted INT TERM
