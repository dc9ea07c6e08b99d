# shellcheck shell=bash
# The root file system of a fresh plain Debian machine: built once with mmdebstrap, then shared read-only by all machines.
# Two steps, each cached under its own hash: the packages (slow, needs a Debian mirror) and the finished tree (seconds).
#
# A kind of machine is a suite, or a suite and a variant: bookworm, trixie, bookworm-extras (ufw, firewalld and NetworkManager are there, and
# rest; so are doas and the package managers of Fedora and openSUSE), bookworm-openrc (OpenRC in systemd's place, and doas).

IMAGE_SUITES="bookworm trixie"
IMAGE_VARIANTS="plain extras openrc"
PACKAGE_RECIPE=1 # raise when the way packages are installed changes
FINISH_RECIPE=3  # raise when finish_image changes

# A Debian server as an installer leaves it, plus the login shells that tests of remote commands need. No git, no container runtime.
packages_of() { # KIND
    local packages=systemd-sysv,dbus,libpam-systemd
    [[ $1 != *-openrc ]] || packages=sysvinit-core,openrc,busybox,opendoas
    packages+=,openssh-server,sudo,iproute2,iptables,nftables,procps,kmod,util-linux,netbase
    packages+=,ca-certificates,curl,iputils-ping,logrotate,tzdata,less,zsh,tcsh,fish
    case ${1%%-*} in
    bookworm) ;;
    *) packages+=,linux-sysctl-defaults ;; # ping for everybody without capabilities came to its own package after bookworm
    esac
    [[ $1 != *-extras ]] || packages+=,ufw,firewalld,network-manager,opendoas,dnf,zypper,rpm,createrepo-c
    echo "$packages"
}

# What a machine with these options lies on.
image_kind() { # NAME
    local suite
    suite=$(option "$1" suite bookworm)
    if [ "$(option "$1" init systemd)" = openrc ]; then
        echo "$suite-openrc"
    elif [[ $(option "$1" firewall none) != none || $(option "$1" extras 0) != 0 ]]; then
        echo "$suite-extras"
    else
        echo "$suite"
    fi
}

short_hash() { sha256sum | cut -c1-12; }
packages_tar() { echo "$CACHE/packages-$1-$(echo "$PACKAGE_RECIPE $(packages_of "$1")" | short_hash).tar.zst"; }

# Where the machines of a suite find their shared tree; its name changes with everything that makes its content.
image_root() { # KIND
    local content
    content=$(
        echo "$FINISH_RECIPE $PACKAGE_RECIPE $(packages_of "$1")"
        cat "$MACHINES/image/"*
        [[ $1 != *-* ]] || cat "$MACHINES/image-${1#*-}/"*
    )
    echo "$CACHE/image-$1-$(echo "$content" | short_hash)"
}

# The mirrors that apt on this host uses, so that nothing is assumed about where Debian packages come from.
debian_mirror() { # LABEL, "Debian" or "Debian-Security"
    local uri
    # shellcheck disable=SC2016 # apt's own variable
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Label: $1" 2>/dev/null | sed -n 1p)
    echo "${uri%/}"
}

# Builds whatever of the image is missing; two labs that start at once wait for each other instead of building twice.
ensure_image() { # KIND
    local kind=$1 root variant=plain
    case " $IMAGE_SUITES " in *" ${kind%%-*} "*) ;; *) die "no image for suite '${kind%%-*}': use one of: $IMAGE_SUITES" ;; esac
    [[ $kind != *-* ]] || variant=${kind#*-}
    case " $IMAGE_VARIANTS " in *" $variant "*) ;; *) die "no variant '$variant' of $kind: use one of: $IMAGE_VARIANTS" ;; esac
    root=$(image_root "$kind")
    [ -d "$root" ] && return
    mkdir -p "$CACHE"
    (
        flock 8
        if [ ! -d "$root" ]; then
            install_packages "$kind"
            finish_image "$kind" "$root"
        fi
    ) 8>"$CACHE/lock"
}

install_packages() { # KIND
    local kind=$1 suite=${1%%-*} tar started=$EPOCHREALTIME main security
    tar=$(packages_tar "$kind")
    [ -f "$tar" ] && return
    command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: run Tests/TestBed/prerequisites"
    main=${HOMELAB_LAB_MIRROR:-$(debian_mirror Debian)}
    security=${HOMELAB_LAB_SECURITY_MIRROR:-$(debian_mirror Debian-Security)}
    [ -n "$main" ] || die "apt on this host has no Debian mirror: run 'apt-get update', or name one in HOMELAB_LAB_MIRROR"
    say "installing the packages of a plain Debian ($kind): one to three minutes, once"
    local sources=("deb $main $suite main" "deb $main $suite-updates main")
    [ -z "$security" ] || sources+=("deb $security $suite-security main")
    local options=(--quiet --variant=apt --format=tar --include="$(packages_of "$kind")" --aptopt='Apt::Install-Recommends "false"')
    local folder
    for folder in doc man locale info; do options+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done
    local try # a mirror that breaks off once is asked again
    for try in 1 2 3; do
        mmdebstrap "${options[@]}" "$suite" - "${sources[@]}" 2>"$CACHE/mmdebstrap.log" | zstd -q -3 -T0 -f -o "$tar.part" && break
        rm -f "$tar.part"
        say "attempt $try failed: $(tail -n 3 "$CACHE/mmdebstrap.log" | tr '\n' ' ')"
        [ "$try" = 3 ] || sleep 10
    done
    [ -f "$tar.part" ] || die "mmdebstrap failed for $kind, all of it is in $CACHE/mmdebstrap.log"
    mv "$tar.part" "$tar"
    say "packages of $kind installed in $(seconds_since "$started") s"
}

# Takes away what the packages' installation made for one machine alone, adds the user, and makes the boot quiet and quick.
finish_image() { # KIND ROOT
    local kind=$1 root=$2 tree=$2.part started=$EPOCHREALTIME
    rm -rf "$tree"
    mkdir -p "$tree"
    # xattrs carry file capabilities: ping has one
    tar --zstd --xattrs --xattrs-include='*' --numeric-owner -xpf "$(packages_tar "$kind")" -C "$tree"
    rm -f "$tree"/etc/ssh/ssh_host_* "$tree"/var/lib/dbus/machine-id "$tree"/etc/apt/sources.list.d/*
    : >"$tree/etc/machine-id"
    : >"$tree/etc/resolv.conf"
    : >"$tree/etc/apt/sources.list"
    echo LANG=C.UTF-8 >"$tree/etc/default/locale"
    chroot "$tree" useradd --create-home --shell /bin/bash "$LAB_USER"
    printf '%s:%s\n' root "$ROOT_PASSWORD" "$LAB_USER" "$USER_PASSWORD" | chroot "$tree" chpasswd
    install -D -m 755 "$MACHINES/image/kernel-view" "$tree/usr/lib/lab/kernel-view"
    if [[ $kind = *-openrc ]]; then finish_openrc "$tree"; else finish_systemd "$tree"; fi
    case $kind in *-extras) finish_extras "$tree" ;; esac
    touch "$tree" # its age, for remove_old_images
    mv "$tree" "$root"
    remove_old_images
    say "image $kind ready in $(seconds_since "$started") s, $(du -sm "$root" | cut -f 1) MiB in $root"
}

finish_systemd() { # TREE
    local tree=$1 unit
    # What runs by the clock would change a machine in the middle of a test.
    for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
        logrotate.timer man-db.timer console-getty.service getty@.service systemd-networkd-wait-online.service; do
        ln -sf /dev/null "$tree/etc/systemd/system/$unit"
    done
    install -D -m 644 "$MACHINES/image/manager.conf" "$tree/etc/systemd/system.conf.d/90-lab.conf"
    install -D -m 644 "$MACHINES/image/journald.conf" "$tree/etc/systemd/journald.conf.d/90-lab.conf"
    install -D -m 644 "$MACHINES/image/lab-kernel-view.service" "$tree/etc/systemd/system/lab-kernel-view.service"
    mkdir -p "$tree/etc/systemd/system/sysinit.target.wants"
    ln -sf ../lab-kernel-view.service "$tree/etc/systemd/system/sysinit.target.wants/"
}

# What looks after disks and consoles has nothing to look after; what runs by the clock would change a machine in the middle of a test.
finish_openrc() { # TREE
    local service
    for service in checkroot.sh checkroot-bootclean.sh checkfs.sh mountall.sh mountall-bootclean.sh mountnfs.sh mountnfs-bootclean.sh \
        mountdevsubfs.sh hwclock.sh kmod brightness; do
        rm -f "$1"/etc/runlevels/*/"$service"
    done
    chmod -x "$1"/etc/cron.*ly/*
    for service in mountkernfs.sh mountdevsubfs.sh mount-configfs; do install -m 755 "$MACHINES/image-openrc/mounted" "$1/etc/init.d/$service"; done
    install -m 644 "$MACHINES/image-openrc/inittab" "$1/etc/inittab"
}

# All are there and rest; a machine's own disk says which of them is to work. ufw knows of SSH, as firewalld does by itself.
finish_extras() { # TREE
    rm -f "$1"/etc/systemd/system/*.wants/{firewalld,NetworkManager*,nm-*}.service "$1"/etc/systemd/system/dbus-*NetworkManager*.service
    rm -f "$1"/etc/systemd/system/dbus-*nm-dispatcher*.service
    chroot "$1" ufw allow 22/tcp comment SSH >/dev/null
}

# Images of earlier recipes go after a day, unless a machine of a lab that is up lies on one.
remove_old_images() {
    local folder image
    find "$CACHE" -mindepth 1 -maxdepth 1 -type d -name 'image-*' -mmin +1440 | while read -r image; do
        for folder in $(cat "$RUN"/* 2>/dev/null); do
            ! grep -qsxF "$image" "$folder"/machines/*/image || continue 2
        done
        rm -rf --one-file-system "$image"
    done
}

# What modprobe inside a machine answers. A kernel with modules: the host's folder, so that a loaded module is found.
# A kernel without: a folder that names the built-in features as Debian's kernel package would, read from the kernel's own configuration.
kernel_modules() {
    local release host made
    release=$(uname -r)
    host=/lib/modules/$release
    made=$CACHE/modules-$release-$(short_hash <"$MACHINES/builtin-modules")
    if [ -d "$host" ]; then
        local module
        for module in overlay br_netfilter vxlan nf_conntrack; do modprobe -q "$module" || true; done
        echo "$host"
        return
    fi
    [ -r /proc/config.gz ] || return 0
    if [ ! -d "$made" ]; then
        local part=$made.$$
        command -v depmod >/dev/null || die "depmod is missing: run Tests/TestBed/prerequisites"
        mkdir -p "$part/lib/modules/$release"
        : >"$part/lib/modules/$release/modules.order"
        builtin_modules >"$part/lib/modules/$release/modules.builtin"
        depmod -b "$part" "$release" 2>/dev/null
        mv -T "$part" "$made" 2>/dev/null || rm -rf "$part" # another lab was quicker
    fi
    echo "$made/lib/modules/$release"
}

builtin_modules() {
    local option path built_in
    built_in=" $(zcat /proc/config.gz | sed -n 's/^CONFIG_\(.*\)=y$/\1/p' | tr '\n' ' ')"
    while read -r option path; do
        [[ $built_in != *" $option "* ]] || echo "kernel/$path.ko"
    done <"$MACHINES/builtin-modules"
}
