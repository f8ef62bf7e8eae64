# What runs on a host before requorum does: looks around and writes nothing; then waits to be told which program to use.
# Before it stands a line with the directories that are asked about: set -- DIR...; and may_sudo=yes or no.
# POSIX sh with what GNU, BusyBox and toybox have. Everything that it says is one line, a word and its value.
LC_ALL=C
export LC_ALL
say() { printf '%s\n' "$*"; }
say requorum-look 1
say "system $(uname -s)"
say "machine $(uname -m)"
say "user $(id -un)"
as=
if [ "$(id -u)" = 0 ]; then
    say root is
elif [ "$may_sudo" = yes ] && sudo -n true </dev/null >/dev/null 2>&1; then
    as='sudo -n'
    say root sudo
else
    say root no
fi
say "time $(date +%s)"
for address in $({ hostname -I || ip -o addr show | awk '{ sub("/.*", "", $4); print $4 }'; } 2>/dev/null); do
    say "address $address"
done
for comm in /proc/[0-9]*/comm; do
    name=
    { read -r name <"$comm"; } 2>/dev/null
    if [ "$name" = etcd ]; then
        at=${comm%/comm}
        say "etcd ${at#/proc/} $({ tr '\0\n' '  ' <"$at/cmdline"; } 2>/dev/null)"
    fi
done
as() { $as "$@" </dev/null 2>/dev/null; }
for dir do
    say "dir $dir"
    if as test -d "$dir"; then
        if names=$(as ls -A -- "$dir"); then
            say state dir
            printf '%s\n' "$names" | head -n 50 | while IFS= read -r name; do
                if [ -n "$name" ]; then say "holds $name"; fi
            done
        else
            say state closed
        fi
    elif as test -e "$dir" || as test -L "$dir"; then
        say state file
    else
        say state absent
    fi
    there=$dir
    while ! as test -d "$there" && [ "$there" != / ] && [ "$there" != . ]; do
        there=$(dirname -- "$there")
    done
    say "there $there"
    say "owner $(as stat -c '%U:%G' -- "$there")"
    if as test -w "$there"; then say writable yes; else say writable no; fi
    # Filesystem 1024-blocks Used Available Capacity Mounted-on
    df=$(as df -Pk -- "$there" | tail -n 1)
    say "df $df"
    mount=${df##*% }
    say "options $({ awk -v mount="$mount" '$2 == mount { found = $4 } END { print found }' /proc/mounts; } 2>/dev/null)"
done
installed=$(command -v requorum 2>/dev/null)
case $installed in
/*)
    hash=$({ sha256sum <"$installed" | cut -c 1-64; } 2>/dev/null)
    say "installed $hash $installed"
    say "version $("$installed" --version </dev/null 2>/dev/null | head -n 1)"
    ;;
esac
say end

# No answer: the one who asked has seen enough.
IFS= read -r answer || exit 0
case $answer in
'use '*)
    say ready
    exec $as "${answer#use }" agent
    ;;
'send '*) ;;
*) exit 0 ;;
esac

bytes=${answer#send }
hash=${bytes#* }
bytes=${bytes%% *}
place=
# What a run left that was killed: its directory names a process that is no longer there.
for left in "${TMPDIR:-/tmp}" /var/tmp "${HOME:-/tmp}" /dev/shm; do
    for left in "$left"/requorum-agent.*; do
        if [ -O "$left" ] && [ ! -L "$left" ] && { read -r pid <"$left/pid"; } 2>/dev/null && ! [ -e "/proc/$pid" ]; then
            rm -rf -- "$left"
        fi
    done
done
trap 'if [ -n "$place" ]; then rm -rf -- "$place"; fi' EXIT
trap 'exit 1' HUP INT TERM PIPE
# A place of its own, for nobody else, where programs may be run and where it fits.
for dir in "${TMPDIR:-/tmp}" /var/tmp "${HOME:-/tmp}" /dev/shm; do
    place=$(mktemp -d "$dir/requorum-agent.XXXXXX" 2>/dev/null) || { place=; continue; }
    echo $$ >"$place/pid" 2>/dev/null
    free=$(df -Pk -- "$place" 2>/dev/null | tail -n 1 | awk '{ for (i = 2; i <= NF; i++) if ($i ~ /%$/) print $(i - 1) }')
    if [ "${free:-0}" -gt $((bytes / 1024 + 1024)) ] && printf '#!/bin/sh\nexit 0\n' >"$place/try" &&
        chmod 700 "$place/try" && "$place/try" 2>/dev/null; then
        break
    fi
    rm -rf -- "$place"
    place=
done
if [ -z "$place" ]; then
    say refused "no directory takes the program: /tmp, /var/tmp, the home directory and /dev/shm are full, or no program may be run there"
    exit 1
fi
say go
head -c "$bytes" >"$place/requorum" 2>/dev/null
if [ "$({ sha256sum <"$place/requorum" | cut -c 1-64; } 2>/dev/null)" != "$hash" ]; then
    say refused "the program did not arrive whole at $place, or the host has no sha256sum"
    exit 1
fi
chmod 700 "$place/requorum"
say ready
$as "$place/requorum" agent
