#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hyperv_vm_info
short_description: List virtual machines of Hyper-V
version_added: 1.0.0
description:
  - Returns whether Hyper-V can be used on a Windows host, and its VMs with all of their settings.
  - Where Hyper-V is missing, RV(host) contains the reason and what to do, and the task warns or fails (see
    O(required)).
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.facets
  - polyvirt.core.hyperv
attributes:
  check_mode:
    support: full
    details: Only reads.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: windows
seealso:
  - module: polyvirt.core.hyperv_vm
"""

EXAMPLES = r"""
- name: Read all VMs
  polyvirt.core.hyperv_vm_info:
  register: hyperv

- name: Show the assigned memory of running VMs
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.native['VM.MemoryAssigned'] }}"
  loop: "{{ hyperv.vms | selectattr('state', 'eq', 'running') }}"
"""

RETURN = r"""
# begin generated: returns
host:
  description: Whether and how Hyper-V can be used here.
  type: dict
  returned: success
  contains:
    available:
      description: Whether Hyper-V is installed.
      type: bool
    configured:
      description: Whether Hyper-V answers and can be used.
      type: bool
    version:
      description: Version of Windows, or null.
      type: str
      sample: 10.0.20348
    message:
      description: Explanation of these values, and what to do if Hyper-V cannot be used.
      type: str
    why:
      description: Null, or why Hyper-V cannot be used - missing, not_responding, too_old (PowerShell 7 has no native
        module), wrong_system (no Windows host).
      type: str
    capabilities:
      description: Features of this platform, or null.
      type: dict
      contains:
        states:
          description: Power states that VMs can have.
          type: list
          elements: str
        stop_modes:
          description: Supported values of C(stop_mode).
          type: list
          elements: str
        verbs:
          description: Supported actions.
          type: list
          elements: str
        options:
          description: Supported options.
          type: list
          elements: str
        console:
          description: How to get the console of a VM, or a log of it.
          type: str
        live_migration:
          description: Whether a task can move a running VM to another host.
          type: bool
        moving:
          description: How a VM moves to another host.
          type: str
vms:
  description:
    - The named VMs that exist, or all.
  returned: success
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
      description: Always V(hyperv).
      type: str
      sample: hyperv
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: Why the power state is unknown, in the terms of Hyper-V.
      type: str
      sample: booted
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
      description: Whether the VM starts with its host; null if it does only if it ran before.
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
      description: IP addresses of the VM, without link-local addresses.
      type: list
      elements: dict
      contains:
        address:
          description: IP address.
          type: str
        source:
          description: V(agent) - reported by the integration services.
          type: str
      sample:
        - address: 192.168.1.20
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
        host: 192.168.122.14
        port: 22
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
          sample: SCSI 0:0
        size:
          description: Size, as a task sets it; null if it cannot be read.
          type: str
          sample: 20G
        format:
          description: Format of the image.
          type: str
          sample: vhdx
        source:
          description: File of the disk, below those of checkpoints.
          type: str
          sample: C:\Hyper-V\web1-scsi0-0.vhdx
    networks:
      description: NICs of the VM, in order.
      type: list
      elements: dict
      contains:
        type:
          description: Type of the connection, as in O(polyvirt.core.hyperv_vm#module:networks[].type).
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
        vlan:
          description: VLAN ID, 0 for none.
          type: int
        trunk:
          description: VLANs that the guest can tag.
          type: list
        dhcp_guard:
          description: Value of the option dhcp_guard.
          type: bool
        router_guard:
          description: Value of the option router_guard.
          type: bool
        mac_spoofing:
          description: Value of the option mac_spoofing.
          type: bool
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
          description: ID of the checkpoint; null in check mode for a new one.
          type: str
          sample: 1f2d7e0c-7b0c-4a6e-9d0b-3f0f6b1c2a4d
        parent:
          description: ID of the parent checkpoint, or null.
          type: str
        state:
          description: Power state in which a restore ends.
          type: str
          sample: running
        description:
          description: Free-text description.
          type: str
        kind:
          description: V(automatic) for a checkpoint that Hyper-V took at a start, else empty.
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
          description: Always empty for Hyper-V.
          type: str
    settings:
      description: All other settings of the VM, by the name of their option.
      type: dict
      sample:
        firmware: uefi
        checkpoint_type: production
    native:
      description: Current values of the keys in O(polyvirt.core.hyperv_vm#module:native).
      type: dict
    restart_required:
      description: Paths of settings that are stored and take effect at the next start.
      type: list
      elements: str
      sample:
        - memory
    counters:
      description: Resources that the VM uses on its host. A value that the platform does not report, or only for
        running VMs, is null.
      type: dict
      returned: if O(facets) contains V(counters)
      contains:
        cpu_time:
          description: Seconds of CPU time since the VM was started. Reported by libvirt.
          type: float
          sample: 92.5
        memory_used_mib:
          description: Memory of the host in MiB. Reported by libvirt, Hyper-V, vmd and Proxmox VE (before version
            9, the memory that the guest uses).
          type: int
          sample: 812
        disk_used:
          description: Space of the disks on the host in bytes. Reported by libvirt, Hyper-V and VirtualBox.
          type: int
          sample: 3221225472
        uptime:
          description: Seconds since the VM was started. Reported by Proxmox VE and Hyper-V.
          type: int
          sample: 86400
    console:
      description: The end of the VM's console. O(console) describes where the platforms keep it.
      type: dict
      returned: if O(console) is set
      contains:
        lines:
          description: The last lines, the newest last; null if they cannot be read.
          type: list
          elements: str
          sample:
            - 'web1 login:'
        file:
          description: File of the log, or null.
          type: str
          sample: /var/log/libvirt/qemu/web1-console.log
        terminal:
          description: Device of the host that the console is connected to, or null. Reported by vmd.
          type: str
        how:
          description: Why there are no lines, and how to get the console; null if there are lines.
          type: str
    task:
      description: The options of M(polyvirt.core.vm) that keep the VM as it is; null if the VM is incomplete. Options
        of one platform, and options of the connection that this task sets, are below C(options).
      type: dict
      returned: if O(describe=true)
      sample:
        platform: libvirt
        name: web1
        state: started
        cpus: 2
        memory: 2G
    not_described:
      description: Settings that the task does not hold. A change of any other setting that has a value is reported
        by the task in check mode.
      type: list
      elements: dict
      contains:
        path:
          description: Path of the setting.
          type: str
          sample: networks.0.mac
        kind:
          description: V(default) - it has the default value. V(identity) - a new VM gets another one. V(secret)
            - it is a secret. V(creation) - it is used at creation only. V(unsupported) - no option can set it,
            or it cannot be read.
          type: str
          sample: identity
        reason:
          description: Why the task does not hold it.
          type: str
        variable:
          description: Name of a variable for a secret, else null.
          type: str
          sample: web1_cloud_init_password
      returned: if O(describe=true)
# end generated
"""

from ..module_utils._drivers.hyperv.observe import make_observer
from ..module_utils._drivers.hyperv.options import HYPERV, VM
from ..module_utils._front.declaration import run_module
from ..module_utils._front.info import info_module

MODULE = info_module(HYPERV, {}, make_observer, VM)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
