# shellcheck shell=bash
# Power on, off and reboot. A machine runs below its "supply", a process that starts a boot after each reboot and ends when the machine is off.

BOOT_LIMIT=90 # seconds until a machine that does not open SSH counts as failed
OFF_LIMIT=60  # seconds until a machine that does not power itself off counts as hung

# When a process started, so that a number used again by another one does not fool anybody. A zombie counts as gone: not every host's PID 1
# collects orphans at once.
start_ticks() { # PID
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    read -r -a fields <<<"${stat##*) }" # a program's name may hold blanks: count after it
    [ "${fields[0]}" != Z ] && echo "${fields[19]}"
}

# The supply's process while the machine is powered, otherwise nothing.
supply_pid() { # NAME
    local pid ticks
    read -r pid ticks 2>/dev/null <"$LAB/machines/$1/supply" || return 0
    [ "$(start_ticks "$pid")" != "$ticks" ] || echo "$pid"
}

# The machine's PID 1 as the host sees it, otherwise nothing.
init_pid() { # NAME
    local supply boot child status
    supply=$(supply_pid "$1")
    [ -n "$supply" ] || return 0
    for boot in $(children "$supply"); do
        for child in $(children "$boot"); do
            { status=$(<"/proc/$child/status"); } 2>/dev/null || continue
            [[ ! $status =~ NSpid:[0-9[:space:]]*[[:space:]]1$'\n' ]] || { echo "$child"; return; }
        done
    done
}

children() { { echo "$(<"/proc/$1/task/$1/children")"; } 2>/dev/null || true; }
boots() { cat "$LAB/machines/$1/boots" 2>/dev/null || echo 0; }

# Runs a command inside a machine that is on, as its root, without SSH.
inside() { # NAME CMD...
    local init
    init=$(init_pid "$1")
    [ -n "$init" ] || die "$1 is off"
    shift
    nsenter --target "$init" --mount --uts --ipc --net --pid --root --wd -- "$@"
}

# Writes a file of a machine from standard input, on or off. In place and never shorter: running programs may have it mapped.
write_file() { # NAME PATH
    # shellcheck disable=SC2016 # for the shell inside
    local write='mkdir -p "${1%/*}" && dd of="$1" bs=64k conv=notrunc status=none'
    if [ -n "$(init_pid "$1")" ]; then
        inside "$1" sh -c "$write" sh "$2"
    else
        sh -c "$write" sh "$(machine_folder "$1")/upper$2"
    fi
}

# Starts the supply; the machine boots on its own from here.
power_on() { # NAME
    local name=$1 folder pid scope=()
    folder=$(machine_folder "$name")
    # under systemd a scope of its own keeps the machine when the caller's session ends, and may divide its cgroup
    [ ! -d /run/systemd/system ] || scope=(systemd-run --quiet --scope --collect --unit="homelab-lab-$PREFIX-$name" --property=Delegate=yes --)
    : >"$folder/console.log"
    setsid "${scope[@]}" "$MACHINES/supply" "$name" </dev/null >"$folder/supply.log" 2>&1 9>&- &
    pid=$!
    disown
    echo "$pid $(start_ticks "$pid" || echo gone)" >"$folder/supply"
}

# Waits until SSH accepts ordinary users in boot number AFTER + 1 or a later one. Asks the kernel about the machine instead of connecting:
# a probe would stand in the machine's log, and a machine may be cut off. Starts no process in the loop: many machines may boot at once.
wait_ready() { # NAME AFTER
    local name=$1 after=$2 started=$EPOCHREALTIME init='' port_hex
    printf -v port_hex '%04X' "$(option "$name" port 22)"
    until [ -n "$init" ] && is_ready "$init" "$port_hex"; do
        sleep 0.04
        [ "$((${EPOCHREALTIME%.*} - ${started%.*}))" -lt $BOOT_LIMIT ] || boot_failed "$name" "did not open SSH within $BOOT_LIMIT s"
        [ -z "$init" ] || [ ! -d "/proc/$init" ] || continue
        [ -n "$(supply_pid "$name")" ] || boot_failed "$name" "went off while booting"
        [ "$(boots "$name")" -le "$after" ] || init=$(init_pid "$name")
    done
}

# While /run/nologin is there, systemd still lets only root in.
is_ready() { # INIT PORT_IN_HEX
    local sockets sockets6
    { [ -d "/proc/$1/root/run/systemd/units" ] || [ -e "/proc/$1/root/run/openrc/softlevel" ]; } && [ ! -e "/proc/$1/root/run/nologin" ] || return 1
    { mapfile -t sockets <"/proc/$1/net/tcp" && mapfile -t sockets6 <"/proc/$1/net/tcp6"; } 2>/dev/null || return 1
    [[ "${sockets[*]} ${sockets6[*]}" =~ :$2\ 0+:0000\ 0A ]] # 0A: listening
}

boot_failed() { # NAME WHAT
    local folder
    folder=$(machine_folder "$1")
    die "$1 $2: $(tail -q -n 3 "$folder/supply.log" "$folder/console.log" | tr -s '\n' ' ')(more in $folder/console.log; 'lab down $1' removes it)"
}

wait_off() { # NAME SECONDS; false when it is still on
    local started=$EPOCHREALTIME
    while [ -n "$(supply_pid "$1")" ]; do
        [ "$((${EPOCHREALTIME%.*} - ${started%.*}))" -lt "$2" ] || return 1
        sleep 0.02
    done
}

# Pulls the plug: nothing inside is told or flushed.
pull_plug() { # NAME
    local init
    init=$(init_pid "$1")
    # first the line: otherwise the host's kernel would close the dead machine's connections politely
    block_port "$1" 2>/dev/null || true
    if [ -n "$init" ]; then kill -9 "$init"; else kill -9 -- "-$(supply_pid "$1")" 2>/dev/null || true; fi
}

# As an operator would from outside: systemd's own signals for poweroff.target and reboot.target; sysvinit hears from its own program.
ask_init() { # NAME poweroff|reboot PID
    case $(option "$1" init systemd)/$2 in
    openrc/poweroff) inside "$1" shutdown -h -P now ;;
    openrc/reboot) inside "$1" shutdown -r now ;;
    */poweroff) kill -s RTMIN+4 "$3" ;;
    */reboot) kill -s RTMIN+5 "$3" ;;
    esac
}

lab_on() { # NAME
    require_machine "${1:-}"
    local started=$EPOCHREALTIME before
    [ -z "$(supply_pid "$1")" ] || { say "$1 is on already"; return; }
    before=$(boots "$1")
    power_on "$1"
    wait_ready "$1" "$before"
    say "$1 is on, SSH after $(seconds_since "$started") s"
}

lab_off() { # NAME [hard]
    require_machine "${1:-}"
    local name=$1 init started=$EPOCHREALTIME
    init=$(init_pid "$name")
    [ -n "$(supply_pid "$name")" ] || { say "$name is off already"; return; }
    if [ "${2:-}" = hard ]; then
        pull_plug "$name"
    else
        [ -n "$init" ] || die "$name is between two boots: try again, or 'lab off $name hard'"
        ask_init "$name" poweroff "$init"
    fi
    wait_off "$name" "$OFF_LIMIT" || die "$name did not power off within $OFF_LIMIT s: 'lab off $name hard' pulls the plug"
    say "$name is off after $(seconds_since "$started") s"
}

lab_reboot() { # NAME [hard]
    require_machine "${1:-}"
    local name=$1 init before started=$EPOCHREALTIME
    init=$(init_pid "$name")
    [ -n "$init" ] || die "$name is off: 'lab on $name' starts it"
    before=$(boots "$name")
    if [ "${2:-}" = hard ]; then
        pull_plug "$name"
        wait_off "$name" "$OFF_LIMIT" || die "$name did not go off within $OFF_LIMIT s"
        power_on "$name"
    else
        ask_init "$name" reboot "$init"
    fi
    while [ -d "/proc/$init" ]; do sleep 0.02; done
    say "$name is down after $(seconds_since "$started") s"
    wait_ready "$name" "$before"
    say "$name is back, SSH after $(seconds_since "$started") s"
}
