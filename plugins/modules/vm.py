#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm
short_description: Manage virtual machines on any platform
version_added: 1.0.0
description:
  - Creates, changes, starts, stops and deletes VMs with the same options on every platform. O(platform) selects the
    module that does it, such as M(polyvirt.core.virsh_vm).
  - Ten options are enough for most tasks - O(name), O(state), O(image), O(cpus), O(memory), O(disks), O(networks),
    O(cloud_init), O(wait_for) and O(allow_restart).
  - Use it if the same tasks run on several platforms, or if the platform is a variable. The module of the platform,
    such as M(polyvirt.core.virsh_vm), has the same options and those of its platform in one list, without O(options),
    and its documentation contains nothing about other platforms. Use it if a playbook is for one platform only.
  - An option that the platform does not have is rejected before anything is changed, and the error names the
    alternative.
  - VMs of several platforms can be one task (O(machines)). All of them are planned before the first change on any
    platform. If one is rejected, nothing is changed.
  - C(module_defaults) of the platform's module and of its group, such as C(group/polyvirt.core.libvirt), apply. So a
    task can be the same for all platforms, and the defaults contain how to reach each of them.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
  - polyvirt.core.approval
  - polyvirt.core.call_timeout
  - polyvirt.core.vm
  - polyvirt.core.vm_options
attributes:
  action:
    support: full
  async:
    support: partial
    details: As the module of the platform.
  become:
    support: full
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details: Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
  connection:
    support: full
    details: The connection of the task is that to the host of the hypervisor, as with the module of the platform.
  delegation:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: all
options:
  machines:
    description:
      - An entry can have its own C(platform), and C(options) of this platform. O(options) of the task apply to
        VMs of O(platform) only.
notes:
  - With VMs on several platforms, each platform is read twice, once before the first change on any of them.
  - With O(prune=true) and VMs on several platforms, VMs are deleted on those platforms on which the task lists a VM.
    O(prune_max) is the limit of all platforms together; if it is omitted, less than half of the fleet on each platform.
seealso:
  - module: polyvirt.core.vm_info
  - module: polyvirt.core.vm_snapshot
"""

EXAMPLES = r"""
- name: Create a VM and start it, on the platform of the variable vm_platform
  polyvirt.core.vm:
    name: web1
    state: started
    cpus: 2
    memory: 2G
    image: debian-13
    wait_for: ssh

- name: Create a VM from an appliance of VMware
  polyvirt.core.vm:
    name: shop1
    state: started
    appliance:
      source: /srv/appliances/shop.ova
      networks:
        - name: VM Network
          type: nat

- name: Create VMs on two platforms as one task
  polyvirt.core.vm:
    state: started
    memory: 4G
    fleet: shop
    machines:
      - name: web2
        platform: libvirt
        image: debian-13
      - name: db1
        platform: proxmox
        memory: 16G
        clone: debian-13
        options:
          storage: local-lvm
  module_defaults:
    group/polyvirt.core.proxmox:
      api_host: pve1.example.com
      api_user: automation@pve
      api_token_id: ansible
      api_token_secret: "{{ pve_token }}"

- name: Remove the VMs of the fleet that are not listed
  polyvirt.core.vm:
    name: [web1, web2]
    fleet: shop
    prune: true
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode, as it would be after the task.
    - An entry always has all keys. Unknown and missing values are null or empty.
  returned: unless the options are wrong in form, or the platform cannot be used
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    id:
      description: ID of the VM on its platform; null for a VM that does not exist (yet).
      type: str
      sample: 3f078c8c-2819-40bf-b3cd-6a6ef2079e51
    platform:
      description: Platform of the VM.
      type: str
      sample: libvirt
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: The power state in the terms of the platform.
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
          description: How the address is known, such as V(lease) or V(agent).
          type: str
      sample:
        - address: 192.168.122.14
          source: lease
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
          sample: vda
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
          sample: /var/lib/libvirt/images/web1.qcow2
        bus:
          description: Bus of the disk.
          type: str
          sample: virtio
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
          sample: virtio
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
          description: ID of the snapshot; null if the platform identifies snapshots by name.
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
          description: Kind of the snapshot in the terms of the platform, or empty.
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
          description: Why the snapshot cannot be used; empty if it can.
          type: str
    settings:
      description: All other settings of the VM, by the name of their option.
      type: dict
      sample:
        firmware: uefi
        secure_boot: false
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

from ..module_utils._core.options.option import VM
from ..module_utils._front.any_platform import changing_declaration
from ..module_utils._front.declaration import run_module

MODULE = changing_declaration(VM)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
