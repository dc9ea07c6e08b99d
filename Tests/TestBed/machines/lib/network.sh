# shellcheck shell=bash
# The wires. One namespace per lab holds two bridges (the LAN, and one behind the first machine); each machine has a namespace of its own
# on a veth pair. A machine's namespace lives from power on to power off or reboot, so that nothing it set in it survives a boot.

in_lab() { nsenter --net="/run/netns/$LAB_NETNS" -- "$@"; }
port_of() { echo "v$(fact "$1" index)"; }

ensure_network() {
    [ ! -e "/run/netns/$LAB_NETNS" ] || return 0
    ip netns add "$LAB_NETNS"
    ip -n "$LAB_NETNS" -batch - <<END
link set lo up
link add br0 type bridge
link add br1 type bridge
link set br0 up
link set br1 up
addr add $LAN.1/24 dev br0
END
}

# Gives the machine a fresh network namespace on its switch port, as a boot of real hardware would.
plug_in() { # NAME
    local name=$1 netns index bridge=br0 gateway=$LAN.1
    netns=$(machine_netns "$name") index=$(fact "$name" index)
    [ "$(option "$name" net lan)" = lan ] || bridge=br1 gateway=$LAN_BEHIND.11
    unplug "$name"
    ip netns add "$netns"
    ip -n "$LAB_NETNS" -batch - <<END
link add v$index type veth peer name eth0 address $(printf '02:48:4c:00:%02x:%02x' $((index / 256)) $((index % 256))) netns $netns
link set v$index master $bridge up
END
    ip -n "$netns" -batch - <<END
link set lo up
addr add $(fact "$name" ip)/24 dev eth0
link set eth0 up
route add default via $gateway
END
    if [ "$index" = 1 ]; then
        ip -n "$LAB_NETNS" link add w1 type veth peer name eth1 netns "$netns"
        ip -n "$LAB_NETNS" link set w1 master br1 up
        ip -n "$netns" addr add "$LAN_BEHIND.11/24" dev eth1
        ip -n "$netns" link set eth1 up
    fi
    # a new namespace inherits the host's setting; a fresh Debian does not forward
    nsenter --net="/run/netns/$netns" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
    apply_cut "$name"
}

unplug() { # NAME
    local index
    index=$(fact "$1" index 2>/dev/null) || index=
    if [ -n "$index" ] && [ -e "/run/netns/$LAB_NETNS" ]; then
        # the pair goes at once with one end; left to the namespace it goes some time later, when the name is wanted again
        ip -n "$LAB_NETNS" link delete "v$index" 2>/dev/null || true
        [ "$index" != 1 ] || ip -n "$LAB_NETNS" link delete w1 2>/dev/null || true
    fi
    [ ! -e "/run/netns/$(machine_netns "$1")" ] || ip netns delete "$(machine_netns "$1")"
}

# Puts the machine's switch port into the state that was asked for last; a reboot does not mend a cable.
apply_cut() { # NAME
    local port cut
    port=$(port_of "$1")
    [ -f "$(machine_folder "$1")/cut" ] || return 0
    cut=$(fact "$1" cut)
    case $cut in
    cable) ip -n "$LAB_NETNS" link set "$port" down ;;
    drop) block_port "$1" ;;
    slow*) in_lab tc qdisc replace dev "$port" root tbf rate "${cut#slow }kbit" burst 32k latency 400ms ;;
    esac
}

# Packets vanish in both directions, the carrier stays: what a dead peer or a filtering router looks like.
block_port() { in_lab bridge link set dev "$(port_of "$1")" state 0; }

lab_cut() { # NAME [cable|drop|slow KBIT]
    require_machine "${1:-}"
    local name=$1 how=${2:-drop} folder
    folder=$(machine_folder "$name")
    case $how in
    cable | drop) ;;
    slow) [[ ${3:-} =~ ^[1-9][0-9]*$ ]] || die "a slow line needs its speed: lab cut $name slow KBIT" ;;
    *) die "cut what? cable, drop or slow KBIT, not '$how'" ;;
    esac
    [ ! -f "$folder/cut" ] || lab_mend "$name" >/dev/null
    echo "$how${3:+ $3}" >"$folder/cut"
    [ -z "$(supply_pid "$name")" ] || apply_cut "$name"
    say "$name is cut off: $how${3:+ $3 kbit/s}"
}

lab_mend() { # NAME
    require_machine "${1:-}"
    local port
    port=$(port_of "$1")
    rm -f "$(machine_folder "$1")/cut"
    if [ -n "$(supply_pid "$1")" ]; then
        in_lab tc qdisc delete dev "$port" root 2>/dev/null || true
        ip -n "$LAB_NETNS" link set "$port" up
        in_lab bridge link set dev "$port" state 3 2>/dev/null || true
        # An address that was asked for in vain is asked for again only after a second.
        in_lab ip neigh flush dev br0 2>/dev/null || true
    fi
    say "$1 is connected again"
}
