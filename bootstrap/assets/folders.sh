# Taking folders away with all that is in them, wherever a link or a mount has put it: shell functions in front of uninstall.sh, for dash,
# bash and busybox ash. $kubelet and $pods are the kubelet's folder and the one of its pods, with no link in their paths.

# Where a path leads: an operator may have put a folder on another disk and a link in its place.
resolved() { readlink -f "$1" 2>/dev/null || printf '%s\n' "$1"; }

# What is mounted at paths that begin so, the innermost first: kind of file system, a blank, mount point. The kernel writes a blank in a path
# as \040. One with a line's end in it is left out, and so is told as something that could not be removed.
mounts() {
    while read -r _ point type _; do
        case $point in
        *\\012*) continue ;;
        *\\*) point=$(printf '%b' "$(printf '%s' "$point" | sed 's/\\/\\0/g')") ;;
        esac
        case $point in "$1"*) printf '%s %s\n' "$type" "$point" ;; esac
    done </proc/self/mounts | LC_ALL=C sort -k 2 -r
}

# The beginning of the paths, then a pattern for the rest of them.
unmount() {
    mounts "$1" | while IFS= read -r line; do
        point=${line#* }
        # shellcheck disable=SC2254
        case ${point#"$1"} in $2) umount -f "$point" 2>/dev/null || umount -l "$point" 2>/dev/null ;; esac
    done
}

# Other machines may have it too.
is_shared() { case $1 in nfs* | cifs | smb3 | ceph | glusterfs | lustre | 9p | virtiofs | fuse.*) ;; *) return 1 ;; esac; }
# A pod's, that could not be unmounted: never this machine's to take away.
is_volume() { case $1 in "$kubelet"/*/* | "$pods"/*) ;; *) return 1 ;; esac; }

# The disks that are mounted below a folder, and whose content goes with it.
disks() {
    mounts "$1/" | while IFS= read -r line; do
        is_volume "${line#* }" || is_shared "${line%% *}" || printf '%s\n' "${line#* }"
    done
}

# Whether a path is on a file system that other machines may have too.
is_on_shared() {
    is_shared "$(mounts / | while IFS= read -r line; do
        point=${line#* }
        case $1/ in "${point%/}"/*)
            printf '%s\n' "${line%% *}"
            break
            ;;
        esac
    done)"
}

# Takes away what is in a folder, and nothing of what is mounted below. Without -delete, which not every busybox has.
empty() {
    find "$1" -xdev -mindepth 1 ! -type d -exec rm -f {} + 2>/dev/null
    find "$1" -xdev -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
}

# The first thing that is still in a folder, but for mount points and the folders that lead to them.
remains() {
    {
        mounts "$1/" | while IFS= read -r line; do is_volume "${line#* }" || printf '%s\n' "${line#* }"; done
        echo
        find "$1" -xdev -mindepth 1 -print 2>/dev/null
    } | awk '
        NF == 0 && !rest { rest = 1; next }
        !rest { point[++n] = $0 "/"; next }
        { for (i = 1; i <= n; i++) if (index(point[i], $0 "/") == 1) next; print; exit }'
}

# Prints what could not be taken away of a folder that has no link in its path, and of the disks below it.
left_of() {
    [ -d "$1" ] || return 0
    { printf '%s\n' "$1"; disks "$1"; } | while IFS= read -r place; do remains "$place"; done
}

# Takes away a folder. Disks that are mounted there or below lose what is on them and stay mounted; a link goes after what it leads to.
clear_folder() {
    place=$(resolved "$1")
    if [ -d "$place" ]; then
        mounts "$place/" | while IFS= read -r line; do
            point=${line#* }
            # Were it mounted from this very disk, nothing would tell it from the folder's own.
            if is_volume "$point"; then echo "cannot unmount $point"; exit 1; fi
            if is_shared "${line%% *}"; then echo "leaves what is on $point: other machines may have it too (${line%% *})"; fi
        done || return 0
        disks "$place" | while IFS= read -r disk; do empty "$disk"; done
        empty "$place"
        rmdir "$place" 2>/dev/null
        [ -z "$(left_of "$place")" ] || return 0
    elif [ -L "$1" ]; then
        tell_dangling "$1" "$place"
    fi
    # What is still a folder is a mount point, or leads to one.
    if [ -L "$1" ] || [ ! -d "$1" ]; then rm -f "$1"; fi
    return 0
}
tell_dangling() { echo "$1 leads to $2, which is not there: what may be on it stays"; }

# What has to be gone at the end, with no links in its path, one a line.
places=
take() {
    places="$places$(resolved "$1")
"
    clear_folder "$1"
}

# Takes a folder, and if it is a link then of what it leads to only what k3s puts there, whose names follow as patterns: the disk may hold
# other things beside.
take_of() {
    link=$1 where=$(resolved "$1") whole=yes
    shift
    if [ ! -L "$link" ]; then
        take "$link"
        return 0
    fi
    [ -d "$where" ] || tell_dangling "$link" "$where"
    for name; do
        for path in "$where"/$name; do
            take "$path"
            [ -z "$(left_of "$path")" ] || whole=
        done
    done
    rmdir "$where" 2>/dev/null
    [ -z "$whole" ] || rm -f "$link"
    return 0
}

# k3s' folder, of which every part may be a link of its own. One that is still there leads to what a further run has to find.
take_k3s() {
    for part in server/db agent/containerd agent server data; do
        if [ -L "$1/$part" ]; then take "$1/$part"; fi
    done
    if [ -L "$1/storage" ] && is_on_shared "$(resolved "$1/storage")"; then
        echo "leaves what is in $(resolved "$1/storage"): other machines may have it too"
        rm -f "$1/storage"
    elif [ -L "$1/storage" ]; then
        take_of "$1/storage" 'pvc-*'
    fi
    for part in server/db agent/containerd agent server data storage; do
        if [ -L "$1/$part" ]; then return 0; fi
    done
    take_of "$1" agent data server storage
}

# The kubelet's, in the same way.
take_kubelet() {
    if [ -L "$1/pods" ]; then take "$1/pods"; fi
    [ -L "$1/pods" ] ||
        take_of "$1" pods plugins plugins_registry device-plugins pod-resources checkpoints seccomp usernamespaces pki '*_state'
}

# Prints what of all that was to be taken is still there.
left() { printf '%s' "$places" | while IFS= read -r place; do left_of "$place"; done; }
