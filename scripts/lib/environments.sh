# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/test.sh: Debian packages and Python environments, each made once and then only found.
# Needs scripts/lib/host.sh before it.

POLYVIRT_CACHE=${POLYVIRT_CACHE:-$HOME/.cache/polyvirt}

# shellcheck source=scripts/lib/debian_python.sh
. "$CHECKOUT/scripts/lib/debian_python.sh"

# keep_bytecode: beside the caches, never in the checkout. Containers often forbid it, and then each ansible-playbook would
# compile all of Ansible again, which takes longer than most tasks.
keep_bytecode() {
    export PYTHONPYCACHEPREFIX=$POLYVIRT_CACHE/pycache
    unset PYTHONDONTWRITEBYTECODE
}

# packages_of STAGE: what it needs from Debian, one list for all stages.
packages_of() {
    local common="git python3 python3-venv" guests="libvirt-clients openssh-client qemu-utils xorriso"
    case $1 in
        lint | sanity) echo "$common shellcheck" ;;
        unit | mutants) echo "$common $guests busybox debconf faketime gpg gpgv ruby signify-openbsd"
            # The page of a report is opened in a browser, which takes a minute to install with all that it needs.
            [ "$BELT" != deep ] || echo chromium ;;
        rulebook) echo "$common default-jre-headless" ;;
        *) echo "$common $guests libvirt-daemon-system qemu-system-x86 dnsmasq-base iptables mmdebstrap procps" \
            binutils busybox cpio dropbear-bin e2fsprogs grub-common grub-pc-bin iproute2 kmod ovmf rsync ruby swtpm \
            swtpm-tools tini
            # Guests of arm64, which have no tests in a quick run.
            [ "$BELT" = quick ] || echo qemu-system-arm qemu-efi-aarch64 ipxe-qemu dosfstools fdisk mtools
            [ "$1" != peers ] || echo python3-libvirt python3-lxml
            [ "$1" != cores ] || packages_of unit ;;
    esac
}

# unpack_cloud_init: cloud-init as the validator of its own format. The package is not installed, because it would
# configure this host at its next start. Without a source of the package, the tests that need it are skipped.
unpack_cloud_init() {
    local folder=$POLYVIRT_CACHE/cloud-init download
    [ -e "$folder" ] && return
    download=$(mktemp -d "$POLYVIRT_CACHE/cloud-init.XXXXXX")
    # apt's own user may not enter the directory; then apt says so and downloads as root.
    (cd "$download" && apt-get -qq download cloud-init >/dev/null 2>&1 && dpkg-deb -x cloud-init_*.deb unpacked &&
        mv unpacked "$folder") || say "   NOTE: could not download the package cloud-init; its tests are skipped"
    rm -rf "$download"
}

# find_python VERSION…: prints the first of these minor versions that is here and can make environments; those of Debian
# come first, because they are optimized.
find_python() {
    local version candidate
    for version in "$@"; do
        for candidate in "/usr/bin/python$version" "$(debian_python "$version")" "python$version" python3 \
            "$HOME"/.pyenv/versions/"$version".*/bin/python3; do
            # Debian's python3 without python3-venv has the module venv, but not the ensurepip that it needs.
            "$candidate" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" \
                2>/dev/null || continue
            command -v "$candidate"
            return
        done
    done
    stop_with "none of these Pythons can make an environment here: $*" \
        "apt-get install python3 python3-venv (Debian 12 or later)"
}

# _pip_install FOLDER ARGUMENT...: a mirror that fails is asked a second time.
_pip_install() {
    local pip=$1/bin/pip
    shift
    "$pip" install "$@" || "$pip" install "$@"
}

# environment NAME PYTHON REQUIREMENTS [CONSTRAINTS]: creates it unless it exists for these files; prints its folder.
environment() {
    local name=$1 python=$2 requirements=$3 folder log key began=$SECONDS
    local -a files=(-r "$requirements" ${4:+-c "$4"})
    key=$({ "$python" -VV && cat "$requirements" ${4:+"$4"}; } | sha256sum | cut -c 1-12)
    folder=$POLYVIRT_CACHE/environments/$name-$key
    log=$folder.log
    mkdir -p "${folder%/*}"
    (
        # Two runs may want the same environment; the second waits and finds it made.
        flock 9
        # The mark is written last: an environment that was cut off is created again.
        [ -e "$folder/complete" ] && exit
        say "   making the Python environment '$name' with $("$python" -V) …"
        rm -rf "$folder"
        if ! { "$python" -m venv "$folder" && _pip_install "$folder" "${files[@]}"; } >"$log" 2>&1; then
            tail -n 15 "$log" >&2
            stop_with "pip could not install $requirements" "its whole output is in $log"
        fi
        touch "$folder/complete"
        say "   made in $((SECONDS - began)) s"
    ) 9>"$folder.lock" || return
    echo "$folder"
}

# _test_environment NAME SUFFIX PYTHON: one of the tests' environments, with the versions of its constraints.
_test_environment() {
    environment "$1" "$3" "$CHECKOUT/tests/requirements$2.txt" "$CHECKOUT/tests/constraints$2.txt"
}

main_environment() {
    local python
    python=$(find_python 3.14 3.13 3.12 3.11) && _test_environment main "" "$python"
}

# What tests/peers and tests/bench compare with.
peers_environment() {
    local python
    python=$(find_python 3.14 3.13 3.12 3.11) && _test_environment peers -peers "$python"
}

# What tests/suite/test_rulebook.py runs, which is left out without --deep.
rulebook_environment() {
    local python
    python=$(find_python 3.12 3.11 3.13) && _test_environment rulebook -rulebook "$python"
}

# prepare_rulebook: for deep runs only, because it needs Java.
prepare_rulebook() {
    local -a packages
    read -ra packages < <(packages_of rulebook)
    install_packages "${packages[@]}"
    POLYVIRT_TEST_RULEBOOK=$(rulebook_environment) || return
    export POLYVIRT_TEST_RULEBOOK
}

# What scripts/docsite.sh builds the documentation site with.
docsite_environment() {
    local python
    python=$(find_python 3.14 3.13 3.12 3.11) && _test_environment docsite -docsite "$python"
}

importer_environment() {
    local python
    python=$(find_python 3.13 3.12 3.11) && _test_environment importer -importer "$python"
}

# The last of these has no ansible-core 2.16; the requirements then name the oldest it has.
oldest_environment() {
    local python
    python=$(find_python 3.11 3.12 3.10 3.13) && _test_environment oldest -oldest "$python"
}

# other_cores: prints the environments with another ansible-core than the main one, separated by colons: the oldest, and
# the next release, for which not every host has a Python.
other_cores() {
    local oldest next python
    oldest=$(oldest_environment) || return
    if ! python=$(find_python 3.14 3.13 2>/dev/null); then
        say "   NOTE: tests of several ansible-cores run without 2.22, which needs Python 3.13; none is here"
        echo "$oldest"
        return
    fi
    next=$(_test_environment next -next "$python") && echo "$oldest:$next"
}

# core_environment VERSION: with that ansible-core and otherwise the packages of the oldest.
core_environment() {
    local python requirements=$RUN/ansible-core-$1.txt constraints=$RUN/constraints-$1.txt
    python=$(find_python 3.12) || return
    echo "ansible-core==$1" >"$requirements"
    grep -v '^ansible-core' "$CHECKOUT/tests/constraints-oldest.txt" >"$constraints"
    environment "core-$1" "$python" "$requirements" "$constraints"
}

# suite_environment NAME PYTHON: with the ansible-core of requirements-NAME.txt, and all else that unit tests and suite
# need. The programs that check texts need an ansible-core of their own choice.
suite_environment() {
    local requirements=$RUN/suite-$1.txt constraints=$RUN/suite-constraints-$1.txt own=$CHECKOUT/tests/constraints-$1.txt
    local names others='^(ansible-core|ansible-lint|ansible-compat|molecule|antsibull)'
    { grep '^ansible-core' "$CHECKOUT/tests/requirements-$1.txt"; grep -vE "$others" "$CHECKOUT/tests/requirements.txt"; } >"$requirements"
    names=$(sed -n 's/==.*/==/p' "$own" | sort -u)
    { cat "$own"; grep -vF "$names" "$CHECKOUT/tests/constraints.txt" | grep -vE "$others"; } >"$constraints"
    environment "suite-$1" "$2" "$requirements" "$constraints"
}
