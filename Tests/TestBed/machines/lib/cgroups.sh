# shellcheck shell=bash
# Each machine has a cgroup of its own in every hierarchy, below the one its supply was started in, so that what limits or counts the caller
# still holds. Two children, because version 2 allows no process beside children with controllers: "supply" for the power supply,
# "machine" for everything inside.

CGROUPS=/sys/fs/cgroup

enter_cgroups() { # NAME; moves this shell, and notes the folders it made
    local name=$1 id controllers path
    : >"$(machine_folder "$name")/cgroups"
    while IFS=: read -r id controllers path; do
        enter_hierarchy "$name" "$(hierarchy_of "$id" "$controllers")" "$path"
    done <<<"$(cat /proc/self/cgroup)"
}

# The mount of one line of /proc/self/cgroup. Version 2 is the whole of /sys/fs/cgroup, or its folder "unified" beside version 1.
hierarchy_of() { # ID CONTROLLERS
    if [ "$1" != 0 ]; then
        echo "$CGROUPS/${2#name=}"
    elif [ -e "$CGROUPS/cgroup.controllers" ]; then
        echo "$CGROUPS"
    else
        echo "$CGROUPS/unified"
    fi
}

enter_hierarchy() { # NAME HIERARCHY PATH
    local name=$1 base=${2%/}${3%/} level
    [ -d "$base" ] || base=$2
    [ -d "$base" ] || return 0
    local mine=$base/$PREFIX-machines/$name
    mkdir -p "$mine/supply" "$mine/machine" || return 0
    echo "$mine" >>"$(machine_folder "$name")/cgroups"
    if [ -e "$mine/cpuset.cpus" ] && [ ! -e "$mine/cgroup.controllers" ]; then # version 1: empty until filled
        for level in "$base/$PREFIX-machines" "$mine" "$mine/supply" "$mine/machine"; do
            cat "$level/../cpuset.cpus" >"$level/cpuset.cpus"
            cat "$level/../cpuset.mems" >"$level/cpuset.mems"
        done
    fi
    echo $$ >"$mine/supply/cgroup.procs"
    if [ -e "$mine/cgroup.controllers" ]; then
        for level in "$base" "$base/$PREFIX-machines" "$mine"; do hand_down_controllers "$level"; done
    fi
}

# Best effort: a version 2 group that still holds processes of somebody else cannot hand controllers down.
hand_down_controllers() { # GROUP
    local controller controllers
    read -r -a controllers <"$1/cgroup.controllers"
    for controller in "${controllers[@]}"; do
        echo "+$controller" >"$1/cgroup.subtree_control" || echo "no $controller controller for machines: $1 has processes of its own"
    done 2>/dev/null
}

limit_memory() { # NAME SIZE
    local group
    while read -r group; do
        if [ -e "$group/machine/memory.max" ]; then
            echo "$2" >"$group/machine/memory.max"
        elif [ -e "$group/machine/memory.limit_in_bytes" ]; then
            echo "$2" >"$group/machine/memory.limit_in_bytes"
        fi
    done <"$(machine_folder "$1")/cgroups"
}

# Moves this process to where the machine lives, without what an earlier boot left there.
enter_machine_cgroups() { # NAME
    local group
    while read -r group; do
        find "$group/machine" -mindepth 1 -depth -type d -delete 2>/dev/null || true
        echo $BASHPID >"$group/machine/cgroup.procs"
    done <"$(machine_folder "$1")/cgroups"
}

# Ends whatever still runs in the groups of a machine and removes them: the groups know every process, also one that nobody remembers.
remove_cgroups() { # GROUP...
    local group round pids
    for group in "$@"; do
        [ -d "$group" ] || continue
        for round in 1 2 3 4 5 6 7 8; do
            mapfile -t pids < <(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null)
            [ ${#pids[@]} = 0 ] || kill -9 "${pids[@]}" 2>/dev/null || true
            find "$group" -depth -type d -delete 2>/dev/null && break
            sleep "0.0$round" # a group is busy for a moment after its last process
        done
        rmdir "${group%/*}" 2>/dev/null || true # the lab's own, with its last machine
    done
}
