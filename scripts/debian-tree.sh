#!/usr/bin/env bash
# A Debian in a directory, in which packages are tried: made once for each text of this script, and kept in target/.
# Prints where it is. Needs root. What uses it takes a copy (cp -a), so that it stays as it was made.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=ca-certificates,nginx,rclone,sudo,systemd,curl,iproute2
# shellcheck disable=SC1091 # every Debian has it
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
tree=target/debian-$(cat scripts/debian-tree.sh <(echo "$suite") | sha256sum | cut -c1-12)

if [ ! -e "$tree.made" ]; then
    mkdir -p target
    # One maker at a time; who waited finds it made.
    exec 9> "$tree.lock"
    flock 9
fi
if [ ! -e "$tree.made" ]; then
    rm -rf --one-file-system "$tree"
    # From where this machine has its own packages, in its own way.
    sources=(/etc/apt/sources.list.d/debian.sources)
    [ -e "${sources[0]}" ] || sources=(/etc/apt/sources.list)
    options=()
    for file in /etc/apt/apt.conf.d/*; do
        case $(tr 'A-Z' 'a-z' < "$file") in
            *acquire::*) options+=(--aptopt="$file") ;;
        esac
    done
    # Nothing in it outlasts a test, so nothing in it has to reach the disk.
    mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" --dpkgopt=force-unsafe-io "${options[@]}" \
        "$suite" "$tree" "${sources[@]}" >&2
    # No service of it runs here, and none of these is needed to try what is tried.
    rm -rf "$tree"/usr/share/{doc,man,locale} "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*
    touch "$tree.made"
fi
echo "$PWD/$tree"
