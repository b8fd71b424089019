#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes a root folder with a real VirtualBox whose machines start without the kernel driver. Prints root=…; a second
# call only prints. Exit code 77: VirtualBox cannot be had here, and the last line says why. README.md says more.
set -euo pipefail

SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${POLYVIRT_CACHE:-$HOME/.cache/polyvirt}/virtualbox
# VirtualBox is in no released Debian. The version is the recordings'; where the archive has only a newer one, that is
# taken, and what is compared with recordings literally is left out (test_session.py).
readonly SUITE=sid COMPONENTS=main,contrib VERSION=7.2.22
readonly KEYS=/usr/share/keyrings/debian-archive-keyring.gpg
readonly NOT_AVAILABLE=77

# shellcheck source=scripts/lib/debian_archive.sh
. "$SOURCES/../../../scripts/lib/debian_archive.sh"

say() { printf '%s\n' "$*" >&2; }
not_available() { say "$*"; exit "$NOT_AVAILABLE"; }

fingerprint() { cat "$SOURCES/build.sh" "$SOURCES/headless.py" | sha256sum | cut -c 1-12; }

require_tools() {
    local tool
    [ "$(id -u)" -eq 0 ] || not_available "only root can make and enter a root folder"
    for tool in mmdebstrap flock chroot unshare; do
        command -v "$tool" >/dev/null || not_available "$tool is missing: apt-get install mmdebstrap util-linux coreutils"
    done
    [ "$(dpkg --print-architecture)" = amd64 ] || not_available "VirtualBox in Debian is for amd64 alone"
    [ -r "$KEYS" ] || not_available "$KEYS is missing: apt-get install debian-archive-keyring"
}

# bootstrap ROOT MIRROR PACKAGE: the lists of a frozen mirror are old; that says nothing about who signed them.
bootstrap() {
    rm -rf --one-file-system "$1"
    mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
        --components="$COMPONENTS" --include="$3" --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        "$SUITE" "$1" "deb [signed-by=$KEYS] $2 $SUITE ${COMPONENTS//,/ }"
}

install_virtualbox() {
    local root=$1 mirror log=$1.log package
    mirror=$(debian_archive) || not_available "apt uses no Debian archive here that VirtualBox could come from"
    say "Installing VirtualBox in $CACHE (a minute, 650 MB)"
    for package in "virtualbox=$VERSION*" virtualbox; do
        bootstrap "$root" "$mirror" "$package" >"$log" 2>&1 && return
    done
    tail -n 5 "$log" >&2
    not_available "the package virtualbox could not be installed from $mirror; the whole output is in $log"
}

# Debian's own is setuid root and ends at once where there is no kernel driver.
replace_launcher() {
    local launcher=$1/usr/lib/virtualbox/VBoxHeadless
    rm -f "$launcher"
    { echo '#!/usr/bin/python3'; cat "$SOURCES/headless.py"; } >"$launcher"
    chmod 755 "$launcher"
}

build() {
    local root=$1 work=$1.making
    # One that was killed may have something mounted in it.
    rm -rf --one-file-system "$work"
    install_virtualbox "$work"
    replace_launcher "$work"
    # Moved when whole. Older ones stay: somebody may be in them.
    mv "$work" "$root"
    rm -f "$work.log"
}

main() {
    local root
    root=$CACHE/$(fingerprint)
    if [ ! -d "$root" ]; then
        require_tools
        mkdir -p "$CACHE"
        exec 9>"$CACHE/lock"
        flock 9
        [ -d "$root" ] || build "$root"
    fi
    printf 'root=%s\n' "$root"
}

main
