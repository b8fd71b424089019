#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes a box for Vagrant with libvirt from the fast test guest (tests/guests). Prints box=…; a second call only prints.
# Exit code 77: Vagrant cannot be had here, and the last line says why. README.md says more.
set -euo pipefail

SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
IMAGES=${POLYVIRT_TEST_IMAGES:-/var/lib/libvirt/images/polyvirt-tests}
readonly NOT_AVAILABLE=77

not_available() { printf '%s\n' "$*" >&2; exit "$NOT_AVAILABLE"; }

require_tools() {
    local tool
    local -A package_of=([vagrant]='vagrant vagrant-libvirt' [debugfs]=e2fsprogs [qemu-img]=qemu-utils
        [ssh-keygen]=openssh-client)
    for tool in "${!package_of[@]}"; do
        command -v "$tool" >/dev/null || not_available "$tool is missing: apt-get install ${package_of[$tool]}"
    done
    VAGRANT_HOME=$1 VAGRANT_CHECKPOINT_DISABLE=1 vagrant plugin list | grep '^vagrant-libvirt ' >/dev/null ||
        not_available "Vagrant has no provider libvirt: apt-get install vagrant-libvirt"
}

fingerprint() { { cat "$SOURCES/build.sh" "$SOURCES"/guest/*; stat -c %Y "$1"; } | sha256sum | cut -c 1-12; }

# The key that every Vagrant trusts a new box with; Vagrant leaves it in its home folder.
insecure_key() {
    local key
    for key in "$1/insecure_private_key" "$1/insecure_private_keys/vagrant.key.rsa"; do
        [ ! -f "$key" ] || { ssh-keygen -y -f "$key"; return; }
    done
    not_available "this Vagrant keeps its insecure key where it is not known: $1"
}

# write_into DISK: files for the guest, without mounting its disk.
write_into() {
    local disk=$1 work=$2 name
    {
        echo 'mkdir /root/.ssh'
        echo "write $work/authorized_keys /root/.ssh/authorized_keys"
        echo 'sif /root/.ssh mode 040700'
        echo 'sif /root/.ssh/authorized_keys mode 0100600'
        for name in sudo shutdown scp; do
            # A link to busybox may be in the way.
            echo "rm /usr/bin/$name"
            echo "write $SOURCES/guest/$name /usr/bin/$name"
            echo "sif /usr/bin/$name mode 0100755"
        done
    } >"$work/commands"
    debugfs -w -f "$work/commands" "$disk" >"$work/debugfs.log" 2>&1
}

# write_vagrantfile FOLDER: what a box says about itself, below what a project says.
write_vagrantfile() {
    cat >"$1/Vagrantfile" <<RUBY
Vagrant.configure("2") do |config|
  config.vm.allow_fstab_modification = false
  config.vm.boot_timeout = 300
  config.vm.guest = :linux
  config.ssh.username = "root"
  config.ssh.insert_key = false
  config.ssh.shell = "sh"
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = "qemu"
    libvirt.cpu_mode = "custom"
    libvirt.cpu_model = "qemu64"
    libvirt.cpus = 1
    libvirt.memory = 128
    libvirt.kernel = "$kernel"
    libvirt.initrd = "$initrd"
    libvirt.cmd_line = "$cmdline"
    libvirt.graphics_type = "none"
    libvirt.video_type = "none"
    libvirt.storage_pool_name = "polyvirt-vagrant"
  end
end
RUBY
}

build() {
    local work=$1 box=$2
    insecure_key "$work/home" >"$work/authorized_keys"
    qemu-img convert -O raw "$disk" "$work/disk"
    write_into "$work/disk" "$work"
    mkdir "$work/box"
    qemu-img convert -c -O qcow2 "$work/disk" "$work/box/box.img"
    echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 1}' >"$work/box/metadata.json"
    write_vagrantfile "$work/box"
    tar -czf "$work/made.box" -C "$work/box" metadata.json Vagrantfile box.img
    rm -f "$IMAGES"/vagrant-*.box
    mv "$work/made.box" "$box"
}

main() {
    local kernel initrd disk cmdline box
    command -v vagrant >/dev/null || not_available "vagrant is missing: apt-get install vagrant vagrant-libvirt"
    # shellcheck source=/dev/null
    . <("$SOURCES/../../guests/build.sh" | sed -E "s/^([a-z]+)=(.*)$/\1='\2'/")
    box=$IMAGES/vagrant-$(fingerprint "$disk").box
    if [ ! -f "$box" ]; then
        WORK=$(mktemp -d "$IMAGES/.vagrant.XXXXXX")
        trap 'rm -rf "$WORK"' EXIT
        require_tools "$WORK/home"
        build "$WORK" "$box"
    fi
    printf 'box=%s\n' "$box"
}

main
