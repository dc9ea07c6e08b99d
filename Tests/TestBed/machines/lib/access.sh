# shellcheck shell=bash
# Ways in, and what an inventory says of a machine.

lab_ip() { require_machine "${1:-}" && fact "$1" ip; }

lab_hostkey() { # NAME [TYPE]
    require_machine "${1:-}"
    local type=${2:-} file
    [ -n "$type" ] || read -r type _ <<<"$(host_key_types "$1")"
    file=$(machine_folder "$1")/upper/etc/ssh/ssh_host_${type}_key.pub
    [ -f "$file" ] || die "$1 has no $type host key: it has $(host_key_types "$1")"
    cut -d ' ' -f 1,2 "$file"
}

lab_authorize() { # NAME FILE|- [USER]
    require_machine "${1:-}"
    local name=$1 file=${2:-} user=${3:-$LAB_USER} key target
    [ "$file" = - ] || [ -r "$file" ] || die "authorize $name: no public key file '$file' ('-' reads it from standard input)"
    key=$(cat -- "${file/#-/\/dev\/stdin}")
    ssh-keygen -l -f - <<<"$key" >/dev/null 2>&1 || die "authorize $name: '$file' holds no public key"
    case $user in
    root) target=/root/.ssh/authorized_keys ;;
    "$LAB_USER") target=/home/$user/.ssh/authorized_keys ;;
    *) die "authorize $name: users are $LAB_USER and root" ;;
    esac
    if [ -n "$(init_pid "$name")" ]; then
        inside "$name" tee -a "$target" <<<"$key" >/dev/null
    else
        echo "$key" >>"$(machine_folder "$name")/upper$target"
    fi
    say "$name accepts $(ssh-keygen -l -f - <<<"$key" | cut -d ' ' -f 2-) for $user"
}

lab_ssh() { # NAME [USER] [-- CMD...]
    require_machine "${1:-}"
    local name=$1 user=$LAB_USER folder options jump
    shift
    if [ $# -gt 0 ] && [ "$1" != -- ]; then user=$1 && shift; fi
    [ "${1:-}" != -- ] || shift
    folder=$(machine_folder "$name")
    sed "s/^/$name /" "$folder"/upper/etc/ssh/ssh_host_*_key.pub >"$folder/known_hosts"
    # The default key exchange takes a hundred times as long.
    options=(-o KexAlgorithms=curve25519-sha256 -i "$(lab_keys)/id_ed25519" -p "$(option "$name" port 22)" -o HostKeyAlias="$name" -o UserKnownHostsFile="$folder/known_hosts"
        -o BatchMode=yes -o IdentitiesOnly=yes -o LogLevel=ERROR -o ConnectTimeout=5)
    if [ "$(option "$name" net lan)" = behind ]; then
        jump="ssh -F none -i '$(lab_keys)/id_ed25519' -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        options+=(-o ProxyCommand="$jump -o LogLevel=ERROR -W %h:%p $LAB_USER@$LAN.11")
    fi
    exec nsenter --net="/run/netns/$LAB_NETNS" -- ssh -F none "${options[@]}" "$user@$(fact "$name" ip)" "$@"
}

lab_run() { # NAME CMD
    require_machine "${1:-}"
    local init
    init=$(init_pid "$1")
    [ -n "$init" ] || die "$1 is off"
    [ -e "/proc/$init/root/run/sshd.pid" ] || die "$1 does not take logins yet"
    exec -c /usr/bin/nsenter --target "$init" --mount --uts --ipc --net --pid --root --wd -- \
        /bin/bash -c "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LOGNAME=root; cd; $2"
}

lab_exec() { # CMD...
    [ $# -gt 0 ] || die "exec what? 'lab exec ping -c 1 $LAN.11'"
    [ -e "/run/netns/$LAB_NETNS" ] || die "lab '$PREFIX' is not up: 'lab up 3' starts it"
    exec nsenter --net="/run/netns/$LAB_NETNS" -- "$@"
}
