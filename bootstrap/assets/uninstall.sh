# Takes k3s and homelab off this machine: processes, mounts, links, packet filter rules, files. Runs as root under dash, bash and
# busybox ash, and may be begun again after any interruption. Arguments: cluster, user, home, units, then routes. The functions of
# alone.sh, folders.sh and programs.sh are set in front of it; what it waits for and what it leaves is printed.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 077
# It goes on when the run that began it is cut off, and nobody reads what it prints any more.
trap '' PIPE
cluster=$1 user=$2 home=$3 units=$4
shift 4
data=/var/lib/rancher/k3s
kubelet=$(resolved /var/lib/kubelet) pods=$(resolved /var/lib/kubelet/pods) binaries=$(resolved $data/data)

alone 180 || exit 1

# k3s brings iptables along for machines that have none.
PATH=$PATH:$data/data/current/bin/aux:$data/data/current/bin

systemd() { [ -d /run/systemd/system ]; }
for unit in $units; do
    if systemd; then
        systemctl stop "$unit" 2>/dev/null
        systemctl disable -q "$unit" 2>/dev/null
    elif has rc-service; then
        rc-service --ifstarted "${unit%.service}" stop 2>/dev/null
        rc-update -q delete "${unit%.service}" default 2>/dev/null
    fi
done

# Containers live on without k3s: each shim's processes go, children first found, then killed together.
doomed() {
    for p in /proc/[0-9]*; do
        exe=$(readlink "$p/exe" 2>/dev/null) || continue
        case $exe in "$binaries"/* | $data/data/*) echo "${p#/proc/}" ;; esac
    done
}
children() {
    for s in /proc/[0-9]*/stat; do
        # The fourth field, counted behind the name in parentheses, is the parent.
        line=$(cat "$s" 2>/dev/null) || continue
        pid=${line%% *} rest=${line##*) }
        rest=${rest#* }
        case " $1 " in *" ${rest%% *} "*) echo "$pid" ;; esac
    done
}
tries=0
while [ "$tries" -lt 5 ]; do
    all= level=$(doomed | tr '\n' ' ')
    while [ -n "$level" ]; do
        all="$all $level"
        level=$(children "$level" | tr '\n' ' ')
    done
    [ -n "$all" ] || break
    # shellcheck disable=SC2086
    kill -9 $all 2>/dev/null
    tries=$((tries + 1))
    sleep 1
done

unmount /run/k3s/ '*'
unmount "$pods/" '*'
# What is mounted right below the kubelet's or containerd's folder is a disk of the operator's.
unmount "$kubelet/" '*/*'
unmount "$(resolved $data/agent/containerd)/" '*/*'
unmount /run/netns/cni- '*'
unmount /run/flannel/ '*'

if has ip; then
    for space in $(ip netns list 2>/dev/null | awk '/^cni-/ { print $1 }'); do ip netns delete "$space" 2>/dev/null; done
    for link in $(ip -o link show master cni0 2>/dev/null | awk -F ': ' '{ sub(/@.*/, "", $2); print $2 }') \
        cni0 flannel.1 flannel-v6.1 kube-ipvs0 flannel-wg flannel-wg-v6 kube-dummy-if; do
        ip link delete "$link" 2>/dev/null
    done
    for route; do ip route delete "$route" 2>/dev/null; done
fi
for family in iptables ip6tables; do
    if has "$family-save" && has "$family-restore"; then
        rules=$("$family-save" 2>/dev/null) || continue
        case $rules in
        *KUBE-* | *CNI-* | *[Ff]lannel* | *FLANNEL*)
            printf '%s\n' "$rules" | grep -v 'KUBE-' | grep -v 'CNI-' | grep -iv flannel | "$family-restore" ;;
        esac
    fi
done
if has ipset; then
    for set in $(ipset list -n 2>/dev/null | grep '^KUBE-'); do ipset destroy "$set" 2>/dev/null; done
fi
if has ufw; then
    ufw show added 2>/dev/null | sed -n "s/^ufw \(allow .*\) comment 'homelab'$/\1/p" | while read -r rule; do
        # shellcheck disable=SC2086
        ufw delete $rule >/dev/null 2>&1
    done
fi
if [ -e /etc/firewalld/zones/homelab.xml ] || [ -e /etc/firewalld/policies/homelab-api.xml ]; then
    if has firewall-cmd && firewall-cmd --state >/dev/null 2>&1; then
        firewall-cmd --permanent --delete-zone=homelab >/dev/null 2>&1
        firewall-cmd --permanent --delete-policy=homelab-api >/dev/null 2>&1
        firewall-cmd --reload >/dev/null 2>&1
    fi
    rm -f /etc/firewalld/zones/homelab.xml* /etc/firewalld/policies/homelab-api.xml*
fi

take_kubelet /var/lib/kubelet
take_k3s $data
for folder in /etc/homelab /var/lib/homelab; do take "$folder"; done
for folder in /run/k3s /run/flannel /var/lib/cni /var/log/pods /var/log/containers /etc/rancher/node /root/.kube/cache; do
    clear_folder "$folder"
done
rmdir /var/lib/rancher /root/.kube 2>/dev/null
# The kubelet's place for volume plug-ins, unless somebody put one there.
plugins=/usr/libexec/kubernetes/kubelet-plugins
rmdir $plugins/volume/exec $plugins/volume $plugins ${plugins%/*} 2>/dev/null
for unit in $units; do
    take_unit /etc/systemd/system "$unit"
    service=${unit%.service}
    if [ -x /sbin/openrc-run ]; then
        rm -f "/etc/init.d/$service" "/etc/logrotate.d/$service" "/run/$service.pid" "/var/log/$service.log" "/var/log/$service".log.*
    fi
done
# While there is a unit its config.yaml tells whose k3s this was.
take /etc/rancher/k3s
rmdir /etc/rancher 2>/dev/null
rm -f /etc/logrotate.d/homelab /var/log/homelab-node-change.log /var/log/homelab-agent-switch.log
rm -f /run/homelab-node-change.pid /run/homelab-agent-switch.pid
rm -f /etc/modules-load.d/homelab-k3s.conf /etc/sysctl.d/90-homelab-k3s.conf /run/homelab-agent*
# On a machine with OpenRC homelab may have made the folder.
[ ! -x /sbin/openrc-run ] || rmdir /etc/modules-load.d 2>/dev/null
for file in /boot/firmware/cmdline.txt /boot/cmdline.txt; do rm -f "$file.homelab-before" "$file.homelab-new"; done
rm -f /tmp/homelab-upload-* /var/tmp/homelab-upload-*

cd /usr/local/bin || exit 1
take_beside_binaries .

keys=$home/.ssh/authorized_keys
if grep -q " homelab-[a-z]*@$cluster/[^ ]*\$" "$keys" 2>/dev/null; then
    new=$(mktemp "$keys.XXXXXX")
    # 1: there is no other line.
    if grep -v " homelab-[a-z]*@$cluster/[^ ]*\$" "$keys" >"$new" || [ $? -eq 1 ]; then
        chmod 0600 "$new"
        chown "$user:$(id -gn "$user")" "$new"
        mv -f "$new" "$keys"
    else
        rm -f "$new"
    fi
fi
if systemd; then
    systemctl daemon-reload
    for unit in $units; do systemctl reset-failed "$unit" 2>/dev/null; done
fi

# What is left is said; the binaries go last, since their presence is what a further run goes by.
rest=$(left | tr '\n' ' ')
if [ -n "$rest" ]; then
    echo "could not remove: $rest" >&2
    exit 1
fi
rm -f k3s homelab
rm -rf /usr/local/lib/homelab
if grep -q '^# Made by homelab enroll' /etc/sudoers.d/homelab 2>/dev/null; then rm -f /etc/sudoers.d/homelab; fi
rm -f "$work"
