# shellcheck shell=bash
# A machine whose clock is off. The machines share the host's clock, so a small preloaded library shifts what programs read.

# Builds the library once per content.
clock_library() {
    local library compiler
    library=$CACHE/clock-$(short_hash <"$MACHINES/clock.c").so
    if [ ! -f "$library" ]; then
        mkdir -p "$CACHE"
        compiler=$(command -v cc || command -v gcc || command -v clang) || die "'clock' needs a C compiler: install gcc or clang"
        "$compiler" -O2 -Wall -Wextra -Werror -fPIC -shared -o "$library.part$$" "$MACHINES/clock.c" || die "$compiler cannot build clock.c"
        mv "$library.part$$" "$library"
    fi
    echo "$library"
}

lab_clock() { # NAME OFFSET
    require_machine "${1:-}"
    local name=$1 offset=${2:-} library inside octets='' bits
    [[ $offset =~ ^([+-]?)0*([0-9]{1,10})$ ]] || die "how far off shall the clock of $name be? 'lab clock $name -3600' sets it back an hour"
    offset=$((${BASH_REMATCH[1]}${BASH_REMATCH[2]}))
    library=$(clock_library)
    inside=/usr/lib/lab/${library##*/}
    for bits in 0 8 16 24 32 40 48 56; do printf -v octets '%s\\x%02x' "$octets" $(((offset >> bits) & 255)); done
    # shellcheck disable=SC2059 # the octets are the format
    printf "$octets" | write_file "$name" /etc/lab-clock
    write_file "$name" "$inside" <"$library"
    echo "$inside" | write_file "$name" /etc/ld.so.preload
    say "the clock of $name is off by $offset s"
}
