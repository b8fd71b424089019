#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vmm_vm
short_description: Manage virtual machines of OpenBSD's vmd
version_added: 1.0.0
description:
  - Creates, changes, starts, stops and deletes VMs of OpenBSD's own hypervisor, vmm(4) and vmd(8), with C(vmctl).
  - Ten options are enough for most tasks - O(name), O(state), O(image), O(cpus), O(memory), O(disks), O(networks),
    O(cloud_init), O(wait_for) and O(allow_restart).
  - VMs are defined in a block of vm.conf that this collection manages. All other lines of the file are not changed.
    Each new version of the file is checked with C(vmd -n) before it replaces the old one, which is restored if vmd
    rejects it.
  - Options you omit are never changed. Options you set are enforced on existing VMs, too; if that is impossible, the
    task fails and says why.
  - vmd changes nothing on a running VM. Changed settings are stored in vm.conf until its next start by this module;
    RV(vms[].restart_required) lists them. O(allow_restart=true) is the permission to restart the VM for them.
  - After a change, vmd has to read the whole file, and then starts all VMs that are enabled. VMs that were stopped are
    stopped again immediately; RV(vms[].steps) names them.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.call_timeout
  - polyvirt.core.vmm
  - polyvirt.core.vmm_vm
attributes:
  check_mode:
    support: full
    details:
      - Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
      - It cannot foresee the following, each with the reason after the dash. The guide has what remains afterwards.
      # begin generated: unforeseen
      - vmd rejects the file for another reason - only vmd itself registers VMs.
      - not enough memory for a guest (C(Cannot allocate memory)) - vmd asks the kernel when it starts the
        guest.
      - a guest does not shut down, or has no address - only the guest decides.
      - vmd ends during a call (C(pipe closed)) - vmd ends only then.
      - C(vmctl create) fails half-way - the disk is full, or the image is damaged.
      - 'C(vm.conf: changed meanwhile by another client) - somebody edits C(vm.conf) while disk images are
        copied.'
      - a VM that was stopped does not stop again after vmd read its file - vmd starts it later than expected.
      # end generated
  diff_mode:
    support: full
  platform:
    platforms: OpenBSD
options:
  name:
    description:
      - Name of the VM, or a list of names of VMs that get the same options.
      - At most 63 letters, digits, dots, hyphens and underscores, with a letter or digit first. A name of digits only
        is rejected.
  cpus:
    description:
      - Number of virtual CPUs. vmd supports exactly one.
  memory:
    description:
      - Memory, from 1M to 128G, as a whole number of MiB. A new VM has V(1G) by default.
  autostart:
    description:
      - Whether the VM starts with vmd. A new VM does not by default.
  stop_mode:
    description:
      - V(graceful) asks the guest (see O(guest_shutdown)), asks again every ten seconds, and fails after
        O(stop_timeout). V(force) ends the VM immediately. V(graceful_then_force) asks, and ends the VM after
        O(stop_timeout).
      - vmd itself ends a VM 123 seconds after it was asked.
  stop_timeout:
    description:
      - Seconds that a guest gets to shut down. The default is 130.
  disks:
    description:
      - Disks by slot, at most four. Other disks of the VM are not changed, unless O(purge) contains V(disks).
      - Slots are V(disk0), V(disk1) and so on, in the order of vm.conf and without gaps. Entries without a slot use
        them in this order.
      - New files are created in O(storage_path), in the format V(qcow2) or V(raw). A new VM has one disk of 20G by
        default.
      - Disks grow while the VM is off, and never shrink. A qcow2 image is copied to a larger one. A linked disk, and
        one that is the base of other disks, does not grow.
  networks:
    description:
      - NICs by position, at most four; the first entry is the first NIC. Omitted keys are not changed, and a NIC keeps
        its MAC address, which is fixed from the start.
      - V(nat) is a local interface of vmd - the guest gets its address from vmd. It reaches other networks if IP
        forwarding and address translation are enabled on the host (role P(polyvirt.core.vmm_network#role)).
      - V(network) is connected to the switch of vm.conf that O(networks[].source) names.
      - If omitted, a new VM has one NIC of the type V(nat); with an empty list, it has none.
  image:
    description:
      - A disk image (raw or qcow2) to create the VM from. Used only when the VM is created, and not compared later.
      - It is copied. With O(image.linked=true), the new disk is a qcow2 image on top of it, which then must not change.
  clone:
    description:
      - Another VM to create this VM from. Used only when the VM is created. The source must be off.
      - The clone has copies of all disks, and its own MAC addresses. With O(clone.linked=true), its disks are images on
        top of those of the source, which cannot be started as long as the clone exists.
  cloud_init:
    description:
      - Data for cloud-init in the guest, written to a NoCloud seed ISO image that is the last disk of the VM. Used only
        when the VM is created, and not compared later.
  native:
    description:
      - Settings of vm.conf(5) without an option here. V(allow) is a list of words, V(sev) and V(seves) are booleans.
seealso:
  - module: polyvirt.core.vmm_vm_info
  - name: The OpenBSD VMM guide of this collection
    description: Set-up, networks, limits and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/vmm.md
"""

EXAMPLES = r"""
- name: Create a VM with a local interface and start it
  polyvirt.core.vmm_vm:
    name: web1
    state: started
    memory: 1G
    image: debian-13
    disks:
      - size: 20G
    cloud_init:
      user: admin
      ssh_authorized_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    wait_for: ssh
  become: true

- name: Connect a VM to a switch of vm.conf, and start it with the host
  polyvirt.core.vmm_vm:
    name: db1
    state: started
    autostart: true
    disks:
      - size: 40G
    networks:
      - type: network
        source: uplink
        mac: fe:e1:bb:d1:00:11
  become: true

- name: Install OpenBSD; the VM ends when the installer reboots
  polyvirt.core.vmm_vm:
    name: fw1
    state: started
    boot: /bsd.rd
    boot_device: net
    disks:
      - size: 20G
  become: true

- name: Increase the memory, with a restart if needed
  polyvirt.core.vmm_vm:
    name: web1
    memory: 2G
    allow_restart: true
  become: true

- name: Shut down a Linux guest, which vmd itself can only power off
  polyvirt.core.vmm_vm:
    name: web1
    state: stopped
    guest_shutdown:
      user: root
      key_file: /root/.ssh/id_ed25519
  become: true

- name: Delete a VM with the disks that were created for it
  polyvirt.core.vmm_vm:
    name: web1
    state: absent
  become: true
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode, as it would be after the task.
    - An entry always has all keys. Unknown and missing values are null or empty.
  returned: unless the options are wrong in form, or vmd does not answer
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    id:
      description: The name, because vmd renumbers VMs when it starts; null for a VM that does not exist.
      type: str
      sample: web1
    platform:
      description: Always V(vmd).
      type: str
      sample: vmd
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: The power state in the words of vmd, if they say more than RV(vms[].state).
      type: str
      sample: vmd reports 'stopping'
    cpus:
      description: Number of CPUs, always 1.
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
      description: IP addresses of the VM.
      type: list
      elements: dict
      contains:
        address:
          description: IP address.
          type: str
        source:
          description: V(vmd) - computed by vmd for a local interface. V(lease) or V(arp).
          type: str
      sample:
        - address: 100.64.1.3
          source: vmd
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
        host: 100.64.1.3
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
          sample: disk0
        size:
          description: Size, as a task sets it; null if it cannot be read.
          type: str
          sample: 20G
        format:
          description: Format of the image.
          type: str
          sample: qcow2
        source:
          description: File, block device or volume of the disk.
          type: str
          sample: /var/vmm/web1-disk0.qcow2
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
          description: Never returned; the platform has no snapshots.
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
          description: Never returned; the platform has no snapshots.
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
          description: Never returned; the platform has no snapshots.
          type: str
    settings:
      description: All other settings of the VM, by the name of their option.
      type: dict
      sample:
        boot_device: default
        owner: ''
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

from ..module_utils._drivers.vmm.driver import make_driver
from ..module_utils._drivers.vmm.options import VM, VMM
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(VMM, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
