#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vbox_vm
short_description: Manage VirtualBox virtual machines
version_added: 1.0.0
description:
  - Creates, changes, starts, stops and deletes VMs of Oracle VirtualBox with C(VBoxManage).
  - Ten options are enough for most tasks - O(name), O(state), O(image), O(cpus), O(memory), O(disks), O(networks),
    O(cloud_init), O(wait_for) and O(allow_restart).
  - Options you omit are never changed. Options you set are enforced on existing VMs, too; if that is impossible, the
    task fails and says why.
  - Most settings can be changed only while the VM is off. O(allow_restart=true) is the permission to stop a running VM
    and to start it again for them. Tags, port forwards, the ISO image in a drive, disks at a free SATA port and the
    network of a NIC change immediately.
  - The name of a VM is resolved once; after that, the VM is addressed by its UUID.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.call_timeout
  - polyvirt.core.vbox
  - polyvirt.core.vbox_vm
attributes:
  check_mode:
    support: full
    details:
      - Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
      - It cannot foresee the following, each with the reason after the dash. The guide has what remains afterwards.
      # begin generated: unforeseen
      - 'a value that only VirtualBox can check: in C(native), the characters in C(groups), too many controllers
        of one kind - VirtualBox lists no limits of these, and has no command that only checks.'
      - 'VirtualBox cannot open an image: it is damaged inside, or the image below it is missing - it opens
        images only to use them; the content of a qcow2, VMDK or VHD is not read whole.'
      - 'the disk fills up: other programs write, a snapshot or C(suspended) needs space for memory, a disk
        grows - what guests and others will write is not known.'
      - a start waits for another host, because the teleporter is enabled in the snapshot that was restored - a
        snapshot's settings become those of the VM only when it is restored.
      - 'a start fails: kernel driver, another hypervisor, too little memory, nested virtualization, no desktop
        for C(start_type: gui) - drivers, memory and the desktop are used only by the start.'
      - somebody creates a file at the path of C(serial_log) before the first start of the VM - VirtualBox
        creates the file only when it starts the VM.
      - another program on the host takes the chosen port between check and start - no port can be reserved for
        VirtualBox.
      - a guest ignores the power button, or has no address, or does not answer on SSH - it depends on the
        guest.
      - a snapshot is deleted and its images cannot be merged - VirtualBox merges only while it deletes.
      - another program or task changes, locks or removes the VM meanwhile - it happens later.
      - VirtualBox's daemon ends or hangs - it happens later.
      # end generated
  diff_mode:
    support: full
  platform:
    platforms: posix
requirements:
  - C(xorriso), C(genisoimage) or C(mkisofs) for O(cloud_init)
options:
  id:
    description:
      - UUID of one VM. Use it to select one of two VMs that have the same name.
      - If O(name) is set too, the names are compared. VMs are not renamed.
  os_type:
    description:
      - ID of the guest's operating system, as C(VBoxManage list ostypes) lists them, such as V(Debian_64).
      - A short name can be used for common 64-bit systems - V(alma), V(arch), V(archlinux), V(centos),
        V(debian), V(fedora), V(freebsd), V(gentoo), V(linux), V(netbsd), V(openbsd), V(opensuse), V(oracle), V(other),
        V(redhat), V(rhel), V(rocky), V(solaris), V(ubuntu), V(windows10), V(windows11), V(windows2016), V(windows2019)
        and V(windows2022).
      - A new VM has V(Linux26_64) by default. The type determines which hardware VirtualBox emulates by default;
        nothing is installed.
  firmware:
    description:
      - Firmware of the VM. A new VM has V(bios) by default. VMs with 32-bit EFI are reported as V(uefi).
  tpm:
    description:
      - Whether the VM has an emulated TPM 2.0. Needs VirtualBox 7.0. Its content is deleted with the VM.
  nested_virtualization:
    description:
      - Whether the guest can run VMs. VirtualBox accepts the setting even if the host's CPU does not support
        it; the VM then does not start.
  autostart:
    description:
      - Whether the VM starts with its host. Fails if VirtualBox's autostart service is not set up
        (C(VBoxManage setproperty autostartdbpath)).
      - It can be enabled on a running VM, but disabled only while the VM is off.
  disks:
    description:
      - Disks by slot. Other disks of the VM are not changed, unless O(purge) contains V(disks).
      - Disks grow and never shrink. Disks of the fixed variant do not grow.
      - A slot is the name of a controller and a port, such as V(SATA 0), or V(IDE 0:1) for the second device of an IDE
        port. Entries without a slot use V(SATA 0), V(SATA 1) and so on. The controllers V(SATA), V(IDE), V(SCSI),
        V(SAS), V(NVMe) and V(VirtIO) are created when a disk needs them.
      - New files are created in the directory of the VM, in the format V(vdi), V(vmdk) or V(vhd). A qcow2 image is
        rejected; the error contains the command that converts it.
      - A V(vmdk) does not grow, because VirtualBox would damage it; the error contains the command that converts it to
        VDI. For the same reason, a V(vmdk) cannot be larger than the O(image) that it is created from.
      - On a running VM, a disk can be added at a free SATA port. All other changes need the VM to be off.
  networks:
    description:
      - NICs by position; the first entry is the first NIC. Omitted keys are not changed, and a NIC keeps its MAC
        address.
      - If omitted, a new VM has one NIC of the type V(nat); with an empty list, it has none. The chipset V(piix3) has
        room for 8 NICs, V(ich9) (see O(native)) for 36.
      - V(nat) and V(user) are both VirtualBox's own address translation, with a separate router for each NIC.
        V(network) is a NAT network by its name. V(internal) is an internal network by its name (default V(intnet)),
        which is created by its first use. V(bridged) needs an interface of the host, V(hostonly) a host-only interface.
      - O(networks[].model) is the NIC type of VirtualBox, such as V(82540EM), V(82545EM), V(Am79C973) or V(virtio).
      - On a running VM, a NIC can be moved to another network immediately. All other changes need the VM to be off.
  port_forwards:
    description:
      - Ports of the host that lead into the guest, by name, on the first NIC of the type V(nat). They are added,
        removed and changed while the VM runs.
      - A name cannot contain commas, percent signs and line breaks.
      - A rule without O(port_forwards[].host_port) gets a free port and keeps it.
      - VirtualBox does not report that another program uses a port; the VM then starts without the port forward.
      - For SSH, use O(ssh_forward).
  shared_folders:
    description:
      - Directories of the host that are shared with the guest, by name. Needs Guest Additions in the guest. They are
        added and removed while the VM is off.
      - A name cannot contain spaces.
      - If O(shared_folders[].guest_path) is set, the guest mounts the directory there automatically.
  display:
    description:
      - Display of the VM. The graphics controller is set with O(graphics_controller).
      - The only O(display.type) is V(none), which disables VirtualBox's remote display.
      - O(display.video_memory) is a whole number of MiB from 1 to 256.
  image:
    description:
      - A disk image to create the VM from, in a format of VirtualBox (VDI, VMDK, VHD) or raw. Used only when the VM is
        created, and not compared later.
      - A qcow2 image is rejected; the error contains the command that converts it (C(qemu-img convert -O vdi)).
  clone:
    description:
      - Another VM, or a snapshot of one, to create this VM from. Used only when the VM is created.
      - The source must be off, unless a snapshot is set. A linked clone needs a snapshot, so that its source can still
        be used.
      - The clone has its own UUID, MAC addresses and disks, and no cloud-init seed ISO unless O(cloud_init) is set. A
        VM that has linked clones is not deleted.
  native:
    description:
      - Settings without an option here. Keys are options of C(VBoxManage modifyvm) without the leading dashes, such as
        V(clipboard-mode), V(draganddrop), V(accelerate3d), V(audio-driver), V(usbehci), V(chipset) or
        V(cpuexecutioncap). V(true) and V(false) mean V(on) and V(off).
      - Settings that VirtualBox does not show, such as V(natdnshostresolver1), cannot be compared and are rejected.
        Settings that have an option here are rejected, too.
      - Most of them can be changed only while the VM is off.
seealso:
  - module: polyvirt.core.vbox_vm_info
  - module: polyvirt.core.vbox_snapshot
  - name: The VirtualBox guide of this collection
    description: Set-up, limits and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/virtualbox.md
"""

EXAMPLES = r"""
- name: Create a Debian VM from an image, start it and wait for SSH
  polyvirt.core.vbox_vm:
    name: web1
    state: started
    os_type: debian
    cpus: 2
    memory: 2G
    image: debian-13
    disks:
      - size: 20G
    cloud_init:
      user: admin
      ssh_authorized_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    wait_for: ssh
  register: created

- name: Show the port of the host that leads to SSH in the guest
  ansible.builtin.debug:
    msg: "{{ created.vms[0].ssh.host }}:{{ created.vms[0].ssh.port }}"
  when: created.vms[0].ssh is not none

- name: Create a VM from an appliance of VMware
  polyvirt.core.vbox_vm:
    name: shop1
    state: started
    appliance:
      source: /srv/appliances/shop.ova
      networks:
        - name: VM Network
          type: nat

- name: Increase the memory, with a restart if needed
  polyvirt.core.vbox_vm:
    name: web1
    memory: 4G
    allow_restart: true

- name: Forward port 8080 of the host to the web server, without a restart
  polyvirt.core.vbox_vm:
    name: web1
    port_forwards:
      - name: web
        host_address: 127.0.0.1
        host_port: 8080
        guest_port: 80

- name: Create a desktop VM and install it from an ISO image, in a window
  polyvirt.core.vbox_vm:
    name: desk1
    state: started
    start_type: gui
    os_type: windows11
    firmware: uefi
    tpm: true
    cpus: 4
    memory: 8G
    graphics_controller: vboxsvga
    display:
      video_memory: 128M
    disks:
      - size: 64G
    iso: /srv/iso/windows11.iso
    groups: [/desktops]
    native:
      clipboard-mode: bidirectional
      usbxhci: true

- name: Create a VM that connects two networks
  polyvirt.core.vbox_vm:
    name: gate
    image:
      source: /srv/images/debian-12.vdi
    networks:
      - type: bridged
        source: enp3s0
      - type: internal
        source: backstage
        model: virtio

- name: Suspend two VMs to disk
  polyvirt.core.vbox_vm:
    name: [web1, desk1]
    state: suspended

- name: Delete a VM with the disks that were created for it
  polyvirt.core.vbox_vm:
    name: web1
    state: absent
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode, as it would be after the task.
    - An entry always has all keys. Unknown and missing values are null or empty.
  returned: unless the options are wrong in form, or VirtualBox cannot be used
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    id:
      description: UUID; null for a VM that does not exist (yet).
      type: str
      sample: 7d0a5ee4-4b3c-4a0e-b1e6-8c7a2a3f10a5
    platform:
      description: Always V(virtualbox).
      type: str
      sample: virtualbox
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: The power state in the terms of VirtualBox.
      type: str
      sample: aborted
    cpus:
      description: Number of CPUs at the next start.
      type: int
      sample: 2
    memory_mib:
      description: Memory in MiB at the next start.
      type: int
      sample: 2048
    description:
      description: Free-text description.
      type: str
    tags:
      description: Tags.
      type: list
      elements: str
    fleet:
      description: The group of VMs to which it belongs; null if to none.
      type: str
    owner:
      description: Who is responsible for it; null if nobody.
      type: str
    created:
      description: When this collection created it, in ISO 8601 and UTC; null if that is not known.
      type: str
    expires:
      description: When it expires, in ISO 8601 and UTC; null if it does not.
      type: str
    autostart:
      description: Whether the VM starts with the host.
      type: bool
    iso:
      description: ISO image in the first optical drive; empty for none, null if there is no drive.
      type: str
    image:
      description: The image that the VM was created from, or null if that is not known.
      type: dict
      contains:
        name:
          description: Name of the catalogue, address, path or volume, as the task has set it.
          type: str
        digest:
          description: Checksum of the vendor's file, or null if none is known.
          type: str
        fetched:
          description: Date of the download, or null if it was not downloaded by this collection.
          type: str
      sample:
        name: debian-13
        digest: sha512:4f1c09ab12cd
        fetched: '2026-11-25'
    addresses:
      description: IP addresses of the VM, without those that Guest Additions reported in an earlier boot.
      type: list
      elements: dict
      contains:
        address:
          description: IP address.
          type: str
        source:
          description: V(agent), V(lease) or V(arp).
          type: str
      sample:
        - address: 192.168.56.101
          source: agent
    mac_addresses:
      description: MAC addresses of the NICs, in order.
      type: list
      elements: str
    ssh:
      description: How to reach the VM with SSH, or null.
      type: dict
      contains:
        host:
          description: Address to connect to.
          type: str
        port:
          description: Port to connect to.
          type: int
        user:
          description: User to log in as, or null if the platform does not know one.
          type: str
        scope:
          description: V(host) - the address can be reached only from the hypervisor's host, such as a forwarded
            port. V(network) - it can be reached from the network.
          type: str
      sample:
        host: 127.0.0.1
        port: 2222
        user: null
        scope: host
    guest_tools:
      description: The Guest Additions of VirtualBox in the guest; null if the VM is off, and on other platforms.
      type: dict
      contains:
        installed:
          description: V(true) if the guest has reported a version, in this boot or an earlier one; otherwise null,
            because a guest that still starts has not reported it yet.
          type: bool
        running:
          description: Whether the guest has reported the version since it booted.
          type: bool
        version:
          description: Their version, or null.
          type: str
          sample: 7.2.22
        run_level:
          description: V(none), V(system), V(userland) or V(desktop); null if it was not read. It is read for VMs
            with running Guest Additions, if the task reads addresses.
          type: str
          sample: userland
    cdroms:
      description: Optical drives of the VM, without that of the cloud-init seed ISO. Empty on platforms without
        the option.
      type: list
      elements: dict
      contains:
        slot:
          description: Slot of the drive.
          type: str
          sample: sata0
        source:
          description: ISO image in the drive; empty for none.
          type: str
    disks:
      description: Disks of the VM.
      type: list
      elements: dict
      contains:
        slot:
          description: Slot of the disk.
          type: str
          sample: SATA 0
        size:
          description: Size, as a task sets it; null if it cannot be read.
          type: str
          sample: 20G
        format:
          description: Format of the image.
          type: str
          sample: vdi
        source:
          description: File, block device or volume of the disk.
          type: str
          sample: /srv/vms/web1/web1.vdi
    networks:
      description: NICs of the VM, in order.
      type: list
      elements: dict
      contains:
        type:
          description: Type of the connection, as in O(networks[].type).
          type: str
          sample: nat
        source:
          description: Network, bridge or interface; missing if the type has none.
          type: str
          sample: default
        mac:
          description: MAC address.
          type: str
          sample: 52:54:00:6b:3c:58
        model:
          description: Model of the emulated NIC.
          type: str
          sample: 82540EM
    snapshots:
      description: Snapshots of the VM, each before its children. Empty if the task does not read snapshots.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the snapshot.
          type: str
          sample: before-upgrade
        id:
          description: UUID of the snapshot; null in check mode for a new one.
          type: str
          sample: 1f2d7e0c-7b0c-4a6e-9d0b-3f0f6b1c2a4d
        parent:
          description: UUID of the parent snapshot, or null.
          type: str
        state:
          description: Power state in which a restore ends.
          type: str
          sample: running
        description:
          description: Free-text description.
          type: str
        kind:
          description: Always empty; VirtualBox has only one kind of snapshots.
          type: str
        created:
          description: Time of the snapshot in seconds since 1970.
          type: int
          sample: 1795172368
        expires:
          description: When it expires, in ISO 8601 and UTC; null if it does not.
          type: str
        current:
          description: Whether the disks are based on it. It does not contain data that was written since.
          type: bool
        unfinished:
          description: Always empty for VirtualBox.
          type: str
    settings:
      description: All other settings of the VM, by the name of their option.
      type: dict
      sample:
        firmware: bios
        graphics_controller: vmsvga
        groups:
          - /
    native:
      description: Current values of the keys in O(native).
      type: dict
    restart_required:
      description: Paths of settings that are stored and take effect at the next start.
      type: list
      elements: str
      sample:
        - memory
    changed:
      description: Whether this VM was changed.
      type: bool
    failed:
      description: Whether the task failed for this VM.
      type: bool
    msg:
      description: Why it failed; empty if it did not.
      type: str
    steps:
      description: Steps of the task, in order.
      type: list
      elements: dict
      contains:
        verb:
          description: Action, such as V(fetch), V(create), V(configure), V(start) or V(stop).
          type: str
        changes:
          description: Changes to settings that are part of the step.
          type: list
          elements: dict
          contains:
            path:
              description: Path of the setting.
              type: str
              sample: disks.vda.size
            before:
              description: Value before; null if it was not set.
              type: raw
            after:
              description: Value after; null if it is removed.
              type: raw
            cost:
              description: V(live) - takes effect immediately. V(next_boot) - at the next start. V(power_off) -
                the VM must be stopped. V(destructive) - the VM must be created again.
              type: str
        cost:
          description: The highest cost of its changes.
          type: str
        also:
          description: Effects on anything other than this VM.
          type: list
          elements: str
        done:
          description: Whether the step was completed; in check mode, whether it would be. If the task stopped the
            VM and then failed, later steps bring the VM back to its previous power state.
          type: bool
        note:
          description: Further information, such as how the guest was stopped.
          type: str
      sample:
        - verb: start
          changes: []
          cost: live
          also: []
          done: true
          note: ''
    not_compared:
      description: Options that are used only when a VM is created, and had no effect on the existing one.
      type: list
      elements: str
      sample:
        - image
    plan:
      description: Digest of what the task does to this VM; empty if nothing is to be done, null if the task was
        rejected.
      type: str
      sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
    not_carried:
      description: What a new VM does not get from its C(appliance), in check mode too; empty without one.
      type: list
      elements: str
      sample:
        - sound card
    deleted:
      description: Files that the task deletes, in check mode too. If a step failed, some of them may exist still.
      type: list
      elements: str
      sample:
        - /var/lib/libvirt/images/web1-vda.qcow2
    kept:
      description: Files that were not deleted with the VM.
      type: list
      elements: dict
      contains:
        path:
          description: File.
          type: str
        reason:
          description: Why it was not deleted.
          type: str
      sample:
        - path: /srv/iso/debian.iso
          reason: an ISO image is never deleted
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  type: str
  returned: unless the options are wrong in form
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: Differences before and after the task. One entry for each VM that was changed, or would be in check
    mode.
  type: list
  elements: dict
  contains:
    before_header:
      description: Name of the VM.
      type: str
      sample: web1
    after_header:
      description: Name of the VM.
      type: str
      sample: web1
    before:
      description: Settings before, only those that differ.
      type: dict
      sample:
        memory: 2G
    after:
      description: Settings after, only those that differ.
      type: dict
      sample:
        memory: 4G
  returned: unless the options are wrong in form
# end generated
"""

from ..module_utils._drivers.vbox.driver import make_driver
from ..module_utils._drivers.vbox.options import VIRTUALBOX, VM
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(VIRTUALBOX, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
