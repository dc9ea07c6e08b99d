/// Scripts that change Node objects through a server's own kubectl; each may be begun again after any interruption.
extension NodeScripts {
    /// k3s, node, mark. Annotated first, so that a run which dies in between leaves a mark and not a node that nobody uncordons.
    static let cordon = """
        set -eu
        state=$("$1" kubectl get node "$2" --request-timeout=10s -o 'jsonpath={.spec.unschedulable}/{.metadata.annotations.homelab\\.dev/cordoned}')
        case $state in true/) exit 0 ;; esac
        "$1" kubectl annotate node "$2" --overwrite "homelab.dev/cordoned=$3" >/dev/null
        "$1" kubectl cordon "$2" >/dev/null
        """

    /// k3s, node. The mark goes last, for the same reason. With a removal that is taken back goes k3s' order to take the member out, which it
    /// would carry out as soon as etcd lets it.
    static let uncordon = """
        set -eu
        mark=$("$1" kubectl get node "$2" --request-timeout=10s -o 'jsonpath={.metadata.annotations.homelab\\.dev/cordoned}')
        [ -n "$mark" ] || exit 0
        [ "$mark" != removal ] || "$1" kubectl annotate node "$2" etcd.k3s.cattle.io/remove- >/dev/null
        "$1" kubectl uncordon "$2" >/dev/null
        "$1" kubectl annotate node "$2" homelab.dev/cordoned- >/dev/null
        """

    /// k3s, node. k3s deletes the Secret itself when a Node goes; one that is left would keep a new machine of this name out.
    static let deleteNode = """
        set -eu
        "$1" kubectl delete node "$2" --ignore-not-found --timeout=60s || {
            held=$("$1" kubectl get node "$2" -o jsonpath='{.metadata.finalizers}' 2>/dev/null)
            [ -z "$held" ] || echo "\(Step.heldByFinalizers) $held" >&2
            exit 1
        }
        "$1" kubectl delete secret -n kube-system "$2.node-password.k3s" --ignore-not-found --timeout=20s
        """

    /// k3s, name, folder. Prints path, size and sha256 of the new snapshot. etcd ends a snapshot with the sha256 of what is before it.
    ///
    /// k3s never removes a snapshot that was asked for: of homelab's own of this node, by their exact names, the newest five stay, and the
    /// first of an upgrade to this version, since one that was interrupted is taken back with it.
    static let saveSnapshot = """
        set -eu
        mkdir -p "$3"
        before=$(mktemp)
        trap 'rm -f "$before"' EXIT
        "$1" etcd-snapshot save --name "$2" --etcd-snapshot-dir "$3" >&2
        file=$(ls -t "$3/$2"-* 2>/dev/null | head -n 1)
        if [ -z "$file" ] || [ "$before" -nt "$file" ]; then echo "k3s saved no snapshot in $3" >&2; exit 1; fi
        size=$(wc -c <"$file")
        case $file in
        *.zip) [ "$(head -c 2 "$file")" = PK ] || { echo "$file is no archive" >&2; exit 1; } ;;
        *)
            [ "$((size % 512))" -eq 32 ] || { echo "$file has no checksum: it was not written to its end" >&2; exit 1; }
            sum=$(head -c "$((size - 32))" "$file" | sha256sum | cut -d ' ' -f 1)
            end=$(tail -c 32 "$file" | od -An -v -tx1 | tr -d ' \\n')
            [ "$sum" = "$end" ] || { echo "$file is damaged: its sha256 is $sum, not $end" >&2; exit 1; } ;;
        esac
        printf '%s %s %s\\n' "$file" "$size" "$(sha256sum "$file" | cut -d ' ' -f 1)"
        node=${file##*/"$2"-}
        node=${node%.zip}
        old=$(ls "$3" | awk -v end="-${node%-*}" '
            { stem = $0; sub(/\\.zip$/, "", stem); made = stem; sub(/.*-/, "", made) }
            made !~ /^[0-9]+$/ || length(made) != 10 { next }
            { stem = substr(stem, 1, length(stem) - 11); kind = substr(stem, 1, length(stem) - length(end)) }
            kind end != stem { next }
            kind ~ /^homelab-before-(removal|v[0-9]+\\.[0-9]+\\.[0-9]+(-(alpha|beta|rc)\\.?[0-9]+)?-k3s[0-9]+)$/ { print made, kind, $0 }
            ' | sort -rn | awk -v kind="$2" '{ name[NR] = $3 } $2 == kind && kind ~ /-before-v/ { first = NR }
            END { for (i = 6; i <= NR; i++) if (i != first) print name[i] }')
        [ -n "$old" ] || exit 0
        timeout 60 "$1" etcd-snapshot delete --etcd-snapshot-dir "$3" $old >&2 || :
        for one in $old; do rm -f "$3/$one"; done
        """

    /// The data folder's db, the folder for copies. Prints path, size and sha256 of the copy. The database is whole only while k3s is
    /// stopped. The newest five copies stay.
    static let copyDatabase = """
        set -eu
        umask 077
        mkdir -p "$2"
        rm -f "$2"/new.??????
        new=$(mktemp "$2/new.XXXXXX")
        trap 'rm -f "$new"' EXIT
        set -- "$1" "$2/sqlite-$(date -u +%Y%m%dT%H%M%SZ).tar"
        (cd "$1" && tar -cf "$new" --exclude=./snapshots .)
        tar -tf "$new" >/dev/null
        mv "$new" "$2"
        printf '%s %s %s\\n' "$2" "$(wc -c <"$2")" "$(sha256sum "$2" | cut -d ' ' -f 1)"
        ls "${2%/*}" | grep -E '^sqlite-[0-9]{8}T[0-9]{6}Z\\.tar$' | sort -r | tail -n +6 | while read -r old; do
        rm -f "${2%/*}/$old"
        done
        """

    /// target: what installBinary kept beside it comes back. `programs.sh` knows the copy by its name.
    static let restoreBinary = """
        set -eu
        [ -f "$1.prev" ] || { echo "there is no $1.prev" >&2; exit 1; }
        cp "$1.prev" "$1.homelab-back"
        chown 0:0 "$1.homelab-back"
        chmod 0755 "$1.homelab-back"
        mv -f "$1.homelab-back" "$1"
        if command -v restorecon >/dev/null 2>&1; then restorecon "$1" || :; fi
        """

    /// upload, target, sha256. Archives that homelab put there for another version go, once the new one is whole.
    static let installImages = """
        set -eu
        umask 077
        folder=${2%/*}
        mkdir -p "$folder"
        new=$(mktemp "$folder/.homelab.XXXXXX")
        trap 'rm -f "$new"' EXIT
        cat "$1" >"$new"
        sum=$(sha256sum "$new" | cut -d ' ' -f 1)
        [ "$sum" = "$3" ] || { echo "$1: sha256 is $sum, not $3" >&2; exit 1; }
        chown 0:0 "$new"
        chmod 0644 "$new"
        mv -f "$new" "$2"
        for file in "$folder"/homelab-*; do
        [ "$file" = "$2" ] || rm -f "$file"
        done
        rm -f "$1"
        """

    /// user, home, then the comments by which the lines are known.
    static let revokeKeys = """
        set -eu
        umask 077
        user=$1 keys=$2/.ssh/authorized_keys
        shift 2
        [ -f "$keys" ] || exit 0
        new=$(mktemp "$keys.XXXXXX")
        trap 'rm -f "$new"' EXIT
        awk 'BEGIN { for (i = 1; i < ARGC - 1; i++) { gone[ARGV[i]] = 1; ARGV[i] = "" } } !($NF in gone)' "$@" "$keys" >"$new"
        chmod 0600 "$new"
        chown "$user:$(id -gn "$user")" "$new"
        mv -f "$new" "$keys"
        if command -v restorecon >/dev/null 2>&1; then restorecon "$keys" || :; fi
        """
}
