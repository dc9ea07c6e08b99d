# release.sh WORK OUT VERSION: packs what compile.sh made and Debian's tools into OUT, shaped like the folder of a k3s release.
set -euo pipefail
WORK=$1 OUT=$2 VERSION=$3
ROOT=$WORK/root PAYLOAD=$WORK/payload

step() { printf '%s %4ss %s\n' "$(date +%T)" "$SECONDS" "$*" >&2; }

# A wrapper finds its libraries beside it, so that nothing on the machine is changed or shadowed by them.
wrapper() {
    local path=$1 program=$2
    printf '#!/bin/sh\ndata=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")\nLD_LIBRARY_PATH=$data/lib XTABLES_LIBDIR=$data/lib/xtables exec "$data/lib/%s"\n' \
        "$program" >"$path"
    chmod 755 "$path"
}

fill_payload() {
    local lib=$ROOT/usr/lib/x86_64-linux-gnu name
    rm -rf "$PAYLOAD"
    mkdir -p "$PAYLOAD/bin/aux" "$PAYLOAD/lib"
    cp "$WORK"/out/{k3s,kubectl} "$ROOT"/usr/bin/{etcd,etcdctl,containerd,containerd-shim-runc-v2,ctr} "$ROOT"/usr/sbin/runc "$PAYLOAD/bin/"
    cp "$ROOT"/usr/lib/cni/{bridge,host-local,loopback,portmap} "$PAYLOAD/bin/"
    cp "$ROOT"/usr/sbin/{xtables-nft-multi,conntrack} "$PAYLOAD/lib/"
    cp -r "$lib/xtables" "$PAYLOAD/lib/"
    cp -L "$lib"/lib{xtables.so.12,nftnl.so.11,mnl.so.0,netfilter_conntrack.so.3,nfnetlink.so.0} "$PAYLOAD/lib/"
    for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        wrapper "$PAYLOAD/bin/aux/$name" "xtables-nft-multi\" $name \"\$@"
    done
    wrapper "$PAYLOAD/bin/aux/conntrack" "conntrack\" \"\$@"
    find "$PAYLOAD" -type f -size +1M -exec strip --strip-unneeded {} + 2>/dev/null || true
}

# The launcher, the archive, and a trailer that names both and the version: see launcher/trailer.go.
pack() {
    local archive=$WORK/payload.tar.gz
    tar -C "$PAYLOAD" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - bin lib | gzip -n -4 >"$archive"
    cat "$WORK/out/launcher" "$archive" >"$1"
    printf '%-256s' "HOMELABK3S $(stat -c %s "$WORK/out/launcher") $(stat -c %s "$archive") $(sha256sum "$archive" | cut -c1-64) $2" >>"$1"
    chmod 755 "$1"
    rm "$archive"
}

mkdir -p "$OUT"
fill_payload
pack "$OUT/k3s" "$VERSION"
rm -rf "$PAYLOAD"
"$WORK/out/images" "$OUT/k3s-airgap-images-amd64.tar" "$WORK/out/pause" "$ROOT/bin/busybox"
printf '%s\n' homelab.local/pause:1 homelab.local/hello:1 homelab.local/hello:2 >"$OUT/k3s-images.txt"
(cd "$OUT" && sha256sum k3s k3s-airgap-images-amd64.tar >sha256sum-amd64.txt)
step "packed ($(du -sm "$OUT/k3s" | cut -f1) MB)"
