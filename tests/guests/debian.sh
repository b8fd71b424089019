#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds an image with Debian 12 and cloud-init by the recipe of role guest_image, unless it is built, and prints its path.
# Worlds have no network, so it is built before one is started.
set -euo pipefail

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
RECIPE=$CHECKOUT/roles/guest_image/files/debian
FOLDER=${POLYVIRT_TEST_IMAGES:-/var/lib/libvirt/images/polyvirt-tests}/debian

# packages: the base packages of the role.
packages() {
    awk '/^__/ { is_list = /^__guest_image_base_packages:/ } is_list && /^  - / { gsub(/"/, ""); print $2 }' \
        "$CHECKOUT/roles/guest_image/vars/main.yml" | sed 's/^linux-image-cloud-.*/linux-image-cloud-amd64/'
}

fingerprint() { { packages && find "$RECIPE" -type f -print0 | sort -z | xargs -0 cat; } | sha256sum | cut -d' ' -f1; }

build() {
    local work log=$FOLDER/log
    local -a names
    mapfile -t names < <(packages)
    work=$(mktemp -d "$FOLDER/work-XXXXXX")
    if ! SUITE=bookworm bash "$RECIPE/build-image" "$work" 2G "${names[@]}" >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        exit 1
    fi
    mv "$work/image" "$FOLDER/image"
    rm -rf -- "$work"
    fingerprint >"$FOLDER/fingerprint"
}

mkdir -p "$FOLDER"
exec 9>"$FOLDER/lock"
flock 9
if [ "$(cat "$FOLDER/fingerprint" 2>/dev/null)" != "$(fingerprint)" ] || ! [ -r "$FOLDER/image" ]; then
    rm -rf -- "$FOLDER/fingerprint" "$FOLDER/image" "$FOLDER"/work-*
    build
fi
echo "$FOLDER/image"
