#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_vm
short_description: Manage virtual machines of libvirt
version_added: 0.1.0
description:
  - Makes, changes, starts, stops and removes machines of libvirt (QEMU, KVM), through C(virsh) and C(qemu-img).
  - An option that is given is enforced on existing machines too, or refused with a reason; what is left out is
    left alone.
  - An existing machine is changed by editing its own definition, so MACs, addresses and devices that nobody asked
    about stay.
  - Of a running machine, disks on the virtio and SCSI buses, network cards, media and texts change at once, and
    so do processors and memory within O(max_cpus) and O(max_memory). All else is stored for its next start, and
    listed in RV(vms[].restart_required) until then.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm
  - polyvirt.core.call_timeout
  - polyvirt.core.virsh
  - polyvirt.core.virsh_vm
attributes:
  check_mode:
    support: full
    details: A check looks and plans like the real run, and reports the same C(changed) and C(diff), but writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  networks:
    description:
      - The type V(nat) is the libvirt network V(default) unless another is named, and V(internal) needs the name
        of an isolated network. The type V(hostonly) and the options O(networks[].vlan) and O(os_type)
        are refused here.
      - A running machine gets a new card at once, loses one as soon as its guest lets go, and moves to another
        source. The type, the model and the address of a card wait for its next start, as does every card where
        what runs differs already from what is stored.
  cpus:
    description:
      - Number of virtual processors. A new machine gets 2 when it is left out.
      - A running machine gets more at once, as far as O(max_cpus) allows; its guest may have to switch them on. Fewer
        wait for its next start.
  memory:
    description:
      - Memory, such as V(2G) or V(512MiB) (units are powers of 1024); a plain number is MiB. A new machine gets 2
        GiB.
      - That of a running machine changes at once, as far as O(max_memory) allows. It is a request to the guest, which
        gives memory back when it can; nobody waits for that.
  disks:
    description:
      - Disks by slot. What is not listed is left alone, unless O(purge) contains V(disks). Disks grow and never
        shrink.
      - The slot V(vda) is on virtio, V(sda) on SCSI, V(hda) on IDE, and V(sata0), V(sata1) and so on are on SATA. SATA
        and SCSI share their names in libvirt, so that V(sata0) is shown as V(sda) with the bus V(sata).
      - Disks on SATA and IDE come and go with the machine's next start.
  firmware:
    description:
      - Firmware of the machine. A new one gets V(bios) when it is left out.
      - libvirt (7.2 or later) chooses the files from the firmware that the hypervisor has (package C(ovmf) or
        C(edk2-ovmf)).
      - A machine has an NVRAM file for each kind of firmware that it was given, with and without secure boot. They go
        with the machine, and are kept with O(delete_disks=none).
  secure_boot:
    description:
      - Whether only signed systems may boot. Needs O(firmware=uefi) and the machine type q35. The keys of Microsoft are
        enrolled.
      - A machine that is given O(firmware=uefi) has no secure boot unless it is asked for.
  tpm:
    description:
      - Whether it has an emulated TPM 2.0 (packages C(swtpm) and C(swtpm-tools)). One that it has already is left as it
        is.
      - Its content is removed with the machine.
  nested_virtualization:
    description:
      - Whether the guest can run machines itself. Needs KVM, and for V(true) the parameter C(nested) of the host's
        module C(kvm_intel) or C(kvm_amd).
  display:
    description:
      - The machine's screen. A new one listens on 127.0.0.1, on a port that libvirt chooses. One of the type that is
        asked for keeps its address, port and password.
      - The video memory is rounded up to a power of two, as libvirt does.
  clone:
    description:
      - Makes the machine from another one, or from one of its snapshots. Used only when the machine is made.
      - The source must be off, unless a snapshot is named. A clone has its own UUID, MACs and disks; it has no seed
        unless O(cloud_init) makes it one, and no O(serial_log) and O(port_forwards) of its source.
      - While linked clones stand on a machine's disks, that machine is not started. Only external snapshots can be
        linked to.
  port_forwards:
    description:
      - Ports of the host that lead into the guest, known by name; a new one needs its O(port_forwards[].host_port).
      - Done by passt on the first card of the type V(user), from the machine's next start on. Refused before libvirt
        9.2, and for machines without such a card.
  shared_folders:
    description:
      - Folders of the hypervisor, known by the tag with which the guest mounts them
        (C(mount -t virtiofs NAME FOLDER)). O(shared_folders[].guest_path) is refused, for mounting is the guest's own
        business.
      - Through virtiofs where the host has it, else through 9p. Folders come and go with the machine's next start.
      - With virtiofs the memory of the machine is made shareable. With 9p what the guest writes is stored as QEMU's
        own user, who must be able to write there. While a guest has a folder mounted, it may not be possible to
        suspend it.
  native:
    description:
      - Keys are paths in the domain XML, to an element's text (V(os/kernel)) or an attribute (V(os/type@machine),
        V(devices/video/model@type), V(cpu@mode)). An empty value (null) removes the element or attribute.
seealso:
  - module: polyvirt.core.virsh_vm_info
  - name: The libvirt guide of this collection
    description: Set-up, limits and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/libvirt.md
"""

EXAMPLES = r"""
- name: A Debian guest from an image, running and answering on SSH
  polyvirt.core.virsh_vm:
    name: web1
    state: started
    cpus: 2
    memory: 2G
    image:
      source: /var/lib/libvirt/images/debian-12.qcow2
      linked: true
    disks:
      - size: 20G
    cloud_init:
      user: admin
      ssh_authorized_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    wait_for: ssh

- name: More memory, with a restart where it is needed
  polyvirt.core.virsh_vm:
    name: web1
    memory: 4G
    allow_restart: true

- name: A second disk, plugged into the running machine
  polyvirt.core.virsh_vm:
    name: web1
    disks:
      - slot: vdb
        size: 50G

- name: Room to grow while it runs, and a folder of the hypervisor from its next start on
  polyvirt.core.virsh_vm:
    name: web1
    cpus: 2
    max_cpus: 8
    memory: 4G
    max_memory: 16G
    shared_folders:
      - name: data
        host_path: /srv/data
        read_only: true

- name: Shut three machines down, and cut their power if they do not obey within a minute
  polyvirt.core.virsh_vm:
    name: [web1, web2, web3]
    state: stopped
    stop_mode: graceful_then_force
    stop_timeout: 60

- name: A machine with UEFI, secure boot and a TPM, to be installed from a medium
  polyvirt.core.virsh_vm:
    name: desk1
    state: started
    firmware: uefi
    secure_boot: true
    tpm: true
    display:
      type: vnc
    iso: /var/lib/libvirt/images/installer.iso
    boot_order: [disk, cdrom]
    serial_log: /var/log/libvirt/qemu/desk1-serial.log

- name: Remove a machine with the disks that were made for it
  polyvirt.core.virsh_vm:
    name: web1
    state: absent
"""

RETURN = r"""
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode as it would be.
    - The entry of a VM that does not exist, or whose request was rejected, has only what says something - name, id,
      platform, state, changed, failed, msg, steps, kept.
  returned: unless the options are wrong in form, or libvirt cannot be reached
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
      sample: 3f078c8c-2819-40bf-b3cd-6a6ef2079e51
    platform:
      description: Always V(libvirt) here.
      type: str
      sample: libvirt
    state:
      description: Its power - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: The platform's own word for how it got into this state.
      type: str
      sample: booted
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
        - Addresses, each with its source (V(lease), V(agent), V(arp)). A lease may be left from a former boot.
        - A task that changed nothing and did not wait (O(wait_for=state)) asks for leases only. One that changed
          something, or waited for an address or SSH, asks the guest agent and the host's ARP table too.
      type: list
      elements: dict
      sample: [{"address": "192.168.122.14", "source": "lease"}]
    mac_addresses:
      description: Hardware addresses of its cards, in order.
      type: list
      elements: str
    ssh:
      description:
        - How to reach it by SSH (host, port, user, scope), or null. With the scope V(host) the address is
          reachable only from the hypervisor's host, with V(network) from its network.
      type: dict
      sample: {"host": "192.168.122.14", "port": 22, "user": null, "scope": "host"}
    disks:
      description: Its disks (slot, size in bytes, format, source, bus).
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
      sample: {"firmware": "uefi", "secure_boot": false}
    native:
      description: The present values of the keys asked in O(native).
      type: dict
    restart_required:
      description: Paths of settings that are stored, but will be in force only after its next start.
      type: list
      elements: str
      sample: [memory]
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

from ..module_utils._drivers.virsh.driver import make_driver
from ..module_utils._front import run_module, vm_module
from ..module_utils._lifecycle.options import VIRSH, VIRSH_VM

MODULE = vm_module(
    {**VIRSH, **VIRSH_VM}, make_driver, own_settings=("boot_order", "serial_log", "max_cpus", "max_memory")
)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
