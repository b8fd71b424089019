#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hyperv_vm
short_description: Manage virtual machines of Hyper-V
version_added: 1.0.0
description:
  - Creates, changes, starts, stops and deletes VMs of Microsoft Hyper-V on a Windows host.
  - Ten options are enough for most tasks - O(name), O(state), O(image), O(cpus), O(memory), O(disks), O(networks),
    O(cloud_init), O(wait_for) and O(allow_restart).
  - Runs on the controller and sends its calls to the host through the connection of the task. The host needs no Python.
  - Options you omit are never changed. Options you set are enforced on existing VMs, too; if that is impossible, the
    task fails and says why.
  - Most hardware can be changed only while the VM is off. O(allow_restart=true) is the permission to restart it.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.call_timeout
  - polyvirt.core.hyperv
  - polyvirt.core.hyperv_vm
attributes:
  check_mode:
    support: full
    details:
      - Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
      - It cannot foresee the following, each with the reason after the dash. The guide has what remains afterwards.
      # begin generated: unforeseen
      - not enough memory to start a VM (C(0x8007000E), C(0x800705AA)) - Hyper-V decides when the VM starts.
      - the hypervisor does not run, or virtualization is disabled - Hyper-V reports that when a VM starts.
      - 'a drive becomes full: dynamic disks, checkpoints, saved memory (C(0x80070070)) - files grow during the
        operation.'
      - access denied to a disk or ISO image (C(0x80070005)) - Hyper-V opens files with another account than the
        task.
      - a file is in use by backup software or a virus scanner (C(0x80070020)) - it may be released at any time.
      - a VM does not start from a share that the connection reaches - Hyper-V opens the files with the computer
        account of the host, which a task cannot ask.
      - two running VMs have one MAC address, and one is on another host - only VMs of this host are listed.
      - a guest does not shut down, or has no address - only the guest decides.
      - no shutdown service in the guest, although it is enabled - it answers only while the guest runs.
      - a live change that this guest or release rejects (memory, NICs) - depends on drivers in the guest.
      - a production checkpoint fails in the guest (VSS) - only the guest decides.
      - the secure boot template was fixed by the first start with a TPM - Hyper-V does not report it.
      - merging does not end in time - backup software may hold the files.
      - copying or exporting takes longer than C(call_timeout) - depends on the size and the storage.
      - the VM or checkpoint was changed by another client after the plan - it happens later.
      # end generated
  diff_mode:
    support: full
  platform:
    platforms: windows
options:
  name:
    description:
      - Name of the VM, or a list of names of VMs that get the same options.
      - Hyper-V compares names without regard to case. If several VMs have the name, the task fails and lists their IDs.
  id:
    description:
      - ID (GUID) of an existing VM.
  firmware:
    description:
      - V(uefi) creates a VM of generation 2, V(bios) one of generation 1. A new VM has V(uefi) by default.
      - The generation of an existing VM can be changed only by creating it again (O(allow_recreate=true)).
  secure_boot:
    description:
      - Whether secure boot is on. Hyper-V turns it on for new VMs of generation 2, with the template V(windows). Set
        O(secure_boot_template=linux) for other systems.
  nested_virtualization:
    description:
      - Whether VMs can run within the VM. Needs static memory. MAC spoofing is allowed on its NICs.
  autostart:
    description:
      - Whether the VM starts with its host. A new VM does not by default.
  memory:
    description:
      - Memory, a multiple of 2M. With O(dynamic_memory=true), the memory at the start. A new VM has V(2G) by default.
  stop_mode:
    description:
      - V(graceful) asks the guest, asks again every ten seconds, and fails after O(stop_timeout). It fails immediately
        if the shutdown service of the guest does not answer.
      - V(force) cuts the power. V(graceful_then_force) asks, and cuts the power after O(stop_timeout).
  iso:
    description:
      - ISO image in the first DVD drive, as a path on the host. An empty string ejects.
  disks:
    description:
      - Disks by slot. Other disks of the VM are not changed, unless O(purge) contains V(disks).
      - Slots are such as V(SCSI 0:1) and, for generation 1, V(IDE 0:0). Entries without a slot use SCSI 0:0, SCSI 0:1
        and so on. For VMs of generation 1 they are IDE 0:0 and IDE 0:1, then those of SCSI.
      - New files are created in O(storage_path). The formats V(vhdx) and V(vhd) grow as needed, V(vhdx-fixed) and
        V(vhd-fixed) use their whole size from the beginning. A new VM has one disk of 32G by default.
      - Disks never shrink, and do not grow while the VM has checkpoints.
  networks:
    description:
      - NICs by position; the first entry is the first NIC. Omitted keys are not changed.
      - V(network) is connected to the switch that O(networks[].source) names (an ID is possible, too); without a name
        it is not connected. V(nat) is connected to the default switch of a Windows client.
      - If omitted, a new VM has no NIC.
  image:
    description:
      - A virtual disk (VHDX or VHD) on the host to create the VM from. Used only when the VM is created, and not
        compared later.
      - It is copied. With O(image.linked=true), the new disk is a differencing disk based on it, which then must not
        change.
  clone:
    description:
      - Another VM to create this VM from. Used only when the VM is created. The source must be off, unless
        O(clone.snapshot) is set.
      - The clone has copies of all disks, its own ID and its own MAC addresses. With O(clone.linked=true), its disks
        are based on those of the source, which cannot be started as long as the clone exists.
  cloud_init:
    description:
      - Data for cloud-init in the guest, written to a NoCloud seed ISO image in a separate DVD drive. Used only when
        the VM is created, and not compared later. The controller needs xorriso, genisoimage or mkisofs.
      - O(cloud_init.ip_config) needs O(networks[].mac), because Hyper-V chooses MAC addresses at the first start.
  native:
    description:
      - Settings of Hyper-V without an option here, by object and property, such as V(Processor.Reserve),
        V(Memory.Priority), V(VM.AutomaticStartDelay) and V(Firmware.ConsoleMode).
seealso:
  - module: polyvirt.core.hyperv_vm_info
  - module: polyvirt.core.hyperv_snapshot
"""

EXAMPLES = r"""
- name: Create a Linux VM from an image, and start it
  polyvirt.core.hyperv_vm:
    name: web1
    state: started
    cpus: 2
    memory: 4G
    secure_boot_template: linux
    image: debian-13
    disks:
      - size: 40G
    networks:
      - type: network
        source: lan
        vlan: 7
    wait_for: ssh

- name: Create a VM with dynamic memory and a TPM, to install Windows
  polyvirt.core.hyperv_vm:
    name: win1
    memory: 4G
    dynamic_memory: true
    minimum_memory: 2G
    maximum_memory: 8G
    tpm: true
    iso: C:\iso\windows.iso
    disks:
      - size: 80G
    boot_order: [cdrom, disk]

- name: Create a VM from an appliance on the controller
  polyvirt.core.hyperv_vm:
    name: shop1
    state: started
    appliance:
      source: /srv/appliances/shop.ova
      networks:
        - name: VM Network
          type: network
          source: lan

- name: Clone a VM that is off
  polyvirt.core.hyperv_vm:
    name: web2
    clone: golden

- name: Delete a VM with the disks that this collection created
  polyvirt.core.hyperv_vm:
    name: web1
    state: absent
    stop_mode: graceful_then_force
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode, as it would be after the task.
    - An entry always has all keys. Unknown and missing values are null or empty.
  returned: unless the options are wrong in form, or Hyper-V cannot be used
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

from ..module_utils._drivers.hyperv.driver import make_driver
from ..module_utils._drivers.hyperv.options import HYPERV, VM
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(HYPERV, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
