# compile.sh WORK SOURCES COMMIT: compiles our Go files inside Kubernetes' tree. Needs what packages.sh unpacked.
#   WORK/out/k3s        every Kubernetes command and the supervisor      WORK/out/launcher   the small self-extracting front
#   WORK/out/kubectl    kubectl alone
#   WORK/out/pause      the program of the pause image                   WORK/out/images     the maker of the image archive
# Objects stay in WORK/gocache, so that a change of our own files costs little more than the link.
set -euo pipefail
WORK=$1 SOURCES=$2 COMMIT=$3
TREE=$WORK/gopath/src/k8s.io/kubernetes
VENDOR=k8s.io/kubernetes/vendor/k8s.io

step() { printf '%s %4ss %s\n' "$(date +%T)" "$SECONDS" "$*" >&2; }

export GOROOT=$WORK/root/usr/lib/go-1.19 GOPATH=$WORK/gopath GOCACHE=$WORK/gocache
export GO111MODULE=off GOTOOLCHAIN=local GOFLAGS= GOENV=off CGO_ENABLED=0
PATH=$GOROOT/bin:$PATH

# The one generated file that the source package lacks; server-side apply needs these models.
openapi_models() {
    local out=$TREE/pkg/generated/openapi/zz_generated.openapi.go packages
    [ ! -s "$out" ] || return 0
    go build -o "$WORK/openapi-gen" $VENDOR/kube-openapi/cmd/openapi-gen
    packages=$(cd vendor && grep -rl --include='*.go' '+k8s:openapi-gen=true' k8s.io/*/ |
        grep -v -E '^k8s.io/(code-generator|sample-)|_test.go' | xargs -n1 dirname | sort -u |
        sed 's#^#k8s.io/kubernetes/vendor/#' | paste -sd,)
    "$WORK/openapi-gen" --logtostderr -i "$packages" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
        -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$WORK/openapi-violations" 2>&1 | grep -v -i warning || true
    [ -s "$out" ] || { echo "openapi-gen wrote no models" >&2; return 1; }
    step "openapi models"
}

# Both packages that answer /version get a setter, because one build serves every version string.
version_setters() {
    local package
    for package in component-base/version client-go/pkg/version; do
        printf 'package version\n\n// Set gives every later Get the version.\nfunc Set(v, commit string) { gitVersion, gitCommit = v, commit }\n' \
            >"$TREE/staging/src/k8s.io/$package/set.go"
    done
}

# The API servers' endpoints must name the supervisor's port, not the loopback port kube-apiserver has behind it.
advertised_port() {
    local file=$TREE/pkg/controlplane/controller.go
    sed -i -e 's/_, publicServicePort, err := c.GenericConfig/_, _, err := c.GenericConfig/' \
        -e 's/PublicServicePort: *publicServicePort,/PublicServicePort:         6443,/' "$file"
    grep -q 'PublicServicePort: *6443,' "$file"
}

# OpenAPI documents are made when they are asked for. The aggregator, which puts those of all API servers together, is left out: kubectl
# gets the built-in kinds' and takes objects of other kinds as they are.
openapi_on_demand() {
    local handler=$TREE/vendor/k8s.io/kube-openapi/pkg/handler aggregator=$TREE/staging/src/k8s.io/kube-aggregator/pkg/apiserver/apiserver.go
    cp "$SOURCES/openapi/ondemand.go" "$handler/"
    sed -i -e 's/^func (o \*OpenAPIService) UpdateSpec(/func (o *OpenAPIService) render(/' \
        -e 's/^\to.rwMutex.RLock()/\to.rLockRendered()/' "$handler/handler.go"
    sed -i 's/openAPIConfig := c.GenericConfig.OpenAPIConfig/var openAPIConfig *openapicommon.Config/' "$aggregator"
    [ "$(grep -c 'OpenAPIService) render(\|o.rLockRendered()' "$handler/handler.go")" = 4 ]
    grep -q 'var openAPIConfig' "$aggregator"
}

# Each API server, controller manager and scheduler makes a key at its start for the connection to itself. Primes of this size are found
# ten times as fast.
small_loopback_keys() {
    local file=$TREE/staging/src/k8s.io/client-go/util/cert/cert.go
    sed -i 's/rsa.GenerateKey(cryptorand.Reader, 2048)/rsa.GenerateKey(cryptorand.Reader, 1024)/' "$file"
    grep -q 'Reader, 1024)' "$file"
}

# What is done again and again for nothing but a figure or a mark that may be late: half the work of an idle API server and controller manager.
rare_timers() {
    local client=$TREE/staging/src/k8s.io/client-go cache=$TREE/staging/src/k8s.io/apiserver/pkg/storage/cacher
    sed -i 's/UnfinishedWorkUpdatePeriod = .*/UnfinishedWorkUpdatePeriod = time.Minute/' "$client/util/workqueue/queue.go"
    sed -i 's/time.NewTicker(time.Second)/time.NewTicker(10 * time.Second)/' "$cache/time_budget.go"
    sed -i 's/wait.Jitter(time.Second, 0.25)/wait.Jitter(10*time.Second, 0.25)/' "$cache/cacher.go"
    grep -q 'Period = time.Minute' "$client/util/workqueue/queue.go"
    grep -q 'NewTicker(10 ' "$cache/time_budget.go"
    [ "$(grep -c 'Jitter(10\*time.Second' "$cache/cacher.go")" = 2 ]
}

# our NAME: our folder NAME as the package k8s.io/kubernetes/cmd/homelab-NAME.
our() {
    local to=$TREE/cmd/homelab-$1
    rm -rf "$to"
    mkdir -p "$to"
    cp "$SOURCES/$1"/*.go "$to/"
    shift
    go build -trimpath "$@" -o "$WORK/out/${to##*/homelab-}" "k8s.io/kubernetes/cmd/${to##*/}"
}

mkdir -p "$WORK/out"
cd "$TREE"
openapi_models
version_setters
advertised_port
openapi_on_demand
small_loopback_keys
rare_timers
our pause -ldflags '-s -w'
our images
our launcher -ldflags "-s -w -X main.commit=$COMMIT"
step "launcher, pause, images compiled"
versions="-s -w -X main.commit=$COMMIT \
    -X $VENDOR/component-base/version.gitMajor=1 -X $VENDOR/component-base/version.gitMinor=20 -X $VENDOR/component-base/version.gitTreeState=clean \
    -X $VENDOR/client-go/pkg/version.gitMajor=1 -X $VENDOR/client-go/pkg/version.gitMinor=20 -X $VENDOR/client-go/pkg/version.gitTreeState=clean"
our k3s -tags 'providerless dockerless' -ldflags "$versions"
our kubectl -tags 'providerless dockerless' -ldflags "$versions"
step "k3s compiled ($(du -sLm "$WORK/out/k3s" | cut -f1) MB)"
