# shellcheck shell=bash disable=SC2034 # used by the other files
# Names, places and small words shared by the lab and the processes it starts.

PREFIX=${HOMELAB_LAB_PREFIX:-hl}
LAB=${HOMELAB_LAB:-${XDG_STATE_HOME:-$HOME/.local/state}/homelab-lab/$PREFIX}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/homelab/machines
RUN=/run/homelab-lab     # one file per lab that is up, and the host setting that labs raise
LAB_NETNS=$PREFIX-lab    # where the test client runs
LAN=10.77.0              # exists in the lab's own network namespaces only
LAN_BEHIND=10.77.1       # reachable through the first machine alone
LAB_USER=debian
USER_PASSWORD=homelab-debian
ROOT_PASSWORD=homelab-root
export HOMELAB_LAB=$LAB HOMELAB_LAB_PREFIX=$PREFIX

DIED=64                  # exit status of a failure that was explained

say() { echo "$*"; }
die() {
    echo "lab: $*" >&2
    exit $DIED
}

require_root() { [ "$(id -u)" = 0 ] || die "'$1' makes network namespaces and mounts: run it as root"; }

[[ $PREFIX =~ ^[a-z][a-z0-9]{0,7}$ ]] || die "HOMELAB_LAB_PREFIX '$PREFIX' must be 1 to 8 lower-case letters and digits"

seconds_since() { # EPOCHREALTIME value
    local now=$EPOCHREALTIME hundredths
    hundredths=$(((${now/./} - ${1/./}) / 10000))
    printf '%d.%02d' $((hundredths / 100)) $((hundredths % 100))
}

machine_folder() { echo "$LAB/machines/$1"; }
machine_netns() { echo "$PREFIX-$1"; }
machine_names() { [ ! -d "$LAB/machines" ] || find "$LAB/machines" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort -V; }
machine_exists() { [ -f "$LAB/machines/$1/options" ]; }

require_machine() { # NAME
    [ -n "${1:-}" ] || die "which machine? 'lab list' names them"
    machine_exists "$1" || die "there is no machine '$1' in lab '$PREFIX': 'lab list' names them, 'lab add $1' makes it"
}

# The value of a machine's option, or the default.
option() { # NAME KEY [DEFAULT]
    local line
    while IFS= read -r line; do
        [[ $line != "$2="* ]] || { echo "${line#*=}"; return; }
    done <"$LAB/machines/$1/options"
    echo "${3:-}"
}

fact() { cat "$LAB/machines/$1/$2"; } # NAME FILE: what the lab gave this machine (ip, index)
