# What is beside a unit and beside the binaries: shell functions in front of uninstall.sh, for dash, bash and busybox ash.

# systemd's unit, and the environment that k3s' installer puts beside it, which may hold the cluster's token. Folder, unit.
take_unit() {
    rm -f "$1/$2" "$1/$2.env"
    if [ -d "$1/$2.d" ]; then echo "leaves $1/$2.d, which homelab did not write"; fi
}

# All that belongs to the binaries of a folder, but for themselves: links to what goes, since a kubectl of the distribution stays, the
# versions before, what an interrupted installation began, and the scripts of k3s' installer.
take_beside_binaries() {
    for link in kubectl crictl ctr git-receive-pack git-upload-pack; do
        if [ -L "$1/$link" ]; then
            case $(readlink "$1/$link") in k3s | homelab) rm -f "$1/$link" ;; esac
        fi
    done
    for binary in k3s homelab; do rm -f "$1/$binary.prev" "$1/$binary".homelab-*; done
    rm -f "$1/homelab.new"
    rm -f "$1/k3s-killall.sh" "$1/k3s-uninstall.sh" "$1/k3s-agent-uninstall.sh"
}
