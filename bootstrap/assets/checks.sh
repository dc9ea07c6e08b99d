# Prints what `homelab preflight` wants to know of a machine beyond its facts, one `key=value` a line, between "homelab-checks 1" and
# "end". Runs as root under dash, bash and busybox ash; reads only.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }

# The disk k3s will write to, and whether it turns.
disk() {
    d=/var/lib/rancher
    while [ ! -e "$d" ]; do d=${d%/*}; [ -n "$d" ] || d=/; done
    source=$(df -P "$d" 2>/dev/null | awk 'NR == 2 { print $1 }')
    name=${source#/dev/}
    while [ -n "$name" ] && [ ! -e "/sys/block/$name" ]; do
        case $name in
        *p[0-9] | *p[0-9][0-9]) name=${name%p*} ;;
        *[0-9]) name=${name%[0-9]} ;;
        *) return 0 ;;
        esac
    done
    [ -n "$name" ] && say disk "$name $(cat "/sys/block/$name/queue/rotational" 2>/dev/null)"
}

echo 'homelab-checks 1'
disk
[ -r /proc/sys/kernel/keys/root_maxkeys ] && say root-maxkeys "$(cat /proc/sys/kernel/keys/root_maxkeys)"
has iptables && say iptables "$(iptables --version 2>/dev/null)"
say nameservers "$(grep -c '^nameserver' /etc/resolv.conf 2>/dev/null)"
limited() { if has timeout; then timeout "$@"; else shift; "$@"; fi; }
if grep -q '^nameserver' /etc/resolv.conf 2>/dev/null && has getent; then
    limited 5 getent hosts registry-1.docker.io >/dev/null 2>&1 || say unresolved registry-1.docker.io
fi
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
    case $name in apt | apt-get | dpkg | dnf | yum | zypper | apk | rpm | unattended-upgr) say package-manager "$name" ;; esac
done
if has systemctl && [ "$(systemctl is-enabled nm-cloud-setup.service 2>/dev/null)" = enabled ]; then say nm-cloud-setup enabled; fi
path=$(grep -hs '^[^#]*secure_path' /etc/sudoers /etc/sudoers.d/* | tail -n 1)
[ -n "$path" ] && say secure-path "$path"
echo end
