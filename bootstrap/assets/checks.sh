# Prints what `homelab preflight` wants to know of a machine beyond its facts, one `key=value` a line, between "homelab-checks 1" and
# "end". Runs as root under dash, bash and busybox ash; reads only. $registries is set in front of it: where images come from, as URLs.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }

# The disk k3s will write to, which may be mounted or linked to anywhere below, and whether it turns.
disk() {
    d=/var/lib/rancher/k3s/server/db
    while [ ! -e "$d" ]; do d=${d%/*}; [ -n "$d" ] || d=/; done
    source=$(df -P "$d" 2>/dev/null | awk 'NR == 2 { print $1 }')
    # Names of LVM and of encrypted disks are links to /dev/dm-N, which stands on other devices.
    case $source in /dev/mapper/*) source=$(readlink -f "$source") ;; esac
    name=${source#/dev/}
    while [ -d "/sys/block/$name/slaves" ]; do
        below=
        for s in "/sys/block/$name/slaves"/*; do [ -e "$s" ] && below=${s##*/} && break; done
        [ -n "$below" ] || break
        name=$below
    done
    while [ -n "$name" ] && [ ! -e "/sys/block/$name" ]; do
        case $name in
        *p[0-9] | *p[0-9][0-9]) name=${name%p*} ;;
        *[0-9]) name=${name%[0-9]} ;;
        *) return 0 ;;
        esac
    done
    [ -n "$name" ] && say disk "$name $(cat "/sys/block/$name/queue/rotational" 2>/dev/null)"
}

limited() { if has timeout; then timeout "$@"; else shift; "$@"; fi; }

# Whether a registry answers; whatever it answers is enough.
answers() {
    if has curl; then
        limited 10 curl -s -k -o /dev/null --connect-timeout 5 --max-time 8 "$1/v2/" && return 0
    elif has wget; then
        said=$(limited 10 wget -T 5 -O /dev/null --no-check-certificate "$1/v2/" 2>&1) && return 0
        # 8 is GNU's for an answer that says no; busybox tells it in words.
        [ $? != 8 ] || return 0
        case $said in *HTTP/*) return 0 ;; esac
    else
        return 0
    fi
    say unreachable "$1"
}

echo 'homelab-checks 1'
disk
[ -r /proc/sys/kernel/keys/root_maxkeys ] && say root-maxkeys "$(cat /proc/sys/kernel/keys/root_maxkeys)"
has iptables && say iptables "$(iptables --version 2>/dev/null)"
say nameservers "$(grep -c '^nameserver' /etc/resolv.conf 2>/dev/null)"
for r in ${registries:-}; do
    name=${r#*://} name=${name%%/*} name=${name%:*}
    case $name in
    *[!0-9.]*)
        [ "${name#[}" = "$name" ] || { answers "$r"; continue; }
        grep -q '^nameserver' /etc/resolv.conf 2>/dev/null && has getent || continue
        if limited 5 getent hosts "$name" >/dev/null 2>&1; then answers "$r"; else say unresolved "$name"; fi ;;
    *) answers "$r" ;;
    esac
done
awk '$1 == "SwapTotal:" && $2 > 0 { print "swap=" int($2 / 1024) }' /proc/meminfo
[ -e /run/reboot-needed ] && say reboot-required yes
if [ -d /lib/modules ] && [ ! -d "/lib/modules/$(uname -r)" ] && [ -n "$(ls /lib/modules)" ]; then say kernel-replaced "$(uname -r)"; fi
if has nmcli && [ "$(limited 5 nmcli -t -f RUNNING general 2>/dev/null)" = running ]; then
    grep -qs '^unmanaged-devices=.*flannel' /etc/NetworkManager/NetworkManager.conf /etc/NetworkManager/conf.d/*.conf \
        /usr/lib/NetworkManager/conf.d/*.conf || say network-manager unaware
fi
[ -e /run/reboot-required ] && say reboot-required yes
[ -e /var/run/reboot-required ] && [ ! -e /run/reboot-required ] && say reboot-required yes
for p in /proc/[0-9]*/comm; do
    read -r name 2>/dev/null <"$p" || continue
    case $name in
    apt | apt-get | dpkg | dnf | dnf-3 | dnf5 | dnf-automatic | yum | zypper | apk | rpm) say package-manager "$name" ;;
    # Of Ubuntu's, one waits all the time for a shutdown.
    unattended-upgr) grep -q shutdown "${p%comm}cmdline" 2>/dev/null || say package-manager "$name" ;;
    esac
done
# Files that k3s reads after its config.yaml, and that are not homelab's.
for f in /etc/rancher/k3s/config.yaml.d/*.yaml /etc/rancher/k3s/config.yaml.d/*.yml; do
    case $f in */homelab-*) ;; *) [ -f "$f" ] && say drop-in "$f" ;; esac
done
if has systemctl && [ "$(systemctl is-enabled nm-cloud-setup.service 2>/dev/null)" = enabled ]; then say nm-cloud-setup enabled; fi
path=$(grep -hs '^[^#]*secure_path' /etc/sudoers /etc/sudoers.d/* | tail -n 1)
[ -n "$path" ] && say secure-path "$path"
echo end
