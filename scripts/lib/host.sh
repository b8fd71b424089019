# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/demo.sh and scripts/test.sh: makes this machine able to run guests.
# Everything here can be called again and then finds nothing to do.

# shellcheck source=scripts/lib/kvm.sh
. "$(dirname "${BASH_SOURCE[0]}")/kvm.sh"

readonly _SYSTEM_URI=qemu:///system
readonly _LIBVIRT_WAIT_SECONDS=20

say() { printf '%s\n' "$*" >&2; }

# stop_with MESSAGE…: one line each, then the script ends.
stop_with() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# missing_packages PACKAGE…: prints those that are not installed, one per line.
missing_packages() {
    local package status
    for package in "$@"; do
        # A package apt never heard of has no status at all; one that was removed says "rc".
        status=$(LC_ALL=C dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) || status=
        [ "${status:0:2}" = ii ] || echo "$package"
    done
}

_require_apt() {
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null && return
    stop_with "this script installs packages with apt-get, which this machine does not have" \
        "run it on Debian 12 or later, or on Ubuntu 22.04 or later; it was about to install: $*"
}

# require_root_or_say PACKAGE…: without root there must be nothing left to install.
require_root_or_say() {
    local missing
    _require_apt "$@"
    [ "$(id -u)" -eq 0 ] && return
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -z "$missing" ] && return
    stop_with "packages are missing and only root can install them: $missing" \
        "run this script as root, or first:" \
        "sudo apt-get update && sudo apt-get install --no-install-recommends $missing"
}

_apt_get() {
    DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# install_packages PACKAGE…: what is missing and nothing else; the lists are fetched only when they prove too old.
install_packages() {
    local log began=$SECONDS
    local -a missing
    _require_apt "$@"
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -eq 0 ] && return
    [ "$(id -u)" -eq 0 ] || require_root_or_say "${missing[@]}"
    say "Installing ${#missing[@]} packages (a minute or two): ${missing[*]}"
    log=$(mktemp "${TMPDIR:-/tmp}/polyvirt-apt.XXXXXX")
    if ! _apt_get install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
        # Lists that are absent or older than the mirror name files that are not there.
        if ! { _apt_get update && _apt_get install --no-install-recommends "${missing[@]}"; } >>"$log" 2>&1; then
            tail -n 15 "$log" >&2
            stop_with "apt-get could not install: ${missing[*]}" "its whole output is in $log"
        fi
    fi
    rm -f "$log"
    say "Installed in $((SECONDS - began)) s"
}

_host_virsh() { LC_ALL=C virsh --quiet --connect "$_SYSTEM_URI" "$@" </dev/null; }

_libvirt_answers() { _host_virsh uri >/dev/null 2>&1; }

# Newer distributions split libvirtd into one daemon per driver, each woken by its socket.
_start_libvirt_by_systemd() {
    if systemctl cat libvirtd.service >/dev/null 2>&1; then
        systemctl enable --now --quiet libvirtd.service
    elif systemctl cat virtqemud.socket >/dev/null 2>&1; then
        systemctl enable --now --quiet virtqemud.socket virtnetworkd.socket virtstoraged.socket \
            virtnodedevd.socket virtsecretd.socket virtlogd.socket
    else
        stop_with "neither libvirtd.service nor virtqemud.socket is installed" \
            "apt-get install libvirt-daemon-system"
    fi
}

# As Debian's udev rule does, where udev runs. libvirt tries an emulator as root and then asks whether its own user may
# use the device: where only root may, it holds the answer for outdated and starts the emulator again at every question.
_open_kvm_to_its_group() {
    [ "$(stat -c %U:%G:%a /dev/kvm 2>/dev/null)" = root:root:600 ] || return 0
    ! getent group kvm >/dev/null || { chgrp kvm /dev/kvm && chmod 660 /dev/kvm; }
}

# _runs_here NAME: such a process runs; those in namespaces of their own, such as a container's, are others' daemons.
_runs_here() {
    local process
    for process in $(pidof "$1"); do
        [ "$(readlink "/proc/$process/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] || return 0
    done
    return 1
}

# In a container nothing starts daemons. libvirt waits for a guest's process until somebody has seen it end, which the
# first process of a container does late or never: tini does at once (0.2 instead of 1.6 s for each guest that is ended).
_start_libvirt_by_hand() {
    local command
    for command in virtlogd libvirtd tini; do
        command -v "$command" >/dev/null || stop_with "$command is not installed" \
            "apt-get install libvirt-daemon-system tini"
    done
    mkdir -p /run/libvirt
    # Whoever made it before: swtpm runs as a user of its own, and its socket lies below.
    chmod 755 /run/libvirt
    _open_kvm_to_its_group
    _runs_here virtlogd || virtlogd -d
    ! _runs_here libvirtd || return 0
    setsid tini -s -- libvirtd </dev/null >>/var/log/libvirt/libvirtd.log 2>&1 &
    # It is no job of the caller's, who may count or await its own.
    disown
}

_wait_for_libvirt() {
    local deadline=$((SECONDS + _LIBVIRT_WAIT_SECONDS))
    until _libvirt_answers; do
        [ $SECONDS -lt $deadline ] || stop_with \
            "libvirt does not answer at $_SYSTEM_URI after $_LIBVIRT_WAIT_SECONDS s" \
            "$(_host_virsh uri 2>&1 | tail -n 1)" \
            "look at: journalctl -u libvirtd, or run libvirtd in the foreground to see what it says"
        sleep 0.2
    done
}

# The first question about capabilities makes libvirt start every emulator once; better here, with a word,
# than inside the first task.
_warm_capabilities() {
    _host_virsh version >/dev/null || stop_with "libvirt runs but finds no usable QEMU" \
        "apt-get install qemu-system-x86"
}

# --name prints bare names; a grep on the table would also match inside other columns. Not -q: virsh writes line by line,
# and would be cut off, and so fail, where grep ends at the first.
_network_listed() { _host_virsh net-list --name "$@" | grep -x default >/dev/null; }

_ensure_default_network() {
    local definition=/usr/share/libvirt/networks/default.xml problem
    _network_listed && return
    if ! _network_listed --all; then
        [ -r "$definition" ] || stop_with "libvirt has no network named default and $definition is missing" \
            "apt-get install libvirt-daemon-config-network"
        _host_virsh net-define "$definition" >/dev/null
    fi
    # Somebody else may start it between the question and here; only the end counts.
    problem=$(_host_virsh net-start default 2>&1) || _network_listed || stop_with \
        "libvirt's network default does not start: ${problem##*error: }" \
        "it needs dnsmasq-base, iptables, the right to make a bridge, and 192.168.122.0/24 unused"
}

# ensure_libvirt: the daemon answers, knows its emulators, and the NAT network is up.
ensure_libvirt() {
    command -v virsh >/dev/null || stop_with "virsh is not installed" "apt-get install libvirt-clients"
    if ! _libvirt_answers; then
        [ "$(id -u)" -eq 0 ] || stop_with "libvirt does not answer at $_SYSTEM_URI, and only root can start it" \
            "run this script as root, or: sudo systemctl start libvirtd" \
            "(if it does run, your user must be in the group libvirt)"
        say "Starting libvirt (about ten seconds, it tries every emulator once)"
        if [ -d /run/systemd/system ]; then _start_libvirt_by_systemd; else _start_libvirt_by_hand; fi
        _wait_for_libvirt
    fi
    _warm_capabilities
    _ensure_default_network
}
