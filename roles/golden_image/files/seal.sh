#!/bin/sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Seals a running Linux guest for an image: what must differ between the VMs of the image is removed. It is the last
# thing that runs in the guest before its shutdown. Variables: BUILD_USER is deleted (empty: none), BUILD_KEY is removed
# from all authorized_keys. The last line of the output is the marker; lines before it list what remains.
set -u

refuse() {
    echo "golden-image-refused: $*"
    exit 1
}

# Prints what will create new host keys for SSH, and the content that /etc/machine-id needs for it.
key_maker() {
    if command -v cloud-init >/dev/null && [ ! -e /etc/cloud/cloud-init.disabled ]; then
        echo "cloud-init"
    elif grep -qs 'ConditionFirstBoot=yes' /usr/lib/systemd/system/sshd-keygen*.service; then
        # systemd does not regard a boot with an empty file as the first one.
        echo "sshd-keygen uninitialized"
    elif grep -qs 'keygen' /usr/lib/systemd/system/sshd-keygen*.service /etc/init.d/sshd; then
        echo "sshd-keygen"
    elif cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -q 'dropbear [^/]*-R'; then
        echo "dropbear"
    fi
}

stop_services_that_write() {
    command -v systemctl >/dev/null || return 0
    systemctl stop rsyslog.service syslog.socket cron.service crond.service 2>/dev/null
    systemctl stop systemd-random-seed.service 2>/dev/null
    journalctl --rotate --vacuum-time=1s >/dev/null 2>&1
}

clean_cloud_init() {
    command -v cloud-init >/dev/null && { cloud-init clean --logs --seed || refuse "cloud-init clean failed"; }
    rm -f /etc/netplan/50-cloud-init.yaml /etc/NetworkManager/system-connections/cloud-init-*.nmconnection \
        /etc/systemd/network/10-cloud-init-* /etc/network/interfaces.d/50-cloud-init* \
        /etc/ssh/sshd_config.d/50-cloud-init.conf
}

homes() {
    cut -d: -f6 /etc/passwd | sort -u
}

remove_build_user() {
    homes | while read -r home; do
        keys="$home/.ssh/authorized_keys"
        if [ ! -f "$keys" ] || [ -z "$BUILD_KEY" ]; then continue; fi
        grep -vF "$BUILD_KEY" "$keys" >"$keys.new"
        cat "$keys.new" >"$keys"
        rm -f "$keys.new"
    done
    case $BUILD_USER in '' | root) return 0 ;; esac
    if [ -f /etc/sudoers.d/90-cloud-init-users ]; then
        sed -i "/^$BUILD_USER /d; /for $BUILD_USER\$/d" /etc/sudoers.d/90-cloud-init-users
    fi
    # Its session still runs.
    userdel -rf "$BUILD_USER" 2>/dev/null || deluser --remove-home "$BUILD_USER" 2>/dev/null
    ! grep -q "^$BUILD_USER:" /etc/passwd || refuse "the user $BUILD_USER cannot be deleted"
}

remove_identity() {
    rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /etc/dropbear/dropbear_*_host_key
    rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
    [ ! -e /etc/machine-id ] || printf '%s' "$1" >/etc/machine-id
    rm -f /etc/udev/rules.d/70-persistent-net.rules /etc/lvm/devices/system.devices
    rm -f /var/lib/dhcp/*.lease* /var/lib/dhclient/*.lease* /var/lib/NetworkManager/*.lease
    rm -rf /run/systemd/netif/leases
}

remove_traces() {
    find /var/log -type f -exec sh -c 'for one; do : >"$one"; done' sh {} +
    rm -rf /var/log/journal/*
    find /tmp /var/tmp -xdev -mindepth 1 -delete 2>/dev/null
    homes | while read -r home; do rm -rf "$home/.ansible/tmp" "$home"/.*_history; done
    # The records of role guest_scripts: their text can contain secrets.
    rm -rf /var/lib/polyvirt/scripts
}

# Users that can log in, with their keys; without a shell there is no login.
list_users() {
    while IFS=: read -r name _password _id _group _comment home shell; do
        case $shell in */nologin | */false | */sync | '') continue ;; esac
        secret=$(sed -n "s/^$name:\\([^:]*\\):.*/\\1/p" /etc/shadow 2>/dev/null)
        case $secret in '' | '!'* | '*'*) password=false ;; *) password=true ;; esac
        echo "golden-image-user: $name $password"
        [ -f "$home/.ssh/authorized_keys" ] || continue
        grep -v '^#' "$home/.ssh/authorized_keys" | grep . | sed "s/^/golden-image-key: $name /"
    done </etc/passwd
}

maker=$(key_maker)
[ -n "$maker" ] || refuse "nothing in this guest creates new SSH host keys at its first start." \
    "Install cloud-init, or a service that runs ssh-keygen -A."
machine_id=${maker#* }
[ "$machine_id" != "$maker" ] || machine_id=""
stop_services_that_write
clean_cloud_init
remove_build_user
remove_identity "$machine_id"
remove_traces
list_users
echo "golden-image-key-maker: ${maker%% *}"
fstrim -a 2>/dev/null
sync
echo "golden-image-sealed"
