#!/bin/sh
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Seals a running Linux guest for an image: what must differ between the VMs of the image is removed. It is the last
# thing that runs in the guest before its shutdown. Variables: BUILD_VM is the ID of the VM, BUILD_USER is deleted
# (empty: none), BUILD_KEY is removed from all authorized_keys. The last line of the output is the marker with the ID of
# the VM; it is printed only if all was removed. Lines before it list what remains.
set -u

refuse() {
    echo "golden-image-refused: $*"
    exit 1
}

homes() {
    cut -d: -f6 /etc/passwd | sort -u
}

key_files() {
    homes | while read -r home; do
        for keys in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
            [ ! -f "$keys" ] || echo "$keys"
        done
    done
}

files_with_build_key() {
    [ -z "$BUILD_KEY" ] || key_files | while read -r keys; do grep -lF "$BUILD_KEY" "$keys"; done
}

# A host that is reached by the address of the guest must never be sealed.
check_guest() {
    [ "$(id -u)" = 0 ] || refuse "sealing needs root"
    if [ -r /sys/class/dmi/id/product_uuid ]; then
        [ "$(tr A-F a-f </sys/class/dmi/id/product_uuid)" = "$BUILD_VM" ] || refuse "this guest is not the VM $BUILD_VM"
    else
        # No other host accepts the key of the build.
        [ -n "$(files_with_build_key)" ] || refuse "this guest does not show that it is the VM $BUILD_VM"
    fi
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
    # Without the program, its state remains: it has the key of the build.
    rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data /var/lib/cloud/sem /var/lib/cloud/seed
}

remove_build_user() {
    [ -z "$BUILD_KEY" ] || key_files | while read -r keys; do
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

# The files that only this VM may have. The last ones are earlier versions, with the user of the build.
identity_files() {
    for path in /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /etc/dropbear/dropbear_*_host_key \
        /var/lib/dbus/machine-id /var/lib/systemd/random-seed /var/lib/systemd/credential.secret \
        /etc/udev/rules.d/70-persistent-net.rules /etc/lvm/devices/system.devices \
        /var/lib/dhcp/*.lease* /var/lib/dhclient/*.lease* /var/lib/NetworkManager/*.lease \
        /var/lib/NetworkManager/secret_key /var/lib/cloud/instance /var/lib/cloud/instances \
        /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-; do
        if [ -e "$path" ] || [ -L "$path" ]; then echo "$path"; fi
    done
}

remove_identity() {
    identity_files | while read -r path; do rm -f "$path"; done
    [ ! -e /etc/machine-id ] || printf '%s' "$1" >/etc/machine-id
    rm -rf /run/systemd/netif/leases
}

remove_traces() {
    find /var/log -type f -exec sh -c 'for one; do : >"$one"; done' sh {} +
    rm -rf /var/log/journal/*
    find /tmp /var/tmp -xdev -mindepth 1 -delete 2>/dev/null
    homes | while read -r home; do
        rm -rf "$home/.ansible_async" "$home"/.*_history
        # A role may have installed collections and roles for the user.
        [ ! -d "$home/.ansible" ] || find "$home/.ansible" -mindepth 1 -maxdepth 1 ! -name collections ! -name roles \
            -exec rm -rf {} +
    done
    # The records of role guest_scripts: their text can contain secrets.
    rm -rf /var/lib/polyvirt/scripts
}

# No result of a command above is trusted.
verify() {
    remaining=$(identity_files | tr '\n' ' ')
    [ -z "$remaining" ] || refuse "cannot be removed: $remaining"
    [ ! -e /etc/machine-id ] || [ "$(cat /etc/machine-id)" = "$1" ] || refuse "/etc/machine-id cannot be written"
    remaining=$(files_with_build_key | tr '\n' ' ')
    [ -z "$remaining" ] || refuse "the key of the build cannot be removed from $remaining"
}

# The first page of swap space has its UUID and remains.
clear_swap() {
    page=$(getconf PAGESIZE 2>/dev/null || echo 4096)
    sed 1d /proc/swaps 2>/dev/null | while read -r swap _type size _rest; do
        case $swap in /dev/zram*) continue ;; esac
        swapoff "$swap" || refuse "the swap space $swap cannot be switched off"
        dd if=/dev/zero of="$swap" bs="$page" seek=1 count=$((size * 1024 / page)) conv=notrunc 2>/dev/null ||
            refuse "the swap space $swap cannot be overwritten"
    done
}

percent_free() {
    df -Pk "$1" | { read -r _heading && read -r _device size _used free _rest && echo $((free * 100 / size)); }
}

# Blocks of removed files contain their text until they are overwritten. QEMU discards whole clusters only, so fstrim is
# not enough; it frees the space on the host.
clear_free_space() {
    cleared=" "
    # ext4 keeps some blocks that no file gets; until the next start, there are none.
    for reserve in /sys/fs/ext4/*/reserved_clusters; do
        [ ! -e "$reserve" ] || echo 0 >"$reserve"
    done
    while read -r device folder _type options _rest; do
        case $device,$options, in /dev/*,rw,*) ;; *) continue ;; esac
        case $cleared in *" $device "*) continue ;; esac
        [ -d "$folder" ] || continue
        sync
        # btrfs would compress zeros, and write for a long time.
        : >"$folder/golden-image-zeros"
        chattr +C "$folder/golden-image-zeros" 2>/dev/null
        dd if=/dev/zero of="$folder/golden-image-zeros" bs=1048576 2>/dev/null
        sync
        percent=$(percent_free "$folder")
        rm -f "$folder/golden-image-zeros"
        [ "${percent:-100}" -lt 1 ] || refuse "free space of $folder cannot be overwritten"
        fstrim "$folder" 2>/dev/null
        cleared="$cleared$device "
    done </proc/mounts
}

# Options and comments of a key can contain secrets, so only its type and the key itself are printed.
key_line='s,^(.*[[:blank:]])?((ssh|ecdsa|sk-ssh|sk-ecdsa|webauthn-sk)-[a-z0-9@.-]+)[[:blank:]]+(AAAA[[:alnum:]+/=]*).*,'

# Users that can log in, with their keys; without a shell there is no login.
list_users() {
    while IFS=: read -r name secret _id _group _comment home shell; do
        case $shell in */nologin | */false | */sync | '') continue ;; esac
        # Without a line in /etc/shadow, nobody can log in with a password.
        [ "$secret" != x ] || secret=$(grep "^$name:" /etc/shadow 2>/dev/null || echo ":*:")
        case $secret in *:*) secret=${secret#*:} && secret=${secret%%:*} ;; esac
        case $secret in '') password=empty ;; '!'* | '*'*) password=false ;; *) password=true ;; esac
        echo "golden-image-user: $name $password"
        for keys in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
            [ ! -f "$keys" ] || sed -nE "/^[[:blank:]]*#/d; ${key_line}golden-image-key: $name \\2 \\4,p" "$keys"
        done
    done </etc/passwd
}

check_guest
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
verify "$machine_id"
list_users
echo "golden-image-key-maker: ${maker%% *}"
clear_swap || exit 1
clear_free_space
sync
echo "golden-image-sealed: $BUILD_VM"
