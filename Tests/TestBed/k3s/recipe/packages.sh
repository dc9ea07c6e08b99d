# packages.sh WORK: everything the recipe takes from Debian 12, unpacked under WORK. Nothing is installed; apt checks the signatures.
#   WORK/root     the unpacked .deb files          WORK/gopath   Kubernetes' source tree in its GOPATH place
set -euo pipefail
WORK=$1
KUBERNETES=1.20.5+really1.20.2-1.1+deb12u1

step() { printf '%s %4ss %s\n' "$(date +%T)" "$SECONDS" "$*" >&2; }

# The mirror this host already uses for bookworm, else any Debian mirror of its apt sources.
mirror() {
    local uri
    for filter in 'Codename: bookworm' 'Origin: Debian'; do
        uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "$filter" 2>/dev/null | sed -n 1p)
        [ -z "$uri" ] || { echo "${uri%/}"; return; }
    done
    echo "no Debian mirror in this host's apt sources: set DEBIAN_MIRROR to one that serves bookworm" >&2
    return 1
}

# An apt of its own: own lists, own cache, own (empty) status, so that the host's packages play no part.
private_apt() {
    local from="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $1 bookworm main"
    mkdir -p "$WORK"/apt/{lists/partial,cache/archives/partial,state} "$WORK/deb" "$WORK/root"
    : >"$WORK/apt/state/status"
    printf 'deb %s\ndeb-src %s\n' "$from" "$from" >"$WORK/apt/sources.list"
    cat >"$WORK/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$WORK/apt/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::State "$WORK/apt/state"; Dir::State::lists "$WORK/apt/lists"; Dir::State::status "$WORK/apt/state/status";
Dir::Cache "$WORK/apt/cache"; Acquire::Languages "none"; Acquire::Retries "3"; APT::Sandbox::User "root";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
CONF
    export APT_CONFIG=$WORK/apt/apt.conf
}

download() {
    cd "$WORK/deb"
    apt-get -qq source --download-only "kubernetes=$KUBERNETES"
    apt-get -qq download golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev \
        etcd-server etcd-client containerd runc containernetworking-plugins busybox-static \
        iptables libxtables12 libnftnl11 libmnl0 libip4tc2 libip6tc2 conntrack libnetfilter-conntrack3 libnfnetlink0
}

unpack() {
    local tree=$WORK/gopath/src/k8s.io/kubernetes reflect2=vendor/github.com/modern-go/reflect2 deb
    for deb in "$WORK"/deb/*.deb; do dpkg -x "$deb" "$WORK/root"; done
    mkdir -p "$tree"
    tar xzf "$WORK"/deb/kubernetes_*.orig.tar.gz -C "$tree" --strip-components=1 \
        --wildcards '*/cmd/*' '*/pkg/*' '*/plugin/*' '*/staging/*' '*/vendor/*' '*/third_party/*'
    # The vendored reflect2 1.0.1 links to a runtime function whose signature Go 1.18 changed; Debian's package is 1.0.2.
    rm -rf "${tree:?}/$reflect2"
    cp -r "$WORK/root/usr/share/gocode/src/github.com/modern-go/reflect2" "$tree/$reflect2"
}

from=${DEBIAN_MIRROR:-$(mirror)}
private_apt "$from"
apt-get -qq update
step "package lists"
download
step "downloads ($(du -sm "$WORK/deb" | cut -f1) MB)"
unpack
rm -rf "$WORK/deb" "$WORK/apt/lists" "$WORK/apt/cache"
step "unpacked"
