# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/demo.sh and scripts/test.sh: prepares this host to run guests.
# All functions can be called again and then find nothing to do.

# shellcheck source=scripts/lib/kvm.sh
. "$(dirname "${BASH_SOURCE[0]}")/kvm.sh"

readonly _SYSTEM_URI=qemu:///system
readonly _LIBVIRT_WAIT_SECONDS=20

say() { printf '%s\n' "$*" >&2; }

# stop_with MESSAGE…: prints one line for each message and ends the script.
stop_with() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# missing_packages PACKAGE…: prints the packages that are not installed, one per line.
missing_packages() {
    local package status
    for package in "$@"; do
        # A package that apt does not know has no status; the status of a removed package is "rc".
        status=$(LC_ALL=C dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) || status=
        [ "${status:0:2}" = ii ] || echo "$package"
    done
}

_require_apt() {
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null && return
    stop_with "this script installs packages with apt-get, which this host does not have" \
        "run it on Debian 12 or later, or on Ubuntu 22.04 or later; it needs these packages: $*"
}

# require_root_or_say PACKAGE…: without root, all packages must be installed already.
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

# install_packages PACKAGE…: installs only missing packages; it downloads the package lists only if they are too old.
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
        # Package lists that are missing or outdated name files that the mirror does not have.
        if ! { _apt_get update && _apt_get install --no-install-recommends "${missing[@]}"; } >>"$log" 2>&1; then
            tail -n 15 "$log" >&2
            stop_with "apt-get could not install: ${missing[*]}" "see its whole output in $log"
        fi
    fi
    rm -f "$log"
    say "Installed in $((SECONDS - began)) s"
}

_host_virsh() { LC_ALL=C virsh --quiet --connect "$_SYSTEM_URI" "$@" </dev/null; }

_libvirt_answers() { _host_virsh uri >/dev/null 2>&1; }

# Newer distributions split libvirtd into one daemon per driver, each started by its socket.
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

# Does what Debian's udev rule does on hosts with udev. libvirt starts an emulator as root and then checks whether its
# own user may use the device. If only root may, it regards the result as outdated and starts the emulator for every
# query.
_open_kvm_to_its_group() {
    [ "$(stat -c %U:%G:%a /dev/kvm 2>/dev/null)" = root:root:600 ] || return 0
    ! getent group kvm >/dev/null || { chgrp kvm /dev/kvm && chmod 660 /dev/kvm; }
}

# _runs_here NAME: true if such a process runs in this namespace; processes of other namespaces, such as containers, do
# not count.
_runs_here() {
    local process
    for process in $(pidof "$1"); do
        [ "$(readlink "/proc/$process/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] || return 0
    done
    return 1
}

# In a container no service manager starts daemons. libvirt waits until the ended process of a guest has been reaped.
# The first process of a container does this late or never; tini does it at once (0.2 instead of 1.6 s for each guest).
_start_libvirt_by_hand() {
    local command
    for command in virtlogd libvirtd tini; do
        command -v "$command" >/dev/null || stop_with "$command is not installed" \
            "apt-get install libvirt-daemon-system tini"
    done
    mkdir -p /run/libvirt
    # The directory may exist with another mode. swtpm runs as its own user, and its socket is in this directory.
    chmod 755 /run/libvirt
    _open_kvm_to_its_group
    _runs_here virtlogd || virtlogd -d
    ! _runs_here libvirtd || return 0
    setsid tini -s -- libvirtd </dev/null >>/var/log/libvirt/libvirtd.log 2>&1 &
    # Not a job of the caller, who may count its jobs or wait for them.
    disown
}

_wait_for_libvirt() {
    local deadline=$((SECONDS + _LIBVIRT_WAIT_SECONDS))
    until _libvirt_answers; do
        [ $SECONDS -lt $deadline ] || stop_with \
            "libvirt does not answer at $_SYSTEM_URI after $_LIBVIRT_WAIT_SECONDS s" \
            "$(_host_virsh uri 2>&1 | tail -n 1)" \
            "check: journalctl -u libvirtd, or run libvirtd in the foreground to see its messages"
        sleep 0.2
    done
}

# The first query of capabilities makes libvirt start every emulator once; better here, with a message, than in the
# first task.
_warm_capabilities() {
    _host_virsh version >/dev/null || stop_with "libvirt runs but finds no usable QEMU" \
        "apt-get install qemu-system-x86"
}

# --name prints names only; a grep on the table would also match other columns. Not -q: virsh writes line by line, and
# would fail if grep ended at the first match.
_network_listed() { _host_virsh net-list --name "$@" | grep -x default >/dev/null; }

_ensure_default_network() {
    local definition=/usr/share/libvirt/networks/default.xml problem
    _network_listed && return
    if ! _network_listed --all; then
        [ -r "$definition" ] || stop_with "libvirt has no network named default and $definition is missing" \
            "apt-get install libvirt-daemon-config-network"
        _host_virsh net-define "$definition" >/dev/null
    fi
    # Another client may start it between the check and this command; only the result counts.
    problem=$(_host_virsh net-start default 2>&1) || _network_listed || stop_with \
        "libvirt's network default does not start: ${problem##*error: }" \
        "it needs dnsmasq-base, iptables, permission to create a bridge, and 192.168.122.0/24 unused"
}

# ensure_libvirt: makes sure that the daemon answers, knows its emulators, and that the NAT network is active.
ensure_libvirt() {
    command -v virsh >/dev/null || stop_with "virsh is not installed" "apt-get install libvirt-clients"
    if ! _libvirt_answers; then
        [ "$(id -u)" -eq 0 ] || stop_with "libvirt does not answer at $_SYSTEM_URI, and only root can start it" \
            "run this script as root, or: sudo systemctl start libvirtd" \
            "(if it does run, your user must be in the group libvirt)"
        say "Starting libvirt (about ten seconds, because it tries every emulator once)"
        if [ -d /run/systemd/system ]; then _start_libvirt_by_systemd; else _start_libvirt_by_hand; fi
        _wait_for_libvirt
    fi
    _warm_capabilities
    _ensure_default_network
}
