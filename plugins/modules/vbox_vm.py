#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vbox_vm
short_description: Manage virtual machines of VirtualBox
version_added: 0.1.0
description:
  - Makes, changes, starts, stops and removes machines of Oracle VirtualBox, through C(VBoxManage).
  - An option that is given is enforced on existing machines too, or refused with a reason; what is left out is
    left alone.
  - Most settings of a machine can be changed only while it is off. O(allow_restart=true) is the consent to turn a
    running one off and on again for that. Tags, port forwards, media in a drive, disks at a free SATA port and a
    card's network change at once.
  - A machine is found by its name once and then addressed by its UUID, so that a name which looks like something
    else hits nobody else's machine.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.call_timeout
  - polyvirt.core.vbox
  - polyvirt.core.vbox_vm
attributes:
  check_mode:
    support: full
    details: A check looks and plans like the real run, and reports the same C(changed) and C(diff), but writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: posix
requirements:
  - C(xorriso), C(genisoimage) or C(mkisofs) for O(cloud_init)
options:
  id:
    description:
      - UUID of one machine. It is the way to name one of two machines that have the same name.
      - When O(name) is given too, the names are compared; machines are not renamed.
  os_type:
    description:
      - Id of the guest's operating system, of those that C(VBoxManage list ostypes) tells, such as V(Debian_64).
      - A short name stands for the id of a usual system of 64 bits; they are V(alma), V(arch), V(archlinux),
        V(centos), V(debian), V(fedora), V(freebsd), V(gentoo), V(linux), V(netbsd), V(openbsd), V(opensuse), V(oracle),
        V(other), V(redhat), V(rhel), V(rocky), V(solaris), V(ubuntu), V(windows10), V(windows11), V(windows2016),
        V(windows2019) and V(windows2022).
      - A new machine gets V(Linux26_64) when it is left out. It says what VirtualBox emulates by default; nothing is
        installed.
  firmware:
    description:
      - Firmware of the machine. A new one gets V(bios) when it is left out. Machines with 32-bit EFI count as V(uefi).
  tpm:
    description: Whether it has an emulated TPM 2.0. Needs VirtualBox 7.0. Its content is removed with the machine.
  nested_virtualization:
    description:
      - Whether the guest can run machines of its own. VirtualBox takes the setting also where the host's processor
        cannot do it; the machine then does not start.
  autostart:
    description:
      - Whether the machine starts with its host. VirtualBox's autostart service must have been set up before
        (C(VBoxManage setproperty autostartdbpath)); it is refused where it was not.
      - A running machine gets it at once. VirtualBox cannot take it away from one before that is off.
  disks:
    description:
      - Disks by slot. What is not listed is left alone, unless O(purge) contains V(disks). Disks grow and never
        shrink.
      - A slot is a controller's name and a port, such as V(SATA 0), and for the second device of an IDE port
        V(IDE 0:1). Entries without a slot are at V(SATA 0), V(SATA 1) and so on. The controllers V(SATA), V(IDE),
        V(SCSI), V(SAS), V(NVMe) and V(VirtIO) are made when a disk needs them.
      - New files are in the format V(vdi), V(vmdk) or V(vhd), in the machine's folder. A qcow2 image is refused with
        the command that converts it.
      - A running machine gets a disk at a free port of SATA at once; all else needs it to be off. Disks of the fixed
        variant do not grow. Nor does a V(vmdk), which VirtualBox would spoil; it is refused with the command that
        makes a VDI of it, and so is a V(vmdk) that is to be larger than the O(image) it is made from.
  networks:
    description:
      - Network cards by place; the first entry is the first card. Keys that are left out are left alone, and a card
        keeps its MAC.
      - V(nat) and V(user) are both VirtualBox's own translation, each card behind a router of its own. V(network) is a
        NAT network by its name, V(internal) a network by its name (V(intnet) when left out), which comes into being by
        being named. V(bridged) needs an interface of the host, V(hostonly) a host-only interface.
      - O(networks[].model) is VirtualBox's word, such as V(82540EM), V(82545EM), V(Am79C973) or V(virtio).
      - A new machine gets one card of the type V(nat) when this is left out, and none when it is empty. The chipset
        V(piix3) has room for eight, V(ich9) (O(native)) for 36.
      - A running machine's card moves to another network at once; all else about it needs the machine to be off.
  port_forwards:
    description:
      - Ports of the host that lead into the guest, known by name, on the first card of the type V(nat). They come, go
        and change while the machine runs. A name has no comma, no percent sign and
        no line break.
      - A rule without a O(port_forwards[].host_port) gets a free one, which it keeps.
      - VirtualBox itself tells nobody when a port is taken by another program; the machine then starts without the
        forward.
      - For SSH there is O(ssh_forward).
  shared_folders:
    description:
      - Folders of the host, known by name, for guests with Guest Additions. A name has no space. Folders come and go
        while the machine is off.
      - With O(shared_folders[].guest_path) the guest mounts it there by itself.
  display:
    description:
      - Its O(display.video_memory) is in whole MiB from 1 to 256. Of O(display.type) there is V(none) alone, which
        switches VirtualBox's remote display off. The kind of graphics card is O(graphics_controller).
  image:
    description:
      - A base disk to make the machine from, in one of VirtualBox's formats (VDI, VMDK, VHD) or raw. Used only when
        the machine is made, and not compared later.
      - A qcow2 image is refused with the command that converts it (C(qemu-img convert -O vdi)).
  clone:
    description:
      - Makes the machine from another one, or from one of its snapshots. Used only when the machine is made.
      - The source must be off, unless a snapshot is named. A linked clone needs one to stand on, so that the source
        can go on.
      - A clone has its own UUID, MACs and disks, and no seed unless O(cloud_init) makes it one. A machine that linked
        clones depend on is not removed.
  native:
    description:
      - Keys are options of C(VBoxManage modifyvm) without the dashes in front, such as V(clipboard-mode),
        V(draganddrop), V(accelerate3d), V(audio-driver), V(usbehci), V(chipset) or V(cpuexecutioncap); V(true) and
        V(false) are V(on) and V(off).
      - One that VirtualBox shows nowhere, such as V(natdnshostresolver1), cannot be compared and is refused, as is what
        has an option here.
      - Most are changed while the machine is off.
seealso:
  - module: polyvirt.core.vbox_vm_info
  - module: polyvirt.core.vbox_snapshot
  - name: The VirtualBox guide of this collection
    description: Set-up, limits and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/virtualbox.md
"""

EXAMPLES = r"""
- name: A Debian guest from an image, running and answering on SSH
  polyvirt.core.vbox_vm:
    name: web1
    state: started
    os_type: debian
    cpus: 2
    memory: 2G
    image:
      source: /srv/images/debian-12.vdi
    disks:
      - size: 20G
    cloud_init:
      user: admin
      ssh_authorized_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    wait_for: ssh
  register: made

- name: The port of the host that leads to its SSH
  ansible.builtin.debug:
    msg: "{{ made.vms[0].ssh.host }}:{{ made.vms[0].ssh.port }}"

- name: More memory, with a restart where it is needed
  polyvirt.core.vbox_vm:
    name: web1
    memory: 4G
    allow_restart: true

- name: The web server reached on port 8080 of the host, at once
  polyvirt.core.vbox_vm:
    name: web1
    port_forwards:
      - name: web
        host_address: 127.0.0.1
        host_port: 8080
        guest_port: 80

- name: A desktop to be installed from a medium, in a window
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
    iso: /srv/iso/windows11.iso
    groups: [/desktops]
    native:
      clipboard-mode: bidirectional
      usbxhci: true

- name: A machine between two networks
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

- name: Save two machines to disk
  polyvirt.core.vbox_vm:
    name: [web1, desk1]
    state: suspended

- name: Remove a machine with the disks that were made for it
  polyvirt.core.vbox_vm:
    name: web1
    state: absent
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode as it would be.
    - The entry of a VM that does not exist, or whose request was rejected, has only what says something - name,
      id, platform, state, changed, failed, msg, steps, kept.
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
      description: The power state in the words of VirtualBox.
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
    autostart:
      description: Whether the VM starts with the host.
      type: bool
    iso:
      description: ISO image in the first optical drive; empty for none, null if there is no drive.
      type: str
    addresses:
      description: IP addresses of the VM. Those that Guest Additions reported in a former boot are left out.
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
          description: Size in bytes; null if it cannot be read.
          type: int
          sample: 21474836480
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
          description: Network, bridge or interface; missing where the type has none.
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
      description: Snapshots of the VM, each before its children. Empty in a task that does not read snapshots.
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
          description: Always empty; VirtualBox has one kind of snapshots.
          type: str
        created:
          description: Time of the snapshot in seconds since 1970.
          type: int
          sample: 1795172368
        current:
          description: Whether the disks are based on it. It does not contain what was written since.
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
          description: Action, such as V(create), V(configure), V(start) or V(stop).
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
              description: V(live) - takes effect at once. V(next_boot) - at the next start. V(power_off) - the
                VM must be stopped. V(destructive) - the VM must be created again.
              type: str
        cost:
          description: The highest cost of its changes.
          type: str
        also:
          description: Effects on anything other than this VM.
          type: list
          elements: str
        done:
          description: Whether the step was completed; in check mode, whether it would be.
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
    kept:
      description: What was not deleted with the VM.
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
          reason: a medium is not deleted
diff:
  description: What differs before and after the task. One entry for each VM that was changed, or would be in check
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
