# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/test.sh: directory trees of other Debian releases, with their libvirt, QEMU and Python. The script
# tests/suite/world runs tests in them. Needs scripts/lib/host.sh and scripts/lib/environments.sh before it.

# shellcheck source=scripts/lib/debian_archive.sh
. "$CHECKOUT/scripts/lib/debian_archive.sh"

# [name of a root]: its release.
declare -Ar ROOTS=([debian13]=trixie [debian-testing]=testing)

readonly _ROOT_PACKAGES=(libvirt-daemon-system libvirt-clients libvirt-daemon-config-network qemu-system-x86 qemu-utils
    ovmf seabios dnsmasq-base nftables iptables passt swtpm swtpm-tools xorriso tini iproute2 kmod procps socat git busybox
    openssh-client dropbear-bin e2fsprogs dmidecode gpg gpgv ca-certificates python3-venv)
# Options of mmdebstrap. The tree is a cache: it need not survive a power failure while it is created. The index of
# testing may be older than its own limit.
readonly _ROOT_OPTIONS=(--variant=minbase --mode=root --format=directory --aptopt='APT::Install-Recommends "false"'
    --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*')

readonly _ROOT_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# root_tree NAME: prints the directory that the root has, or will have, in the cache: by release and list of packages.
root_tree() {
    local key
    [ -n "${ROOTS[$1]-}" ] || stop_with "there is no root '$1'" "known roots: ${!ROOTS[*]}"
    key=$(printf '%s\n' "${ROOTS[$1]}" "${_ROOT_PACKAGES[@]}" "${_ROOT_OPTIONS[@]}" | sha256sum | cut -c 1-12)
    echo "$POLYVIRT_CACHE/roots/$1-$key"
}

# has_root NAME: whether it is in the cache, with its Python environment.
has_root() { [ -e "$(root_tree "$1")/complete" ]; }

# prepare_root NAME: creates the root unless it exists, and prints its directory. Only deep runs, and single tests that ask
# for it, wait for that: it takes some minutes.
prepare_root() {
    local folder began=$SECONDS log
    folder=$(root_tree "$1") || exit 1
    log=$folder.log
    mkdir -p "${folder%/*}"
    (
        flock 9
        [ -e "$folder/complete" ] && exit
        say "   creating the root '$1' (Debian ${ROOTS[$1]}) from its packages, which takes some minutes …"
        rm -rf "$folder"
        mkdir "$folder"
        if ! { _bootstrap "${ROOTS[$1]}" "$folder/tree" && _equip "$folder/tree" "$folder/python"; } >"$log" 2>&1; then
            tail -n 15 "$log" >&2
            stop_with "could not create the root '$1'" "its whole output is in $log"
        fi
        touch "$folder/complete"
        say "   created in $((SECONDS - began)) s"
    ) 9>"$folder.lock" || return
    echo "$folder"
}

# in_root_world NAME COMMAND...: in a world with the files of the root, and with its Python environment.
in_root_world() {
    local folder
    folder=$(prepare_root "$1") || return
    shift
    PATH=$folder/python/bin:$_ROOT_PATH "$CHECKOUT/tests/suite/world" --root "$folder/tree" "$@"
}

_bootstrap() {
    local packages mirror
    packages=$(IFS=,; echo "${_ROOT_PACKAGES[*]}")
    mirror=$(debian_archive) || return
    mmdebstrap "${_ROOT_OPTIONS[@]}" --include="$packages" "$1" "$2" "$mirror" </dev/null
}

# _equip TREE ENVIRONMENT: a virtual environment of the root's own Python, with the versions of the other environments; then
# the results of libvirt's trial of each emulator, which are valid as long as the emulators do not change.
_equip() {
    local requirements=$CHECKOUT/tests/requirements.txt constraints=$CHECKOUT/tests/constraints.txt
    _in_root "$1" /usr/bin/python3 -m venv "$2" &&
        _in_root "$1" "$2/bin/pip" install -r "$requirements" -c "$constraints" &&
        "$CHECKOUT/tests/suite/world" --root "$1" tar -C /var/cache/libvirt -cf "$2/capabilities.tar" . &&
        tar -C "$1/var/cache/libvirt" -xpf "$2/capabilities.tar"
}

# _in_root TREE COMMAND...: with the network of this host, and its files that pip's settings may name.
_in_root() {
    local tree=$1
    shift
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -euc '
        tree=$1 path=$2 cache=$3 checkout=$4; shift 4
        mount --rbind /dev "$tree/dev"
        mount -t proc proc "$tree/proc"
        for folder in "$cache" "$checkout" /opt /etc/ssl "$HOME/.config/pip" "$HOME/.pip"; do
            [ -d "$folder" ] || continue
            mkdir -p "$tree$folder"
            mount --rbind "$folder" "$tree$folder"
        done
        for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
            [ -e "$file" ] || continue
            [ -e "$tree$file" ] || touch "$tree$file"
            mount --bind "$file" "$tree$file"
        done
        PATH=$path exec chroot "$tree" "$@"' in-root "$tree" "$_ROOT_PATH" "$POLYVIRT_CACHE" "$CHECKOUT" "$@"
}
