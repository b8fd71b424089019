#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Creates a Debian guest on this host, installs an agent in it, and shows how to reach both. A second run changes
# nothing. Needs a fresh Debian 12 or later: as root, the script installs missing packages.
# Usage: scripts/demo.sh [remove [--all]]      remove: remove the VM; --all: its image and key too.
# Caches: ${POLYVIRT_CACHE:-$HOME/.cache/polyvirt}; nothing is written into the checkout.

set -euo pipefail
export LC_ALL=C.UTF-8

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
readonly CHECKOUT
readonly PACKAGES=(python3 python3-venv python3-apt openssh-client libvirt-clients libvirt-daemon-system
    qemu-system-x86 qemu-utils dnsmasq-base iptables tini xorriso)
# The name of a task that takes longer than this is shown while it runs.
readonly QUIET_SECONDS=3

# shellcheck source=scripts/lib/host.sh
. "$CHECKOUT/scripts/lib/host.sh"
# shellcheck source=scripts/lib/environments.sh
. "$CHECKOUT/scripts/lib/environments.sh"
# shellcheck source=scripts/lib/failure.sh
. "$CHECKOUT/scripts/lib/failure.sh"

readonly DEMO=$POLYVIRT_CACHE/demo

progress() { say "$(printf '%4d s  %s' "$SECONDS" "$*")"; }

usage() { sed -n '/^# Usage: /s/^# //p' "${BASH_SOURCE[0]}"; }

make_key() {
    mkdir -p "$DEMO"
    chmod 700 "$DEMO"
    # ssh-keygen writes the private key first and with mode 0600; without the public key it cannot be used here.
    [ -e "$DEMO/key.pub" ] && return
    rm -f "$DEMO/key"
    ssh-keygen -q -t ed25519 -N '' -C polyvirt-demo -f "$DEMO/key"
}

# prepare: packages, Ansible, the collection, a key, libvirt.
prepare() {
    local environment
    require_root_or_say "${PACKAGES[@]}"
    [ "$(id -u)" -eq 0 ] || stop_with "the demo builds an image and uses $_SYSTEM_URI: it must run as root" \
        "sudo $0"
    progress "Packages"
    install_packages "${PACKAGES[@]}"
    progress "Ansible"
    environment=$(environment demo "$(find_python 3.14 3.13 3.12 3.11)" "$CHECKOUT/scripts/demo/requirements.txt")
    PATH=$environment/bin:$PATH
    ANSIBLE_COLLECTIONS_PATH=$("$environment/bin/python" "$CHECKOUT/scripts/lib/collection_path.py")
    export PATH ANSIBLE_COLLECTIONS_PATH ANSIBLE_CONFIG=$CHECKOUT/scripts/demo/ansible.cfg ANSIBLE_INVENTORY=/dev/null
    keep_bytecode
    make_key
    progress "libvirt"
    ensure_libvirt
}

# show_progress: prints a summary of the output of ansible-playbook; the rest is in the log.
show_progress() {
    local line task='' named=true status=0
    while :; do
        if IFS= read -r -t "$QUIET_SECONDS" line; then
            case $line in
                'PLAY RECAP'*) named=true ;;
                'PLAY ['*) line=${line#*[} && progress "${line%]*}" ;;
                'TASK ['*) line=${line#*[} && task=${line%]*} && task=${task##* : } named=false ;;
                changed:*) progress "  changed: $task" ;;
                *' changed='*) progress "$line" ;;
            esac
        else
            status=$?
            # A status above 128 means a timeout; otherwise the output has ended.
            [ $status -gt 128 ] || break
            [ "$named" = true ] || progress "  $task …"
            named=true
        fi
    done
}

# play PLAYBOOK ARGUMENT…: runs a playbook with its own log, and shows the error if it fails.
play() {
    local name=$1 log=$DEMO/$1.log status=0
    shift
    : >"$log"
    ansible-playbook "$@" -e "@$CHECKOUT/scripts/demo/variables.yml" -e "demo_folder=$DEMO" \
        -e "demo_virt_type=$ACCELERATOR" 2>&1 </dev/null | tee "$log" | show_progress || status=${PIPESTATUS[0]}
    if [ "$status" -ne 0 ]; then
        stop_with "$(failure_reason "$log")" "ansible-playbook failed ($name); see its whole output in $log"
    fi
    # Ansible reports the number of changes for every host.
    if grep -q ' changed=[1-9]' "$log"; then CHANGED=true; else CHANGED=false; fi
}

demonstrate() {
    ACCELERATOR=$(usable_accelerator)
    progress "A guest with $([ "$ACCELERATOR" = kvm ] && echo KVM || echo 'emulation, because KVM does not work here')"
    play provision "$CHECKOUT/scripts/demo/demo.yml"
    say ""
    cat "$DEMO/summary"
    printf '%-12s %s\n' "Remove" "$0 remove"
    say ""
    if [ "$CHANGED" = true ]; then echo "done in $SECONDS s"; else echo "nothing changed"; fi
}

# remove_guest ALL (true or false): removes the guest with the collection's own playbook.
remove_guest() {
    local all=$1
    if ! command -v virsh >/dev/null || [ ! -d "$DEMO" ]; then
        echo "nothing to remove: the demo was not run here"
        return
    fi
    prepare
    # With state absent, only the form of the options is checked.
    ACCELERATOR=qemu
    play teardown polyvirt.core.teardown -e vm_stop_mode=force -e "provision_remove_image=$all"
    rm -f "$DEMO/summary"
    [ "$all" = false ] || rm -rf "$DEMO"
    if [ "$CHANGED" = true ]; then echo "removed in $SECONDS s"; else echo "nothing changed"; fi
}

main() {
    case $* in
        '')
            prepare
            demonstrate
            ;;
        remove) remove_guest false ;;
        'remove --all') remove_guest true ;;
        -h | --help) usage ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
}

main "$@"
