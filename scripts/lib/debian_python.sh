# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/lib/environments.sh: the Python of Debian 13, for hosts of which the own one is too old for the newest
# ansible-core. Those that pyenv builds are not optimized: with them, the tests take 30 % more time.

# shellcheck source=scripts/lib/debian_archive.sh
. "$CHECKOUT/scripts/lib/debian_archive.sh"

readonly _PYTHON_RELEASE=trixie _PYTHON_VERSION=3.13
readonly _KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# debian_python VERSION: prints its path in the cache. Nothing if it is another version, or if it cannot be downloaded; then
# it is tried again after an hour.
debian_python() {
    local folder=$POLYVIRT_CACHE/python-$_PYTHON_RELEASE
    [[ $1 = "$_PYTHON_VERSION" && -e $_KEYRING ]] || return 0
    mkdir -p "$POLYVIRT_CACHE"
    (
        flock 9
        [ -z "$(find "$folder/complete" "$folder.log" -mmin -60 2>/dev/null)" ] && [ ! -e "$folder/complete" ] || exit 0
        rm -rf "$folder"
        mkdir -p "$folder/lists/partial" "$folder/archives/partial" "$folder/tree"
        if _unpack_python "$folder" >"$folder.log" 2>&1; then
            touch "$folder/complete"
        else
            say "   NOTE: could not download the Python of Debian 13: $(tail -n 1 "$folder.log")"
        fi
    ) 9>"$folder.lock"
    [ ! -e "$folder/complete" ] || echo "$folder/tree/usr/bin/python$_PYTHON_VERSION"
}

# _unpack_python FOLDER: from Debian's packages, with the C library that it needs.
_unpack_python() {
    local archive package libraries loader tree=$1/tree
    local -a apt=(apt-get -q -y -o "Dir::Etc::SourceList=$1/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::lists=$1/lists" -o Dir::State::status=/dev/null -o "Dir::Cache=$1" -o APT::Sandbox::User=root
        -o APT::Install-Recommends=false)
    archive=$(debian_archive) || return
    echo "deb [signed-by=$_KEYRING] $archive $_PYTHON_RELEASE main" >"$1/sources.list"
    "${apt[@]}" update && "${apt[@]}" --download-only install "python$_PYTHON_VERSION-venv" || return
    for package in "$1"/archives/*.deb; do dpkg-deb -x "$package" "$tree" || return; done
    libraries=$(echo "$tree"/usr/lib/*-linux-gnu*)
    loader=$(echo "$libraries"/ld-linux-*)
    # All its paths are those of the tree.
    sed -i "s#/usr/share/python-wheels#$tree&#" "$tree"/usr/lib/python*/_sysconfigdata_*.py
    # Of the release of this host: what patchelf 0.18 writes ends with a segmentation fault.
    (cd "$1" && apt-get -qq download patchelf && dpkg-deb -x patchelf_*.deb patchelf) || return
    "$1/patchelf/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" \
        "$tree/usr/bin/python$_PYTHON_VERSION" || return
    "$tree/usr/bin/python$_PYTHON_VERSION" -c 'import ctypes, ensurepip, sqlite3, ssl, venv'
}
