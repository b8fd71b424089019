# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/test.sh: directory trees of other Debian releases, with their libvirt, QEMU and Python. The script
# tests/suite/world runs tests in them. Needs scripts/lib/host.sh and scripts/lib/environments.sh before it.

# shellcheck source=scripts/lib/debian_archive.sh
. "$CHECKOUT/scripts/lib/debian_archive.sh"

# [name of a root]: its release. The bare one has no libvirt: the test of the role libvirt_host installs it there.
declare -Ar ROOTS=([debian13]=trixie [debian-testing]=testing [bare-debian13]=trixie)
readonly _BARE=bare-

readonly _ROOT_PACKAGES=(libvirt-daemon-system libvirt-clients libvirt-daemon-config-network qemu-system-x86 qemu-utils
    qemu-system-arm qemu-efi-aarch64 ipxe-qemu
    ovmf seabios dnsmasq-base nftables iptables passt swtpm swtpm-tools xorriso tini iproute2 kmod procps socat git busybox
    openssh-client dropbear-bin e2fsprogs dmidecode gpg gpgv ca-certificates python3-venv)
# What an installed Debian has, and what the test itself needs: SSH, and Python for the environment of debian13.
readonly _BARE_PACKAGES=(python3 systemd-sysv dbus polkitd udev kmod iptables libpam-systemd adduser iproute2 ca-certificates
    openssh-client)
# What a hosted runner of a CI system has in addition.
readonly _RUNNER_PACKAGES=(git python3-venv sudo)
# Options of mmdebstrap. The tree is a cache: it need not survive a power failure while it is created. The index of
# testing may be older than its own limit.
readonly _ROOT_OPTIONS=(--variant=minbase --mode=root --format=directory --aptopt='APT::Install-Recommends "false"'
    --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*'
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*')

readonly _ROOT_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# _root_packages NAME: prints the packages of a root.
_root_packages() {
    if [[ $1 = "$_BARE"* ]]; then
        printf '%s\n' "${_BARE_PACKAGES[@]}"
    else
        printf '%s\n' "${_ROOT_PACKAGES[@]}"
    fi
}

# _named_packages KIND: prints the packages of the kind apt or pip that the commands of documents install.
_named_packages() { python3 "$CHECKOUT/scripts/lib/named_packages.py" "$1"; }

# _later_packages: prints the packages that tests install in a bare root.
_later_packages() {
    _role_packages
    _named_packages apt
    printf '%s\n' "${_RUNNER_PACKAGES[@]}"
}

# _role_packages: prints the packages that the role libvirt_host installs.
_role_packages() {
    awk '/^__libvirt_host_[a-z_]*:/ { is_list = /_debian:/ }
        is_list && /^  - / { print $2 }
        /x86_64: \[qemu-system/ { gsub(/^.*\[|"\{.*/, ""); gsub(/, */, "\n"); printf "%s", $0 }' \
        "$CHECKOUT/roles/libvirt_host/vars/main.yml"
}

# root_tree NAME: prints the directory that the root has, or will have, in the cache: by release and list of packages.
root_tree() {
    local key
    [ -n "${ROOTS[$1]-}" ] || stop_with "there is no root '$1'" "known roots: ${!ROOTS[*]}"
    key=$(
        {
            echo "${ROOTS[$1]}"
            _root_packages "$1"
            printf '%s\n' "${_ROOT_OPTIONS[@]}"
            [[ $1 != "$_BARE"* ]] || { _later_packages && _named_packages pip; }
        } | sha256sum | cut -c 1-12
    )
    echo "$POLYVIRT_CACHE/roots/$1-$key"
}

# prepare_root NAME: creates the root unless it is in the cache, which takes some minutes, and prints its directory.
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
        if ! { _bootstrap "$1" "$folder/tree" && "$(_equipment_of "$1")" "$folder/tree" "$folder"; } >"$log" 2>&1; then
            tail -n 15 "$log" >&2
            stop_with "could not create the root '$1'" "its whole output is in $log"
        fi
        touch "$folder/complete"
        say "   created in $((SECONDS - began)) s"
    ) 9>"$folder.lock" || return
    echo "$folder"
}

# in_root_world NAME COMMAND...: in a world with the files of the root, and with its Python environment. A bare root has that
# of the other root with the same release, and the downloaded packages in $POLYVIRT_PACKAGES.
in_root_world() {
    local folder python
    folder=$(prepare_root "$1") || return
    python=$folder/python
    [[ $1 != "$_BARE"* ]] || python=$(prepare_root "${1#"$_BARE"}")/python || return
    shift
    POLYVIRT_PACKAGES=$folder/packages PATH=$python/bin:$_ROOT_PATH "$CHECKOUT/tests/suite/world" --root "$folder/tree" "$@"
}

# _bootstrap NAME TREE
_bootstrap() {
    local packages mirror
    packages=$(_root_packages "$1" | paste -s -d ,)
    mirror=$(debian_archive) || return
    mmdebstrap "${_ROOT_OPTIONS[@]}" --include="$packages" "${ROOTS[$1]}" "$2" "$mirror" </dev/null
}

# _equipment_of NAME: prints the function that adds what the root needs besides its packages.
_equipment_of() { if [[ $1 = "$_BARE"* ]]; then echo _download; else echo _equip; fi; }

# _download TREE FOLDER: what tests install in the tree: the packages of the role in FOLDER/packages; these and those that
# documents name in FOLDER/source, a source for apt; packages of Python in FOLDER/wheels, for the Python of the other root
# with the same release.
_download() {
    local other
    local -a wheels
    mapfile -t wheels < <(_named_packages pip)
    other=$(basename "$2")
    other=$(prepare_root "$(sed "s/^$_BARE//; s/-[0-9a-f]*$//" <<<"$other")") || return
    _download_packages "$1" "$2" packages _role_packages &&
        cp -al "$2/packages" "$2/source" &&
        _download_packages "$1" "$2" source _later_packages &&
        python3 "$CHECKOUT/scripts/lib/package_source.py" "$2/source" &&
        _in_root "$other/tree" "$other/python/bin/pip" download -q -d "$2/wheels" -c "$CHECKOUT/tests/constraints.txt" \
            pip "${wheels[@]}"
}

# _download_packages TREE FOLDER ARCHIVES LIST: the packages that the function LIST prints, in FOLDER/ARCHIVES.
_download_packages() {
    local -a packages apt=(apt-get -q -y -o APT::Sandbox::User=root -o "Dir::State::lists=$2/lists"
        -o "Dir::Cache::archives=$2/$3" -o Acquire::Check-Valid-Until=false)
    mapfile -t packages < <("$4")
    mkdir -p "$2/lists/partial" "$2/$3/partial"
    _in_root "$1" "${apt[@]}" update && _in_root "$1" "${apt[@]}" --no-install-recommends --download-only install "${packages[@]}"
}

# _equip TREE FOLDER: in FOLDER/python, a virtual environment of the root's own Python, with the versions of the other environments; then
# the results of libvirt's trial of each emulator, which are valid as long as the emulators do not change.
_equip() {
    local python=$2/python requirements=$CHECKOUT/tests/requirements.txt constraints=$CHECKOUT/tests/constraints.txt
    _in_root "$1" /usr/bin/python3 -m venv "$python" &&
        _in_root "$1" "$python/bin/pip" install -r "$requirements" -c "$constraints" &&
        "$CHECKOUT/tests/suite/world" --root "$1" tar -C /var/cache/libvirt -cf "$python/capabilities.tar" . &&
        tar -C "$1/var/cache/libvirt" -xpf "$python/capabilities.tar"
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
