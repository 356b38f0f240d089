# shellcheck shell=bash
# Sourced by tiers that run several commands, two at a time, as these wait more than they compute:
#   side_by_side NAME COMMAND…      in the background, when one of two has ended; what it prints is shown when it ends
#   all_ended                       waits for the rest; fails when one of them failed
# Each is in a process group of its own: Ctrl-C goes to all of them, and each takes away then what it made.
set -m
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
running=0 failed=0

side_by_side() {
    ((running < 2)) || one_ended
    shown "$@" &
    running=$((running + 1))
}

all_ended() {
    while ((running > 0)); do one_ended; done
    return $failed
}

one_ended() {
    wait -n || failed=1
    running=$((running - 1))
}

shown() {
    local name=$1 begin=$SECONDS result=ok
    shift
    "$@" >"$logs/$name" 2>&1 || result=FAILED
    printf -- '--- %s: %s\n%s\n--- %s: %s, %d s\n' "$name" "$*" "$(cat "$logs/$name")" "$name" "$result" $((SECONDS - begin))
    [[ $result == ok ]]
}

interrupted() {
    local pid
    for pid in $(jobs -p); do kill -INT -- "-$pid" 2>/dev/null || true; done
    wait
    exit 130
}
trap interrupted INT TERM
