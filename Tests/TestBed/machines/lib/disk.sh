# shellcheck shell=bash
# A machine's disk: a layer over the shared image, holding what an installer would have written, and a /var/lib that is a real folder,
# because the overlays of a container runtime cannot lie on an overlay.

OPTIONS="suite init firewall extras port auth root sudo keys hostkeys shell banner net mem containers unified power"

lab_keys() { echo "$LAB/keys"; }

# The operator's keys: one of each type, and a stranger's that no machine accepts.
ensure_keys() {
    local keys type
    keys=$(lab_keys)
    [ ! -f "$keys/complete" ] || return 0
    mkdir -p "$keys"
    chmod 700 "$keys"
    for type in ed25519 ecdsa rsa; do make_key "$type" "lab-$PREFIX" "$keys/id_$type" & done
    make_key ed25519 stranger "$keys/stranger_ed25519" &
    wait
    touch "$keys/complete"
}

make_key() { # TYPE COMMENT FILE
    [ -f "$3" ] || ssh-keygen -q -t "$1" -N '' -C "$2" -f "$3"
}

# Checks OPT=VAL words and prints them one a line.
checked_options() { # NAME WORD...
    local name=$1 word key value valid
    shift
    for word in "$@"; do
        key=${word%%=*} value=${word#*=}
        [[ $word = *=* && " $OPTIONS " = *" $key "* ]] || die "$name: unknown option '$word': options are $OPTIONS"
        case $key in
        suite) valid=${IMAGE_SUITES// /|} ;;
        port | unified | containers | extras) valid='[0-9]+' ;;
        init) valid='systemd|openrc' ;;
        firewall) valid='none|ufw|firewalld|nftables' ;;
        auth) valid='both|key|password|kbd' ;;
        root) valid='key|no|password' ;;
        sudo) valid='nopass|pass|tty|none' ;;
        keys) valid='lab|none' ;;
        hostkeys) valid='all|(ed25519|ecdsa|rsa)(\+(ed25519|ecdsa|rsa))*' ;;
        shell) valid='/.+' ;;
        net) valid='lan|behind' ;;
        mem) valid='[0-9]+[KMG]?' ;;
        power) valid='on|off' ;;
        *) valid='.*' ;;
        esac
        [[ $value =~ ^($valid)$ ]] || die "$name: $key=$value is not one of: $valid"
        echo "$word"
    done
}

# Gives a new machine its folder, number and address. One at a time: two calls must not take the same number.
register_machine() { # NAME OPT=VAL...
    local name=$1 folder index options lan=$LAN
    [[ $name =~ ^[a-z][a-z0-9-]{0,30}$ && $name != lab ]] ||
        die "'$name' is no machine name: lower-case letters, digits and '-', beginning with a letter"
    options=$(checked_options "$@")
    folder=$(machine_folder "$name")
    mkdir -p "$LAB/machines"
    (
        flock 9
        index=$(free_index "$name")
        [[ $index != 1 || $options != *net=behind* ]] || die "$name: net=behind needs a first machine to stand behind"
        mkdir "$folder"
        [[ $options != *net=behind* ]] || lan=$LAN_BEHIND
        echo "$index" >"$folder/index"
        echo "$lan.$((10 + index))" >"$folder/ip"
        echo "$options" >"$folder/options"
    ) 9>"$LAB/lock"
}

free_index() { # NAME; mK gets K when it is free
    local taken index
    taken=" $(find "$LAB/machines" -mindepth 2 -maxdepth 2 -name index -exec cat {} + | tr '\n' ' ')"
    index=${1#m}
    if ! [[ $index =~ ^[1-9][0-9]{0,2}$ ]] || [ "$index" -gt 240 ] || [[ $taken = *" $index "* ]]; then
        index=1
        while [[ $taken = *" $index "* ]]; do index=$((index + 1)); done
        [ "$index" -le 240 ] || die "a lab has room for 240 machines"
    fi
    echo "$index"
}

# Writes a fresh disk, removing any earlier one.
make_disk() { # NAME
    local name=$1 folder upper image
    folder=$(machine_folder "$name") upper=$folder/upper
    image=$(image_root "$(image_kind "$name")")
    rm -rf --one-file-system "$folder/installed" "$upper" "$folder/work" "$folder/disk"
    echo "$image" >"$folder/image" # a disk stays on its image, also when the recipe changes under a running lab
    mkdir -p "$folder/root" "$folder/work" "$upper" "$folder/disk"
    cp -a "$image/var/lib" "$folder/disk/"
    mkdir -p "$upper/etc/ssh/sshd_config.d" "$upper/etc/sudoers.d" "$upper/home/$LAB_USER/.ssh" "$upper/root/.ssh"
    chmod --reference="$image/root" "$upper/root"
    chmod --reference="$image/etc/sudoers.d" "$upper/etc/sudoers.d"
    chmod --reference="$image/home/$LAB_USER" "$upper/home/$LAB_USER"
    chmod 700 "$upper/root/.ssh" "$upper/home/$LAB_USER/.ssh"

    tr -d - </proc/sys/kernel/random/uuid >"$upper/etc/machine-id"
    echo "$name" >"$upper/etc/hostname"
    printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$name" >"$upper/etc/hosts"
    sed "s#^\($LAB_USER:.*:\)[^:]*\$#\1$(option "$name" shell /bin/bash)#" "$image/etc/passwd" >"$upper/etc/passwd"
    sudoers "$(option "$name" sudo nopass)" >"$upper/etc/sudoers.d/$LAB_USER"
    chmod 440 "$upper/etc/sudoers.d/$LAB_USER"
    if [ "$(option "$name" keys lab)" = lab ]; then
        cat "$(lab_keys)"/id_*.pub >"$upper/root/.ssh/authorized_keys"
    else
        : >"$upper/root/.ssh/authorized_keys"
    fi
    cp "$upper/root/.ssh/authorized_keys" "$upper/home/$LAB_USER/.ssh/"
    chown -R 1000:1000 "$upper/home/$LAB_USER"
    make_host_keys "$name"
    sshd_settings "$name" >"$upper/etc/ssh/sshd_config.d/00-lab.conf"
    switch_on_firewall "$(option "$name" firewall none)" "$upper"
    [ -z "$(option "$name" banner)" ] || option "$name" banner >"$upper/etc/issue.net"
    touch "$folder/installed"
}

# A firewall that lets nothing in but SSH, from the first boot on.
switch_on_firewall() { # KIND UPPER
    local wants=$2/etc/systemd/system/multi-user.target.wants
    [ "$1" != none ] || return 0
    mkdir -p "$wants" "$2/etc/ufw"
    case $1 in
    ufw) printf 'ENABLED=yes\nLOGLEVEL=low\n' >"$2/etc/ufw/ufw.conf" ;;
    firewalld) ln -s /lib/systemd/system/firewalld.service "$wants/" ;;
    nftables)
        install -m 755 "$MACHINES/image-extras/nftables.conf" "$2/etc/nftables.conf"
        ln -s /lib/systemd/system/nftables.service "$wants/"
        ;;
    esac
}

sudoers() { # KIND
    case $1 in
    nopass) echo "$LAB_USER ALL=(ALL:ALL) NOPASSWD:ALL" ;;
    pass) echo "$LAB_USER ALL=(ALL:ALL) ALL" ;;
    tty) printf 'Defaults requiretty\n%s ALL=(ALL:ALL) NOPASSWD:ALL\n' "$LAB_USER" ;;
    none) ;;
    esac
}

host_key_types() { # NAME
    case $(option "$1" hostkeys ed25519) in
    all) echo ed25519 ecdsa rsa ;;
    *) option "$1" hostkeys ed25519 | tr '+' ' ' ;;
    esac
}

make_host_keys() { # NAME
    local type folder
    folder=$(machine_folder "$1")
    for type in $(host_key_types "$1"); do make_key "$type" "root@$1" "$folder/upper/etc/ssh/ssh_host_${type}_key"; done
}

# A drop-in that Debian's sshd_config reads before its own lines: the first value wins.
sshd_settings() { # NAME
    local type
    for type in $(host_key_types "$1"); do echo "HostKey /etc/ssh/ssh_host_${type}_key"; done
    echo "Port $(option "$1" port 22)"
    case $(option "$1" auth both) in
    both) echo "PasswordAuthentication yes" ;;
    key) echo "PasswordAuthentication no" ;;
    password) printf 'PasswordAuthentication yes\nPubkeyAuthentication no\n' ;;
    kbd) printf 'PasswordAuthentication no\nPubkeyAuthentication no\nKbdInteractiveAuthentication yes\n' ;;
    esac
    case $(option "$1" root key) in
    key) echo "PermitRootLogin prohibit-password" ;;
    no) echo "PermitRootLogin no" ;;
    password) echo "PermitRootLogin yes" ;;
    esac
    [ -z "$(option "$1" banner)" ] || echo "Banner /etc/issue.net"
}
