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
  - polyvirt.core.vm
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
  secure_boot:
    description:
      - Refused here. C(VBoxManage modifynvram) switches it on, once the machine is made.
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
        O(networks[].vlan) is refused.
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
        the machine is made, and not compared later. O(image.linked=true) is refused; make a machine from the image and
        clone that.
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
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode as it would be.
    - The entry of a VM that does not exist, or whose request was rejected, has only what says something - name, id,
      platform, state, changed, failed, msg, steps, kept.
  returned: unless the options are wrong in form, or VirtualBox cannot be used
  type: list
  elements: dict
  contains:
    name:
      description: Name of the machine.
      type: str
      sample: web1
    id:
      description: UUID; null for a machine that does not exist (yet).
      type: str
      sample: 7d0a5ee4-4b3c-4a0e-b1e6-8c7a2a3f10a5
    platform:
      description: Always V(virtualbox) here.
      type: str
      sample: virtualbox
    state:
      description: Its power - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: VirtualBox's own word for its state.
      type: str
      sample: aborted
    cpus:
      description: Number of processors at its next start.
      type: int
      sample: 2
    memory_mib:
      description: Memory in MiB at its next start.
      type: int
      sample: 2048
    description:
      description: Its text for people.
      type: str
    tags:
      description: Its tags.
      type: list
      elements: str
    autostart:
      description: Whether it starts with the host.
      type: bool
    iso:
      description: Medium in the first optical drive; empty for none, null where there is no drive.
      type: str
    addresses:
      description:
        - Addresses, each with its source (V(agent), V(lease), V(arp)). What Guest Additions told in a former boot is
          not taken for an address.
      type: list
      elements: dict
      sample: [{"address": "192.168.56.101", "source": "agent"}]
    mac_addresses:
      description: Hardware addresses of its cards, in order.
      type: list
      elements: str
    ssh:
      description:
        - How to reach it by SSH (host, port, user, scope), or null. With the scope V(host) it is reachable only from
          the hypervisor's host, as through a forwarded port; with V(network) from its network.
      type: dict
      sample: {"host": "127.0.0.1", "port": 2222, "user": null, "scope": "host"}
    disks:
      description: Its disks (slot, size in bytes, format, source).
      type: list
      elements: dict
    networks:
      description: Its cards (type, source, mac, model), in order.
      type: list
      elements: dict
    snapshots:
      description: Its snapshots, where they were looked at.
      type: list
      elements: dict
    settings:
      description: All other settings that the machine has, by the name of their option.
      type: dict
      sample: {"firmware": "bios", "graphics_controller": "vmsvga", "groups": ["/"]}
    native:
      description: The present values of the keys asked in O(native).
      type: dict
    restart_required:
      description: Paths of settings that are stored, but will be in force only after its next start.
      type: list
      elements: str
    changed:
      description: Whether this machine was changed.
      type: bool
    failed:
      description: Whether the task failed for this machine.
      type: bool
    msg:
      description: Why it failed; empty if it did not.
      type: str
    steps:
      description: What was to be done, in order (verb, changes, cost, also, done, note).
      type: list
      elements: dict
      sample: [{"verb": "start", "changes": [], "cost": "live", "also": [], "done": true, "note": ""}]
    not_compared:
      description: Options that are used only when a machine is made, and so had no effect on this existing one.
      type: list
      elements: str
      sample: [image]
    kept:
      description: Files that were not deleted with the machine, each with the reason.
      type: list
      elements: dict
      sample: [{"path": "/srv/iso/debian.iso", "reason": "a medium is not deleted"}]
"""

from ..module_utils._drivers.vbox.driver import make_driver
from ..module_utils._front import run_module, vm_module
from ..module_utils._lifecycle.options import VBOX, VBOX_VM

MODULE = vm_module(
    {**VBOX, **VBOX_VM}, make_driver, own_settings=("groups", "graphics_controller", "boot_order", "ssh_forward")
)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
