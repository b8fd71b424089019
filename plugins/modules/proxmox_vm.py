#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proxmox_vm
short_description: Manage virtual machines of Proxmox VE
version_added: 0.1.0
description:
  - Makes, changes, moves, starts, stops and removes machines of a Proxmox VE cluster, through its API.
  - An option that is given is enforced on existing machines too, or refused with a reason; what is left out is
    left alone. A disk is never made a second time and never shrunk, and a card keeps its MAC.
  - What a running machine does not take is stored for its next start and told in RV(vms[].restart_required).
    O(allow_restart=true) is the consent to turn it off and on again for that.
  - All machines of a task are looked at together. With N machines on K nodes that is one call, K calls for how they
    stand now, and N for their settings; a task that gives no settings does without those N.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.proxmox_vm
  - polyvirt.core.call_timeout
  - polyvirt.core.proxmox
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
      - Number (vmid) of the VM, such as V(105). Needs a single O(name).
      - If no VM has this number and O(name) does not exist either, the VM is created with it. If omitted, a new VM gets
        the next free number.
      - If both O(name) and O(id) are set, they must belong to the same VM; VMs are not renamed, and their numbers do
        not change.
  name:
    description:
      - Name of the machine, or names of several that are treated alike. It is a DNS name.
      - Proxmox VE takes a name twice. Of two tasks that make a machine of one name at the same moment one gives way,
        so that there is one in the end. Machines that have the same name already are named by O(id).
  state:
    description:
      - V(suspended) is Proxmox VE's hibernation. What is hibernated is locked, so that settings can be changed only
        after it was started.
  stop_mode:
    description:
      - V(graceful) asks the guest, through its agent or the power button, asks again every ten seconds, and fails
        after O(stop_timeout).
      - V(force) cuts its power. V(graceful_then_force) asks, and cuts after O(stop_timeout).
  delete_disks:
    description:
      - With V(owned) and V(all) all volumes go that Proxmox VE knows as the machine's own. V(none) is refused, for
        they cannot outlive it.
      - Volumes of other machines and media are never deleted. A template whose linked clones are there is not removed.
  os_type:
    description:
      - Proxmox VE's word, such as V(l26) or V(win11), or a short name that stands for one - V(alma), V(arch),
        V(archlinux), V(centos), V(debian), V(fedora), V(freebsd), V(gentoo), V(linux), V(netbsd), V(openbsd),
        V(opensuse), V(redhat), V(rhel), V(rocky), V(ubuntu), V(windows), V(windows10), V(windows11), V(windows2016),
        V(windows2019), V(windows2022) and V(windows2025).
      - A new machine gets V(l26) when it is left out.
  firmware:
    description: V(uefi) is OVMF, with an EFI disk that is made for it. A new machine gets V(bios) when it is left out.
  secure_boot:
    description: Whether the EFI disk comes with the keys for it. It is chosen along with O(firmware=uefi).
  tpm:
    description: Whether it has an emulated TPM 2.0. Its content is removed with it.
  nested_virtualization:
    description: Whether the guest can run machines of its own. With V(true) its processor is the host's.
  description:
    description: Notes for people. A line at their end, which the web interface does not show, is this collection's own.
  tags:
    description: The complete list of its tags. Proxmox VE keeps them in small letters.
  autostart:
    description: Whether the machine starts with its node.
  disks:
    description:
      - Disks by slot. What is not listed is left alone, unless O(purge) contains V(disks). Disks grow and never
        shrink. What is detached stays as an unused disk.
      - A slot is V(scsi0) to V(scsi30), V(virtio0) to V(virtio15), V(sata0) to V(sata5) or V(ide0) to V(ide3). Entries
        without a slot are at V(scsi0), V(scsi1) and so on.
      - O(disks[].source) is an existing volume, such as V(local-lvm:vm-105-disk-1). One of another machine that is
        there is refused, for it would go with that one. O(disks[].format) can be other than V(raw) only on storages
        that hold files.
      - A running machine takes and gives disks of SCSI and VirtIO at once. How a disk is attached (discard, iothread,
        ssd, cache) is set by O(native), such as V(scsi0=discard=on).
  networks:
    description:
      - Network cards by place; the first entry is the first card. Keys that are left out are left alone, and a card
        keeps its MAC.
      - V(bridged) is a card on a bridge of the node or a VNet, which V(network) is too; V(user) and V(nat) are the
        emulator's own translation. A bridge without a port is a network of the host and its VMs only.
      - A new machine gets one card on O(bridge) when this is left out, and none when it is empty.
      - Firewall, rate and the like are set by O(native), such as V(net0=firewall=1).
  iso:
    description:
      - The medium in the first optical drive. An empty text ejects it.
      - It is a volume, such as V(local:iso/debian.iso); or a file on the host of the task, which is uploaded; or an
        address that begins with C(http), from which the node downloads it. What is on the storage under that name
        already is neither uploaded nor downloaded again. See O(iso_checksum).
  display:
    description:
      - Its O(display.type) is V(none), V(vnc) (Proxmox VE's std) or V(spice) (qxl). Its O(display.video_memory) is in
        whole MiB from 4 to 512.
      - A serial console and other cards are set by O(native), such as V(vga=serial0) with V(serial0=socket). A serial
        console is told as C(serial), and a card with a screen that is not qxl as V(vnc).
  image:
    description:
      - A volume to make the machine's first disk from, such as V(local:import/debian-12.qcow2). Used only when the
        machine is made, and not compared later. Needs Proxmox VE 7.2.
      - Storages have the content Import since Proxmox VE 8.3. Before, name a disk of another machine's number on a
        storage with the content Disk image, such as V(local:9000/vm-9000-disk-0.qcow2).
  clone:
    description:
      - Makes the machine from another one, a template or one of its snapshots. Used only when the machine is made; an
        existing machine is left as it is, and its own number is told.
      - Only a template has linked clones. Where another O(node) is named, the source's disks must be shared.
  cloud_init:
    description:
      - Settings that Proxmox VE passes to cloud-init at each start. They are compared and enforced; the guest reads
        a change at its next start. A VM without a cloud-init drive gets one. An empty value removes a setting.
      - O(cloud_init.password) cannot be read back. It is used only when the VM is created.
      - The API does not accept documents, such as user data. Store them as snippets and name them with O(native), key
        C(cicustom).
      - If O(cloud_init.nameservers) or O(cloud_init.search_domains) is empty, the guest gets those of the node.
  native:
    description:
      - Keys are options of C(qm set), such as V(cpu), V(numa), V(hostpci0), V(usb0), V(hookscript), V(hotplug),
        V(startup), V(balloon) or V(vmgenid). Values are compared as Proxmox VE means them, so that a default that is
        spelled out, or another order, is no difference; an empty one takes the setting away.
      - Of disks and cards (V(scsi0), V(net0)) only the parts that are named are set, and all others stay. An empty
        one (V(rate=)) is taken away.
      - What has an option here is refused.
seealso:
  - module: polyvirt.core.proxmox_vm_info
  - module: polyvirt.core.proxmox_snapshot
  - name: The Proxmox VE guide of this collection
    description: Set-up, privileges, playing without a cluster, and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/proxmox.md
"""

EXAMPLES = r"""
- name: A clone of a template, with an address and a key, running and answering on SSH
  polyvirt.core.proxmox_vm:
    name: web1
    state: started
    clone:
      source: debian-12
      linked: true
    cpus: 2
    memory: 4G
    disks:
      - size: 40G
    cloud_init:
      user: admin
      ssh_authorized_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
      ip_config:
        - ip=10.0.0.5/24,gw=10.0.0.1
    native:
      agent: 1
    wait_for: ssh

- name: Twenty of them, spread over the nodes that have the storage, looked at together
  polyvirt.core.proxmox_vm:
    name: "{{ query('ansible.builtin.sequence', 'start=1 end=20 format=node%02d') }}"
    node: auto
    storage: ceph
    image: cephfs:import/debian-12.qcow2
    tags: [staging]

- name: More memory, with a restart where it is needed
  polyvirt.core.proxmox_vm:
    name: web1
    memory: 8G
    allow_restart: true

- name: Move it to another node, while it runs
  polyvirt.core.proxmox_vm:
    name: web1
    node: pve2

- name: A Windows machine to be installed from a medium that the node downloads
  polyvirt.core.proxmox_vm:
    name: desk1
    state: started
    node: pve1
    os_type: windows11
    firmware: uefi
    secure_boot: true
    tpm: true
    cpus: 4
    memory: 8G
    disks:
      - size: 64G
    iso: https://example.com/windows11.iso
    iso_checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    native:
      scsi0: discard=on,ssd=1
      net0: firewall=1

- name: Make a template of it
  polyvirt.core.proxmox_vm:
    name: golden
    template: true

- name: Remove a machine with its disks
  polyvirt.core.proxmox_vm:
    name: web1
    state: absent
    stop_mode: graceful_then_force
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode as it would be.
    - The entry of a VM that does not exist, or whose request was rejected, has only what says something - name,
      id, platform, state, changed, failed, msg, steps, kept.
  returned: unless the options are wrong in form, or Proxmox VE cannot be used
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    id:
      description: ID of the VM (vmid) as a string; null for a VM that does not exist (yet).
      type: str
      sample: '105'
    platform:
      description: Always V(proxmox).
      type: str
      sample: proxmox
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: Proxmox VE's word for a state other than plainly running, or why the node does not report the
        state.
      type: str
      sample: io-error
    cpus:
      description: Number of CPUs at the next start.
      type: int
      sample: 2
    memory_mib:
      description: Memory in MiB at the next start.
      type: int
      sample: 4096
    description:
      description: Notes of the VM.
      type: str
    tags:
      description: Tags.
      type: list
      elements: str
    autostart:
      description: Whether the VM starts with its node.
      type: bool
    iso:
      description: ISO image in the first optical drive; empty for none, null if there is no drive.
      type: str
    addresses:
      description: IP addresses of the VM. Link-local addresses are left out.
      type: list
      elements: dict
      contains:
        address:
          description: IP address.
          type: str
        source:
          description: V(agent) - reported by the guest agent, where O(native) has enabled it. V(ipconfig) - set
            by cloud-init, where the agent does not answer.
          type: str
      sample:
        - address: 10.0.0.5
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
        host: 10.0.0.5
        port: 22
        user: admin
        scope: network
    disks:
      description: Disks of the VM.
      type: list
      elements: dict
      contains:
        slot:
          description: Slot of the disk.
          type: str
          sample: scsi0
        size:
          description: Size in bytes; null if it cannot be read.
          type: int
          sample: 21474836480
        format:
          description: Format of the image.
          type: str
          sample: qcow2
        source:
          description: Volume of the disk.
          type: str
          sample: local-lvm:vm-105-disk-0
        storage:
          description: Storage of the disk.
          type: str
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
          sample: virtio
        vlan:
          description: VLAN tag.
          type: int
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
          description: Always null; a snapshot is known by its name.
          type: str
        parent:
          description: Name of the parent snapshot, or null.
          type: str
        state:
          description: Power state in which a restore ends.
          type: str
          sample: running
        description:
          description: Free-text description.
          type: str
        kind:
          description: Always empty; Proxmox VE has one kind of snapshots.
          type: str
        created:
          description: Time of the snapshot in seconds since 1970.
          type: int
          sample: 1795172368
        current:
          description: Whether the disks are based on it. It does not contain what was written since.
          type: bool
        unfinished:
          description: Why the snapshot cannot be used (it is being taken or removed, or that was interrupted);
            empty if it can.
          type: str
    settings:
      description:
        - All other settings of the VM by the name of their option, with its node and pool.
        - A task that sets no settings reads only what the lists of the nodes report.
      type: dict
      sample:
        node: pve1
        pool: ''
        firmware: bios
        protection: false
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
        - clone
    kept:
      description: What was not deleted with the VM.
      type: list
      elements: dict
      contains:
        path:
          description: Volume.
          type: str
        reason:
          description: Why it was not deleted.
          type: str
      sample:
        - path: local:iso/debian.iso
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

from ..module_utils._drivers.proxmox.connecting import make_driver
from ..module_utils._drivers.proxmox.options import PROXMOX, VM
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(PROXMOX, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
