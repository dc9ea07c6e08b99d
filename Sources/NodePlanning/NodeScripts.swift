/// The few shell scripts that steps run on a node, for dash, bash and busybox ash; each may be begun again after any interruption.
enum NodeScripts {
    /// path, mode, size; the content on standard input. The size guards against a connection that broke in the middle.
    static let writeFile = """
        set -eu
        umask 022
        mkdir -p "${1%/*}"
        umask 077
        new=$(mktemp "$1.XXXXXX")
        trap 'rm -f "$new"' EXIT
        cat >"$new"
        size=$(wc -c <"$new")
        [ "$size" -eq "$3" ] || { echo "$1: $size of $3 bytes arrived" >&2; exit 1; }
        chown 0:0 "$new"
        chmod "$2" "$new"
        mv -f "$new" "$1"
        if command -v restorecon >/dev/null 2>&1; then restorecon "$1" || :; fi
        """

    /// upload, target, sha256. The copy beside the target is what is checked and moved, since the upload is still in the user's hands.
    /// Begun again after it was moved, the one from before is kept already and must not be replaced by the new one. `programs.sh` knows
    /// the copy by its name.
    static let installBinary = """
        set -eu
        umask 077
        mkdir -p "${2%/*}"
        new=$(mktemp "$2.homelab-XXXXXX")
        trap 'rm -f "$new"' EXIT
        cat "$1" >"$new"
        sum=$(sha256sum "$new" | cut -d ' ' -f 1)
        [ "$sum" = "$3" ] || { echo "$1: sha256 is $sum, not $3" >&2; exit 1; }
        chown 0:0 "$new"
        chmod 0755 "$new"
        if [ -f "$2" ] && [ "$(sha256sum "$2" | cut -d ' ' -f 1)" != "$3" ]; then ln -f "$2" "$2.prev"; fi
        mv -f "$new" "$2"
        if command -v restorecon >/dev/null 2>&1; then restorecon "$2" || :; fi
        rm -f "$1"
        """

    /// verb, service: on a machine that OpenRC starts. A start never waits there: supervise-daemon is running at once.
    static let openRC = """
        set -eu
        case $1 in
        enable) rc-update add "$2" default >/dev/null ;;
        start) rc-service --ifstopped "$2" start || rc-service "$2" restart ;;
        stop) rc-service --ifexists --ifstarted "$2" stop ;;
        *) rc-service "$2" "$1" ;;
        esac
        """

    /// systemd's unit. One that is not there is stopped: an uninstallation goes on when the run that began it is cut off.
    static let stopUnit = """
        systemctl stop "$1" || ! systemctl cat "$1" >/dev/null 2>&1
        """

    /// target, then the links; what is there already stays.
    static let link = """
        set -eu
        target=$1
        shift
        for name; do
        [ -e "$name" ] || { rm -f "$name"; ln -s "$target" "$name"; }
        done
        """

    /// file, then words that its one line must have. The boot partition is FAT: written beside, flushed, renamed.
    static let extendLine = """
        set -eu
        file=$1
        shift
        line=$(head -n 1 "$file" | tr -d '\\r')
        for word; do
        case " $line " in *" $word "*) ;; *) line="$line $word" ;; esac
        done
        cp "$file" "$file.homelab-before"
        printf '%s\\n' "$line" >"$file.homelab-new"
        sync
        mv -f "$file.homelab-new" "$file"
        sync
        """

    /// path, owner, branch: what `git init --bare` makes, on machines without git. HEAD comes last: by it the repository counts as made.
    static let createRepository = """
        set -eu
        umask 022
        mkdir -p "$1/objects/info" "$1/objects/pack" "$1/refs/heads" "$1/refs/tags" "$1/hooks" "$1/info"
        [ -f "$1/config" ] || printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfilemode = true\\n\\tbare = true\\n' >"$1/config"
        [ -f "$1/HEAD" ] || printf 'ref: refs/heads/%s\\n' "$3" >"$1/HEAD.new"
        chown -R "$2:$(id -gn "$2")" "$1"
        [ -f "$1/HEAD" ] || mv -f "$1/HEAD.new" "$1/HEAD"
        """

    /// path, comment.
    static let generateKey = """
        set -eu
        umask 022
        mkdir -p "${1%/*}"
        umask 077
        if [ -s "$1" ]; then [ -s "$1.pub" ] || ssh-keygen -y -f "$1" >"$1.pub"; exit 0; fi
        rm -f "$1" "$1.pub" "$1.new" "$1.new.pub"
        ssh-keygen -q -t ed25519 -N '' -C "$2" -f "$1.new"
        mv -f "$1.new.pub" "$1.pub"
        mv -f "$1.new" "$1"
        """

    /// user, home, size; lines on standard input, all of them or nothing is changed. A line replaces the one with the same comment, which is
    /// its last word; others stay.
    static let authorizeKeys = """
        set -eu
        umask 077
        group=$(id -gn "$1")
        if [ ! -d "$2/.ssh" ]; then mkdir "$2/.ssh"; chown "$1:$group" "$2/.ssh"; fi
        keys=$2/.ssh/authorized_keys
        [ -e "$keys" ] || : >"$keys"
        new=$(mktemp "$keys.XXXXXX")
        lines=$(mktemp "$keys.XXXXXX")
        trap 'rm -f "$new" "$lines"' EXIT
        cat >"$lines"
        size=$(wc -c <"$lines")
        [ "$size" -eq "$3" ] || { echo "$keys: $size of $3 bytes arrived" >&2; exit 1; }
        awk 'FILENAME == ARGV[1] { ours[$NF] = 1; next } !($NF in ours)' "$lines" "$keys" >"$new"
        cat "$lines" >>"$new"
        chmod 0600 "$new"
        chown "$1:$group" "$new"
        mv -f "$new" "$keys"
        if command -v restorecon >/dev/null 2>&1; then restorecon "$keys" || :; fi
        """
}
