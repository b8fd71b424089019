#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Translations of the documentation, in docs/locales. Usage: scripts/languages.sh COMMAND [ARGUMENT...]; --help lists the
# commands. CONTRIBUTING.md describes how to correct or add a translation.
#
# scripts/languages.sh pictures DIRECTORY LANGUAGE... builds languages and takes pictures of three pages in each of them,
# as wide as on a desktop and as narrow as on a phone: DIRECTORY/LANGUAGE-PAGE-WIDTH.png. As root, it installs Debian's
# chromium and fonts.
set -euo pipefail
export LC_ALL=C.UTF-8

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
readonly CHECKOUT
# shellcheck source=scripts/lib/host.sh
. "$CHECKOUT/scripts/lib/host.sh"
# shellcheck source=scripts/lib/environments.sh
. "$CHECKOUT/scripts/lib/environments.sh"

environment=$(docsite_environment)
keep_bytecode

languages() { "$environment/bin/python" "$CHECKOUT/scripts/languages.py" "$@"; }

# take_picture PAGE WIDTH FILE
take_picture() {
    local profile
    profile=$(mktemp -d "${TMPDIR:-/tmp}/polyvirt-chromium.XXXXXX")
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" \
        --window-size="$2,1600" --screenshot="$3" "file://$1" >/dev/null 2>&1 || stop_with "chromium failed for $1"
    rm -rf "$profile"
}

take_pictures() {
    local directory=$1 language page width
    shift
    # Arabic and Devanagari; Chinese, Japanese and Korean.
    install_packages chromium fonts-noto-core fonts-noto-cjk
    mkdir -p "$directory"
    directory=$(cd "$directory" && pwd -P)
    languages build --directory "$directory" "$@"
    for language in "$@"; do
        for page in index first-steps images; do
            for width in 1400 480; do
                take_picture "$directory/html/$language/$page.html" "$width" "$directory/$language-$page-$width.png"
            done
        done
    done
}

if [ "${1-}" = pictures ]; then
    [ $# -ge 3 ] || stop_with "usage: scripts/languages.sh pictures DIRECTORY LANGUAGE..." "the pictures are in DIRECTORY"
    take_pictures "${@:2}"
else
    languages "$@"
fi
