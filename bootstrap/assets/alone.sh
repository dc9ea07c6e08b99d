# One thing at a time: what a run began on this machine goes on when the run is stopped or cut off, and must not meet the next one. Shell
# functions in front of other scripts, for dash, bash and busybox ash. A machine without flock goes without.
work=/run/homelab-work.lock
has() { command -v "$1" >/dev/null 2>&1; }

# Who is at work: PID (COMMAND), with commas between. Children hold the lock as well.
workers() {
    comma=
    for pid in $(ls -l /proc/[0-9]*/fd 2>/dev/null |
        awk -F / -v end=" -> $work" '/^\/proc\// { pid = $3 } substr($0, length($0) - length(end) + 1) == end { print pid }' | sort -un); do
        words=$({ tr '\0\n' '  ' <"/proc/$pid/cmdline" | cut -c 1-60; } 2>/dev/null)
        [ -n "$words" ] || continue
        printf '%s%s (%s)' "$comma" "$pid" "${words% }"
        comma=', '
    done
}

# Fails with 75 and says who is, when somebody is at work.
idle() {
    [ -e "$work" ] && has flock || return 0
    flock -n "$work" true && return 0
    workers
    return 75
}

# Waits until nobody is at work, for so many seconds, and says who is; then keeps others waiting until this process and its children end.
alone() {
    has flock || return 0
    tries=0 told=
    while exec 9>>"$work" && ! flock -n 9; do
        # Held open, it would be this one's as well.
        exec 9>&-
        who=$(workers)
        if [ "$tries" -ge "$1" ]; then
            echo "what was begun here before has not ended: process $who; end it (kill -9), then run again" >&2
            return 1
        fi
        [ -z "$who" ] || [ "$who" = "$told" ] || echo "waits for what was begun here before: process $who"
        told=$who
        tries=$((tries + 1))
        sleep 1
    done
}

