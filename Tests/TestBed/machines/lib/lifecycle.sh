# shellcheck shell=bash
# Labs and machines come and go.

ensure_lab() {
    local owner
    command -v systemd-nspawn >/dev/null || die "systemd-nspawn is missing: run Tests/TestBed/prerequisites"
    mkdir -p "$RUN" "$LAB/machines"
    if owner=$(cat "$RUN/$PREFIX" 2>/dev/null) && [ "$owner" != "$LAB" ]; then
        die "lab '$PREFIX' is up already with its folder at $owner: choose another HOMELAB_LAB_PREFIX, or set HOMELAB_LAB to that folder"
    fi
    echo "$LAB" >"$RUN/$PREFIX"
    (
        flock 9
        raise_inotify_limit
        ensure_keys
        ensure_network
    ) 9>"$LAB/lock"
}

# Each systemd takes several inotify instances of the one root user, a kubelet some more: Linux's default of 128 is enough for four machines.
raise_inotify_limit() {
    local setting=/proc/sys/fs/inotify/max_user_instances value
    value=$(cat $setting)
    [ "$value" -lt 2048 ] || return 0
    [ -e "$RUN/inotify.before" ] || echo "$value" >"$RUN/inotify.before"
    echo 2048 >$setting
}

# Makes and starts machines side by side; each word is NAME or NAME:OPT=VAL,...
create_machines() { # SPEC...
    local spec name options names=() started=$EPOCHREALTIME jobs=() job failed=0
    ensure_lab
    for spec in "$@"; do
        name=${spec%%:*} options=()
        [ "$name" = "$spec" ] || IFS=, read -r -a options <<<"${spec#*:}"
        if machine_exists "$name"; then
            [ "${#options[@]}" = 0 ] || say "$name is there already and keeps its options"
        else
            register_machine "$name" "${options[@]}"
        fi
        names+=("$name")
    done
    for name in "${names[@]}"; do ensure_image "$(image_kind "$name")"; done
    kernel_modules >/dev/null
    for name in "${names[@]}"; do
        bring_up "$name" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || failed=$((failed + 1)); done
    [ $failed = 0 ] || die "$failed of ${#names[@]} did not come up"
    say "lab $PREFIX: ${#names[@]} up in $(seconds_since "$started") s; user $LAB_USER, key $(lab_keys)/id_ed25519, network: lab exec CMD"
}

bring_up() { # NAME
    local name=$1 before started=$EPOCHREALTIME
    [ -f "$(machine_folder "$name")/installed" ] || make_disk "$name"
    [ -z "$(supply_pid "$name")" ] || { say "$name $(fact "$name" ip) is on already"; return; }
    [ "$(option "$name" power on)" = on ] || { say "$name $(fact "$name" ip) is made, and off"; return; }
    before=$(boots "$name")
    take_turn_to_boot
    power_on "$name"
    wait_ready "$name" "$before"
    exec 9>&-
    say "$name $(fact "$name" ip):$(option "$name" port 22) ready in $(seconds_since "$started") s"
}

# Two machines for each processor boot at a time, of all labs together: with thirty at once each takes as long as all of them.
# The turn is held by file 9, until that is closed. Only the first in the line looks for a free place.
take_turn_to_boot() {
    local place places
    places=$((2 * $(nproc)))
    exec 8>"$CACHE/boots.lock"
    flock 8
    while true; do
        for ((place = 1; place <= places; place++)); do
            exec 9>"$CACHE/boot-$place.lock"
            ! flock -n 9 || break 2
        done
        sleep 0.1
    done
    exec 8>&-
}

lab_up() { # N|SPEC [SPEC...]
    local specs=() number=0 index spec
    [ $# -gt 0 ] || die "how many machines? 'lab up 3'"
    if [[ $1 =~ ^[0-9]+$ ]]; then number=$1 && shift; fi
    for ((index = 1; index <= number; index++)); do
        for spec in "$@"; do [ "${spec%%:*}" != "m$index" ] || break; done
        if [ "${spec:-}" ] && [ "${spec%%:*}" = "m$index" ]; then specs+=("$spec"); else specs+=("m$index"); fi
    done
    for spec in "$@"; do
        [[ " ${specs[*]%%:*} " = *" ${spec%%:*} "* ]] || specs+=("$spec")
    done
    [ ${#specs[@]} -gt 0 ] || die "how many machines? 'lab up 3'"
    create_machines "${specs[@]}"
}

lab_add() { # NAME [OPT=VAL|OPT=VAL,...]...
    local name=${1:-} options
    [ -n "$name" ] || die "which name shall it have? 'lab add m4'"
    ! machine_exists "$name" || die "there is a machine '$name' already"
    shift
    options=$(IFS=, && echo "$*")
    create_machines "$name${options:+:$options}"
}

lab_reinstall() { # NAME
    require_machine "${1:-}"
    local name=$1 was_on started=$EPOCHREALTIME
    was_on=$(supply_pid "$name")
    if [ -n "$was_on" ]; then
        pull_plug "$name"
        wait_off "$name" "$OFF_LIMIT" || die "$name did not go off within $OFF_LIMIT s"
    fi
    ensure_image "$(image_kind "$name")"
    make_disk "$name"
    say "$name has a fresh disk and new host keys"
    [ -z "$was_on" ] || bring_up "$name"
}

lab_down() { # [NAME...]
    local names=("$@") name pids=() started=$EPOCHREALTIME
    for name in "${names[@]}"; do require_machine "$name"; done
    if [ $# = 0 ]; then
        [ -d "$LAB" ] || [ -e "$RUN/$PREFIX" ] || [ -e "/run/netns/$LAB_NETNS" ] || { say "lab $PREFIX is not up"; return; }
        mapfile -t names < <(machine_names)
    fi
    for name in "${names[@]}"; do [ -z "$(supply_pid "$name")" ] || pull_plug "$name"; done
    for name in "${names[@]}"; do
        remove_machine "$name" &
        pids+=($!)
    done
    [ ${#pids[@]} = 0 ] || wait "${pids[@]}"
    [ $# != 0 ] || remove_lab
    say "${names[*]:-nothing} down after $(seconds_since "$started") s"
}

remove_machine() { # NAME
    local name=$1 groups=()
    wait_off "$name" 5 || kill -9 "$(supply_pid "$name")" 2>/dev/null || true
    mapfile -t groups < <(cat "$(machine_folder "$name")/cgroups" 2>/dev/null)
    remove_cgroups "${groups[@]}"
    unplug "$name"
    rm -rf --one-file-system "$(machine_folder "$name")"
}

# Also finds what an interrupted run left, by name: cgroups and network namespaces of this prefix belong to this lab.
remove_lab() {
    local groups=() netns
    mapfile -t groups < <(find "$CGROUPS" -type d -path "*/$PREFIX-machines/*" -prune 2>/dev/null)
    [ ${#groups[@]} = 0 ] || remove_cgroups "${groups[@]}"
    for netns in /run/netns/"$PREFIX"-*; do [ ! -e "$netns" ] || ip netns delete "${netns##*/}"; done
    rm -rf --one-file-system "$LAB"
    rm -f "$RUN/$PREFIX"
    if [ -e "$RUN/inotify.before" ] && [ "$(ls "$RUN")" = inotify.before ]; then
        cat "$RUN/inotify.before" >/proc/sys/fs/inotify/max_user_instances
        rm -f "$RUN/inotify.before"
    fi
    rmdir "$RUN" 2>/dev/null || true
}

lab_list() {
    local name power
    [ -e "$RUN/$PREFIX" ] || { say "lab $PREFIX is not up"; return; }
    for name in $(machine_names); do
        power=off
        [ -z "$(supply_pid "$name")" ] || power=on
        printf '%-12s %-15s %-4s boots %-3s %s\n' "$name" "$(fact "$name" ip):$(option "$name" port 22)" "$power" "$(boots "$name")" \
            "$(tr '\n' ' ' <"$(machine_folder "$name")/options")$([ ! -f "$(machine_folder "$name")/cut" ] || echo "cut: $(fact "$name" cut)")"
    done
}

lab_image() { # [KIND]
    ensure_image "${1:-bookworm}"
    image_root "${1:-bookworm}"
}
