# Prints everything homelab has to know about this machine, one `key=value` a line, between "homelab-facts 1" and "end".
# Runs as root under dash, bash and busybox ash; reads only, and starts few programs: they are what a look costs. The lists $files,
# $private, $units, $directories, $sysctls and $modules are set in front of it (paths without blanks; a private file's hash is not printed),
# and $known, where a look before this one hashed large files: ` STAMP=SHA256` for each and a blank at the end.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077

newline='
'
say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
first() { line= && IFS= read -r line 2>/dev/null <"$1"; printf '%s' "$line"; }
sum() { line=$(sha256sum "$1" 2>/dev/null); printf '%s' "${line%% *}"; }
# A service, or a lock of the kernel's, may hang for ever.
limited() { if has timeout; then timeout 20 "$@"; else "$@"; fi; }

# Whether something keeps the clock in time: what systemd says of it, else what chrony or ntpd say of themselves. Of an ntpd that cannot be
# asked, as busybox' own, nothing is said while it runs. It matters before k3s is there, and not at every look after that: timedatectl starts
# a service for its answer.
synchronized() {
    for f in /etc/systemd/system/k3s.service /etc/systemd/system/k3s-agent.service /etc/init.d/k3s /etc/init.d/k3s-agent; do
        [ ! -e $f ] || return 0
    done
    state=
    if has timedatectl; then state=$(limited timedatectl show -p NTPSynchronized --value 2>/dev/null); fi
    if [ -z "$state" ] && has chronyc; then
        case $(limited chronyc -n tracking 2>/dev/null) in
        *'Not synchronised'*) state=no ;;
        *'Leap status'*) state=yes ;;
        esac
    fi
    if [ -z "$state" ] && has ntpq; then
        case $newline$(limited ntpq -pn 2>/dev/null) in
        *"$newline*"* | *"${newline}o"*) state=yes ;;
        *remote*) state=no ;;
        esac
    fi
    if [ -z "$state" ] && has pidof && ! pidof ntpd chronyd systemd-timesyncd >/dev/null 2>&1; then state=no; fi
    [ -z "$state" ] || say time.synchronized "$state"
}

system() {
    (
        ID= ID_LIKE= VERSION_ID= PRETTY_NAME=
        if [ -r /etc/os-release ]; then . /etc/os-release; elif [ -r /usr/lib/os-release ]; then . /usr/lib/os-release; fi
        say os.id "$ID"
        say os.like "$ID_LIKE"
        say os.version "$VERSION_ID"
        say os.name "$PRETTY_NAME"
    )
    read -r name release machine <<END
$(uname -nrm)
END
    say machine "$machine"
    say kernel "$release"
    say hostname "$name"
    say machine-id "$(first /etc/machine-id)"
    say boot-id "$(first /proc/sys/kernel/random/boot_id)"
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc=
    if [ -z "$libc" ]; then for f in /lib/ld-musl-*; do [ -e "$f" ] && libc=musl; done; fi
    [ -z "$libc" ] || say libc "$libc"
    bits=$(getconf LONG_BIT 2>/dev/null) && say bits "$bits"
    if [ -d /run/systemd/system ]; then init=systemd; elif [ -x /sbin/openrc-run ]; then init=openrc; else init=$(first /proc/1/comm); fi
    say init "$init"
    if [ -r /proc/device-tree/model ]; then say model "$(tr -d '\0' </proc/device-tree/model)"; fi
    read -r up rest </proc/uptime
    now=$(instant)
    say time "$now"
    synchronized
    cpus=$(nproc 2>/dev/null) || cpus=$(grep -c '^processor' /proc/cpuinfo)
    say cpus "$cpus"
    awk '/^MemTotal:/ { print "memory.kib=" $2 } /^SwapTotal:/ { print "swap.kib=" $2 }' /proc/meminfo
    directories
}

# Space and inodes under each directory, and what its mount forbids. One that does not exist is looked at as the nearest one above it.
directories() {
    there=
    for d in $directories; do
        e=$d
        # k3s' own folder in it may be another disk, or a link to one.
        if [ "$d" = /var/lib/rancher ] && [ -d $d/k3s ]; then e=$d/k3s; fi
        while [ ! -e "$e" ] && [ -n "$e" ]; do e=${e%/*}; done
        there="$there ${e:-/}"
    done
    { cat /proc/mounts; echo; df -Pk $there 2>/dev/null; df -Pi $there 2>/dev/null; } |
        awk -v directories="$directories" -v there="$there" '
            BEGIN { n = split(directories, directory, " "); split(there, path, " ") }
            NF == 0 { table = 1; next }
            !table { options[$2] = $4; next }
            $1 == "Filesystem" { table++; row = 0; next }
            table == 2 { space[++row] = $4; mount[row] = $6 }
            table == 3 && $2 > 0 { inodes[++row] = $4; next }
            table == 3 { row++ }
            END {
                for (i = 1; i <= n; i++)
                    print directory[i], path[i], "," options[mount[i]] ",", space[i] != "" ? space[i] : "-", inodes[i] != "" ? inodes[i] : "-"
            }' |
        while read -r d e options space inodes; do
            say free "$d ${space#-}"
            # File systems that make inodes as they need them say 0 of 0.
            [ "$inodes" = - ] || say inodes "$d $inodes"
            # busybox calls everything writable to root.
            case $options in
            *,ro,*) say read-only "$d" ;;
            *) [ -w "$e" ] || say read-only "$d" ;;
            esac
            case $options in *,noexec,*) say no-exec "$d" ;; esac
        done
}

kernel() {
    if [ -r /sys/fs/cgroup/cgroup.controllers ]; then
        say cgroup "2 $(first /sys/fs/cgroup/cgroup.controllers)"
    elif [ -r /proc/cgroups ]; then
        say cgroup "1 $(awk '!/^#/ && $4 == 1 { printf "%s ", $1 }' /proc/cgroups)"
    fi
    for m in $modules; do
        state=missing
        case $m in
        overlay) grep -qw overlay /proc/filesystems && state=present ;;
        br_netfilter) [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] && state=present ;;
        esac
        [ -d "/sys/module/$m" ] && state=present
        if [ $state = missing ] && grep -q "/$m\.ko" "/lib/modules/$release/modules.builtin" 2>/dev/null; then state=present; fi
        if [ $state = missing ] && modprobe -n -q "$m" 2>/dev/null; then state=loadable; fi
        say module "$m $state"
    done
    for s in $sysctls; do
        f=$s
        while :; do case $f in *.*) f=${f%%.*}/${f#*.} ;; *) break ;; esac; done
        [ -r "/proc/sys/$f" ] && say sysctl "$s $(first "/proc/sys/$f")"
    done
    for f in /boot/firmware/cmdline.txt /boot/cmdline.txt; do
        [ -f "$f" ] && [ ! -L "$f" ] && say command-line "$f $(first "$f")" && break
    done
    [ ! -r /proc/cmdline ] || say booted-with "$(first /proc/cmdline)"
    if [ -r /sys/fs/selinux/enforce ]; then
        policy=
        [ ! -f /usr/share/selinux/packages/k3s.pp ] || policy=" k3s-policy"
        if [ "$(first /sys/fs/selinux/enforce)" = 1 ]; then say selinux "enforcing$policy"; else say selinux "permissive$policy"; fi
    fi
}

# The routes of one family, and the interface of its default route.
routes() {
    ip "$2" -o route show 2>/dev/null | awk -v family="$1" '
        { d = ""; for (i = 1; i < NF; i++) if ($i == "dev") { d = $(i + 1); break } }
        $1 == "default" { if (!found && d != "" && d != "lo") { print "default-route" family "=" d; found = 1 } next }
        { print "route=" $1 " " d }'
}

network() {
    device=
    if has ip; then
        ip -o addr show scope global 2>/dev/null | awk '$3 == "inet" || $3 == "inet6" {
            kind = "static"
            for (i = 5; i <= NF; i++) if ($i == "dynamic") kind = "dynamic"
            print "address=" $2 " " $4 " " kind
        }'
        routes4=$(routes "" -4) routes6=$(routes 6 -6)
        for r in "$routes4" "$routes6"; do [ -z "$r" ] || printf '%s\n' "$r"; done
        case $routes4$newline$routes6 in
        *default-route=*) device=${routes4##*default-route=} ;;
        *default-route6=*) device=${routes6##*default-route6=} ;;
        esac
        device=${device%%"$newline"*}
        ip -o link show 2>/dev/null | awk -F ': ' '{ sub(/@.*/, "", $2); print "link=" $2 }'
    fi
    if has ss; then
        ss -Hltnp 2>/dev/null | awk '{
            n = split($4, a, ":"); name = ""
            if (match($0, /\(\("[^"]*"/)) name = substr($0, RSTART + 3, RLENGTH - 4)
            print "listen=" a[n] " " name
        }' | sort -u
    elif has netstat; then
        netstat -ltnp 2>/dev/null | awk '$1 ~ /^tcp/ { n = split($4, a, ":"); name = $7; sub(/^[0-9]*\//, "", name); print "listen=" a[n] " " name }' | sort -u
    fi
}

# The firewall that is at work, and whom it lets in already; `firewall-own` is what homelab told it.
firewall() {
    if grep -q '^ENABLED=yes' /etc/ufw/ufw.conf 2>/dev/null; then
        say firewall ufw
        # ### tuple ### allow PROTOCOL PORT TO FROM-PORT FROM in [comment=HEX]
        cat /etc/ufw/user.rules /etc/ufw/user6.rules 2>/dev/null | awk '
            function any(address) { return address == "0.0.0.0/0" || address == "::/0" }
            $2 != "tuple" || $4 != "allow" || $10 != "in" || $8 != "any" || !any($7) { next }
            $5 == "any" && $6 == "any" { print "firewall-source=" $9; if ($11 == "comment=686f6d656c6162") print "firewall-own=" $9; next }
            any($9) { if ($5 == "any") print "firewall-port=" $6 "/tcp"; else print "firewall-port=" $6 "/" $5 }'
    elif ! firewalld; then
        if has nft; then chains; fi
        if has iptables; then iptables_input; fi
    fi
}

# A zone that accepts everything lets its sources in; homelab has one of its own, and a policy of its own for ports.
firewalld() {
    has firewall-cmd || return 1
    zone=$(limited firewall-cmd --get-zone-of-interface="$device" 2>/dev/null)
    [ $? != 252 ] || return 1
    [ -n "$zone" ] || zone=$(sed -n 's/^DefaultZone=//p' /etc/firewalld/firewalld.conf 2>/dev/null)
    sed -n 's/.*<port port="\([0-9]*\)" protocol="\([a-z]*\)".*/firewall-port=\1\/\2/p' /etc/firewalld/policies/homelab-api.xml 2>/dev/null
    limited firewall-cmd --permanent --list-all-zones 2>/dev/null | awk -v zone="${zone:-public}" '
        function lines(key, list, n, i, w) { n = split(list, w, " "); for (i = 1; i <= n; i++) print key "=" w[i] }
        /^[^ ]/ { name = $1 }
        $1 == "target:" { target = $2; if (name == zone && target != "ACCEPT") print "firewall=firewalld" }
        $1 == "sources:" && target == "ACCEPT" { sub(/^ *sources: */, ""); lines("firewall-source", $0); if (name == "homelab") lines("firewall-own", $0) }
        name == zone && $1 == "services:" && / kube-apiserver( |$)/ { print "firewall-port=6443/tcp" }
        name == zone && $1 == "ports:" { sub(/^ *ports: */, ""); lines("firewall-port", $0) }'
}

# Chains that somebody wrote for nft, and that end with dropping: family, table, name, hook, and what they accept.
chains() {
    limited nft list chains 2>/dev/null | awk '
        $1 == "table" { family = $2; table = $3 }
        $1 == "chain" { chain = $2 }
        $1 == "type" && $2 == "filter" && ($4 == "input" || $4 == "forward") && table != "firewalld" && family ~ /^(inet|ip|ip6)$/ &&
            !(table == "filter" && chain ~ /^[A-Z]+$/) { print family, table, chain, $4 }' |
        while read -r family table chain hook; do
            limited nft -n list chain "$family" "$table" "$chain" 2>/dev/null | awk -v name="$family $table $chain $hook" -v device="$device" '
                function words(list, mark, n, i, w, text) {
                    gsub(/[{},]/, " ", list)
                    n = split(list, w, " ")
                    for (i = 1; i <= n; i++) text = text " " mark w[i]
                    return text
                }
                /policy drop;/ { closed = 1 }
                ended || $1 == "table" || $1 == "chain" || $1 == "type" || $1 == "}" { next }
                {
                    sub(/^[ \t]+/, ""); sub(/ comment ".*"$/, ""); sub(/counter packets [0-9]+ bytes [0-9]+ /, "")
                    rule = $0
                }
                rule ~ /^(drop|reject)/ { closed = ended = 1; next }
                rule ~ /^accept/ { open = ended = 1; next }
                rule ~ /^ip6? saddr [^!@]*[^!@a-z] accept$/ { sub(/^ip6? saddr /, "", rule); sub(/ accept$/, "", rule); found = found words(rule, "from:"); next }
                rule ~ /^ip6? daddr [^!@]*[^!@a-z] accept$/ { sub(/^ip6? daddr /, "", rule); sub(/ accept$/, "", rule); found = found words(rule, "to:"); next }
                rule ~ /^tcp dport [^!@]*[^!@a-z] accept$/ && rule ~ /[^0-9]6443[^0-9]/ { found = found " api"; if (rule !~ /10250/) next }
                rule ~ /^iif(name)? [^!@]* accept$/ && index(rule, "\"" device "\"") { open = ended = 1; next }
                rule ~ /(jump|goto) / || rule ~ /@/ || (rule ~ /vmap/ && rule !~ /^ct state/) { found = found " unclear" }
                rule ~ /accept/ && rule ~ /[^0-9](6443|2379|2380|10250|8472|51820)[^0-9]/ { found = found " unclear" }
                END { if (closed && !open) print "firewall-chain=" name found }'
        done
}

# The same of rules written for iptables, whose own chains nft shows as well: these are told by iptables.
iptables_input() {
    limited iptables -S INPUT 2>/dev/null | awk -v device="$device" '
        $1 == "-P" && $3 == "DROP" { closed = 1 }
        ended || $1 != "-A" { next }
        { rule = $0; sub(/^-A INPUT /, "", rule); sub(/-m comment --comment ("[^"]*"|[^ ]+) /, "", rule) }
        rule ~ /^-j (DROP|REJECT)/ { closed = ended = 1; next }
        rule == "-j ACCEPT" || rule == "-i " device " -j ACCEPT" { open = ended = 1; next }
        rule ~ /^-s [^ ]+ -j ACCEPT$/ { split(rule, w, " "); sub(/\/32$/, "", w[2]); found = found " from:" w[2]; next }
        rule ~ /--dport 6443 -j ACCEPT$/ && rule !~ /-s / { found = found " api"; next }
        rule ~ /-j (KUBE-|CNI-|ACCEPT$|DROP$|REJECT)/ { if (rule ~ /[^0-9](2379|10250|8472|51820)[^0-9]/ && rule ~ /ACCEPT$/) found = found " unclear"; next }
        { found = found " unclear" }
        END { if (closed && !open) print "firewall-chain=iptables filter INPUT input" found }'
}
access() {
    say uid "$(id -u)"
    user=${SUDO_USER:-${DOAS_USER:-$(id -un)}}
    say user "$user"
    say group "$(id -gn "$user" 2>/dev/null)"
    home=$(awk -F : -v u="$user" '$1 == u { print $6 }' /etc/passwd)
    [ -n "$home" ] || home=$(getent passwd "$user" 2>/dev/null | cut -d : -f 6)
    say home "$home"
    grep ' homelab-[a-z]*@[^ ]*$' "$home/.ssh/authorized_keys" 2>/dev/null | sed 's/^/authorized-key=/'
    for f in /etc/ssh/ssh_host_*_key.pub; do
        key=
        [ -r "$f" ] && { read -r type key rest <"$f" || [ -n "$key" ]; } && say host-key "$type $key"
    done
    [ -s /run/homelab.lock ] && say lock "$(tr '\n' ' ' </run/homelab.lock)"
}

# Of each file what it is, and of a plain one hash, mode, owner and time of change. What goes while it is looked at is absent: an
# uninstallation goes on when the run that began it is cut off.
describe() {
    plain= hashed= links=
    for f in $files; do
        if [ -L "$f" ]; then
            links="$links $f"
        elif [ -f "$f" ]; then
            plain="$plain $f"
            case " $private " in *" $f "*) ;; *) hashed="$hashed $f" ;; esac
        elif [ -d "$f" ]; then
            if attributes=$(stat -c '%a %U' "$f" 2>/dev/null); then say file "$f directory $attributes"; else say file "$f absent"; fi
        elif [ -e "$f" ]; then
            say file "$f other"
        else
            say file "$f absent"
        fi
    done
    {
        [ -z "$hashed" ] || sha256sum $hashed 2>/dev/null
        [ -z "$plain" ] || stat -c '%a %U %Y %n' $plain 2>/dev/null
        [ -z "$links" ] || ls -ld $links 2>/dev/null
    } | awk -v plain="$plain" -v hashed="$hashed" -v links="$links" '
        length($1) == 64 { hash[$2] = $1; next }
        /^[0-7]/ { attributes[$4] = $1 " " $2 " " $3; next }
        (arrow = index($0, " -> ")) { n = split(substr($0, 1, arrow - 1), words, " "); target[words[n]] = substr($0, arrow + 4) }
        END {
            n = split(hashed, names, " ")
            for (i = 1; i <= n; i++) secret[names[i]] = "no"
            n = split(plain, names, " ")
            for (i = 1; i <= n; i++) {
                f = names[i]
                if (secret[f] != "no") hash[f] = "-"
                print "file=" f " " (f in attributes && hash[f] != "" ? "file " hash[f] " " attributes[f] : "absent")
            }
            n = split(links, names, " ")
            for (i = 1; i <= n; i++) print "file=" names[i] " " (names[i] in target ? "link " target[names[i]] : "absent")
        }'
}

# Whether a process runs for some seconds already: one that ends at once is begun again and again.
lives() { [ -n "$1" ] && awk -v up="$up" -v ticks="$(getconf CLK_TCK 2>/dev/null || echo 100)" \
    '{ sub(/.*\) /, ""); exit $1 == "Z" || up - $20 / ticks < 4 }' "/proc/$1/stat" 2>/dev/null; }

# The same of OpenRC's service, under the name that systemd would have for it. The supervisor writes its file at each start.
openrc() {
    if [ ! -e "/etc/init.d/$1" ]; then say unit "$1.service absent"; return 0; fi
    options=/run/openrc/options/$1
    case $(rc-service "$1" status 2>/dev/null) in
    *started*)
        # The supervisor is there; between two tries its process is not.
        if lives "$(first "$options/child_pid")"; then state=active; else state=activating; fi ;;
    *crashed*) state=failed ;;
    *starting*) state=activating ;;
    *) state=inactive ;;
    esac
    enabled=disabled
    if rc-update show default 2>/dev/null | grep -q "^ *$1 "; then enabled=enabled; fi
    started=-
    if [ $state = active ]; then started=$(stat -c %Y "$options/start_time" 2>/dev/null || echo -); fi
    say unit "$1.service $state $enabled $started loaded"
}

# Each unit's state, and when its process started, in seconds since 1970.
units() {
    if [ "$init" = openrc ]; then for u in $units; do openrc "${u%.service}"; done; fi
    [ "$init" = systemd ] || return 0
    shown=$(limited systemctl show -p LoadState -p ActiveState -p UnitFileState -p NeedDaemonReload -p MainPID \
        -p ExecMainStartTimestampMonotonic $units 2>/dev/null)
    # It tells of a unit that is not there, too: without an answer none may be taken for absent.
    if [ -z "$shown" ]; then
        echo 'systemctl does not answer' >&2
        exit 1
    fi
    printf '%s\n' "$shown" |
        awk -F = -v units="$units" -v now="$now" -v up="$up" '
            function tell() {
                if (v["LoadState"] == "not-found" || v["LoadState"] == "") { print "unit=" unit[++told] " absent"; return }
                started = "-"
                if (v["MainPID"] > 0) started = sprintf("%.2f", now - up + v["ExecMainStartTimestampMonotonic"] / 1000000)
                print "unit=" unit[++told] " " v["ActiveState"] " " (v["UnitFileState"] == "enabled" ? "enabled" : "disabled") \
                    " " started " " (v["NeedDaemonReload"] == "yes" ? "reload" : "loaded")
            }
            BEGIN { n = split(units, unit, " ") }
            NF == 0 { tell(); split("", v); next }
            { v[$1] = $2 }
            END { while (told < n) { tell(); split("", v) } }'
}

# Of a large file: openssl, where it is there, is several times as fast as coreutils.
digest() {
    d=$(openssl dgst -sha256 -r "$1" 2>/dev/null)
    d=${d%% *}
    case $d in ????????????????????????????????????????????????????????????????) printf '%s' "$d" ;; *) sum "$1" ;; esac
}

binary() {
    [ -f "$2" ] && [ -x "$2" ] || return 0
    # Whoever writes to a file, or puts another in its place, changes one of these.
    stamp=$(stat -L -c '%d:%i:%s:%.9Y:%.9Z' "$2" 2>/dev/null)
    [ -z "$stamp" ] || stamp=$(first /etc/machine-id):$stamp
    case ${known-} in
    *" $stamp="*)
        digest=${known##*" $stamp="}
        digest=${digest%% *}
        ;;
    *) digest=$(digest "$2") ;;
    esac
    [ -n "$digest" ] || return 0
    say "$1.sha256" "$digest"
    [ -z "$stamp" ] || say "$1.stamp" "$stamp"
    say "$1.version" "$(limited "$2" --version 2>/dev/null </dev/null | head -n 1)"
}

k3s() {
    data=/var/lib/rancher/k3s etcd=
    binary k3s /usr/local/bin/k3s
    # A disk that is mounted there stays where k3s is taken away.
    for f in $data/server/db/etcd/*; do [ -e "$f" ] && etcd=yes && break; done
    if [ -n "$etcd" ]; then say k3s.datastore etcd; elif [ -e $data/server/db/state.db ]; then say k3s.datastore sqlite; fi
    [ -s $data/server/token ] && say k3s.server-token yes
    for f in $data/server/tls/server-ca.crt $data/agent/server-ca.crt; do [ -s $f ] && say k3s.authority "$(sum $f)" && break; done
    [ -s /etc/rancher/node/password ] && say k3s.node-password yes
    for f in $data/agent/images/homelab-*; do [ -f "$f" ] && say k3s.images "$f"; done
    id=$(sed -n 's/^\(.*::\)\{0,1\}\([a-z0-9]\{6\}\)\.[a-z0-9]\{16\}$/\2/p' /etc/rancher/k3s/homelab-token 2>/dev/null)
    [ -n "$id" ] && say k3s.join-token "$id"
    if [ -f /etc/rancher/k3s/config.yaml ]; then
        secret='token\|agent-token\|cluster-secret\|datastore-endpoint\|etcd-s3-access-key\|etcd-s3-secret-key\|etcd-s3-session-token\|vpn-auth'
        sed -e "s/^\( *\"\{0,1\}\($secret\)\"\{0,1\} *:\).*/\1 \"***\"/" \
            -e "s/\([{,] *\"\{0,1\}\($secret\)\"\{0,1\} *: *\)\(\"[^\"]*\"\|[^,}]*\)/\1\"***\"/g" \
            -e 's/^/k3s.config=/' /etc/rancher/k3s/config.yaml
    fi
}

homelab() {
    binary homelab /usr/local/bin/homelab
    [ -r /etc/homelab/id_ed25519.pub ] && say homelab.public-key "$(first /etc/homelab/id_ed25519.pub)"
    [ -r /etc/homelab/deploy_key.pub ] && say homelab.deploy-key "$(first /etc/homelab/deploy_key.pub)"
    [ -s /var/lib/homelab/agent-switch ] && say homelab.switch "$(first /var/lib/homelab/agent-switch)"
    [ -f /var/lib/homelab/repository.git/HEAD ] && say homelab.repository "$(stat -c %U /var/lib/homelab/repository.git)"
    return 0
}

leftovers() {
    for d in /var/lib/rancher/rke2 /etc/kubernetes /var/lib/k0s /var/snap/microk8s; do [ -e $d ] && say leftover $d; done
    if [ ! -e /usr/local/bin/k3s ]; then
        # Empty folders are the places of disks.
        for d in /var/lib/rancher/k3s/server /var/lib/rancher/k3s/agent; do
            if [ -d $d ] && [ -n "$(find $d/. ! -type d 2>/dev/null | head -n 1)" ]; then say leftover $d; fi
        done
    fi
    [ -e /usr/bin/k3s ] && say leftover /usr/bin/k3s
    has dockerd && say leftover docker
    return 0
}

# Seconds since 1970, with a fraction where date knows one.
instant() {
    t=$(date +%s.%N)
    case $t in *[!0-9.]* | *.) date +%s ;; *) echo "$t" ;; esac
}

echo 'homelab-facts 1'
system
kernel
network
firewall
access
describe
units
for c in git git-receive-pack git-upload-pack kubectl crictl ctr ssh-keygen iptables nft restorecon logrotate; do
    has $c && say command "$c $(command -v $c)"
done
k3s
homelab
leftovers
say time.end "$(instant)"
echo end
