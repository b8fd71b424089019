#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vagrant_instance
short_description: Manage Vagrant virtual machines
version_added: 1.0.0
description:
  - Creates, changes, starts, stops, suspends and deletes Vagrant VMs in a project directory.
  - Ten options are enough for most tasks - O(name), O(project_dir), O(box), O(provider), O(state), O(cpus),
    O(memory), O(networks), O(wait_for) and O(allow_restart).
  - The module writes and uses its own Vagrantfile, and never changes yours. With O(managed=false) it controls the VMs
    of your own Vagrantfile.
  - Options you set are enforced on existing VMs, too; if that is impossible, the task fails and says why. Options you
    omit have the values of the box.
  - A VM that is defined and was never started is V(stopped) and has no ID. It is created at its first start, which may
    have to download the box first.
  - A changed setting is written immediately and takes effect at the next start (C(restart_required));
    O(allow_restart=true) is the permission to restart the VM. Settings that Vagrant applies only when it creates a VM
    are rejected for an existing one, unless O(allow_recreate=true) is set, which deletes the VM and creates it again.
    Without it, nothing is ever destroyed to change a VM.
  - For VMs of libvirt and VirtualBox, the state is read with C(virsh) and C(VBoxManage) by their IDs. A task that has
    nothing to change does not start Vagrant for them, and starts it once for all VMs of other providers.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.call_timeout
  - polyvirt.core.vagrant
  - polyvirt.core.vagrant_instance
attributes:
  check_mode:
    support: full
    details:
      - Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
      - It cannot foresee the following, each with the reason after the dash. The guide has what remains afterwards.
      # begin generated: unforeseen
      - a box is not in the catalogue, not in a version that C(box_version) permits, not for this provider, or
        has another checksum; the catalogue cannot be reached; the disk is full - Vagrant has no command that
        asks a catalogue without a download.
      - 'the provider rejects the VM: memory, networks, storage pools - Vagrant passes these to the provider at
        the start; C(vagrant validate) does not ask it.'
      - the guest does not answer by SSH within C(vm.boot_timeout) - it depends on the guest.
      - a provisioner fails - it runs in the guest.
      - a shared folder cannot be mounted in the guest - the guest mounts it.
      - the provider rejects values of C(native) that only it understands, such as commands in C(customize) -
        they are commands of the provider, which has none that only checks.
      - a guest does not stop - it depends on the guest.
      - the provider cannot take, restore or delete a snapshot - the provider tries it only then.
      - another client uses the VM, or removes it - it happens later.
      - 'your own Vagrantfile (C(managed: false)) runs code of yours, such as a trigger that fails or asks a
        question - it is a program: what it does, and which VMs it describes with which environment, is known
        only when it runs.'
      # end generated
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  name:
    description:
      - Name of the VM in its project, or a list of names of VMs that get the same options. Letters, digits, V(_), V(.)
        and V(-).
      - Options that must be unique (O(id), a MAC address, a host port) can be used with only one name.
      - At least one of O(name) and O(id) is required.
      - Vagrant reads a name that consists of hexadecimal digits, such as V(db), as the beginning of a VM's ID in its
        own list. If such a VM exists, the name is rejected, because Vagrant would use that VM.
  id:
    description:
      - ID of one VM at its provider. Only VMs that were started once have an ID.
      - If O(name) is set too, the names are compared. VMs are not renamed.
  state:
    description:
      - V(present) - the project defines the VM. Its power state is not changed; a new VM is not started.
      - V(started) - the VM runs. V(stopped) - the VM is defined and off.
      - V(restarted) - the VM is restarted once in every run.
      - V(paused) - the VM is frozen in memory, which Vagrant does with V(libvirt) and V(hyperv). V(suspended) - its
        memory is saved to disk, with V(virtualbox) and V(vmware_desktop).
      - V(absent) - the VM and its definition do not exist, nor files that only this VM needed.
      - A new VM needs O(image), O(box) or O(os_type). With O(managed=false), a VM that is defined but not created is
        created by every state but V(absent).
  stop_mode:
    description:
      - V(graceful) presses the power button of VMs of libvirt and VirtualBox, again every ten seconds, and fails after
        O(stop_timeout). It is not supported with other providers, because Vagrant itself cuts the power of a guest that
        does not shut down.
      - V(force) gives Vagrant two seconds for its own forced halt, and then cuts the power with the provider's tool.
  on_failure:
    description:
      - V(rollback) lets Vagrant delete a new VM if its start fails, and removes its definition. V(keep) keeps both. A
        VM that existed before is always kept.
  delete_disks:
    description:
      - Vagrant always deletes the disk together with its VM. V(none) is rejected if that would happen.
  cpus:
    description:
      - Number of virtual CPUs. If omitted, the value of the box.
  memory:
    description:
      - Memory of the VM in whole MiB. If omitted, the value of the box.
      - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in MiB.
  os_type:
    description:
      - Operating system of the guest, such as V(debian-12), V(ubuntu-24.04), V(rocky-9), V(almalinux-9) or
        V(centos-stream-9).
      - If O(box) is omitted, it determines the box for the provider, unless the VM is already defined with this system.
        An unknown system is rejected with a list of the known ones.
      - The module warns about systems that no longer get security updates.
  disks:
    description:
      - Only the size of the one disk of the box, V(primary), in a single entry. It grows and never shrinks, and must be
        set before the first start of the VM.
      - libvirt and Proxmox accept it only when the VM is created, in whole GiB.
  networks:
    description:
      - NICs by position. The first one is Vagrant's own, of the type V(nat), and accepts no other key.
      - The others are V(hostonly), a private network with an address from DHCP or O(networks[].address), or V(bridged),
        a public network on the interface O(networks[].source).
      - If the type of a NIC is changed, the NIC keeps its MAC address, and loses its address and its source.
      - libvirt accepts NICs only when the VM is created. Hyper-V accepts a single one, of the type V(bridged) on the
        switch O(networks[].source). Proxmox accepts only NICs of this type. Both accept no address and no MAC address.
  port_forwards:
    description:
      - Ports of the host that are forwarded to the guest, by name. Each one needs O(port_forwards[].host_port).
      - Not supported with Hyper-V and Proxmox. With libvirt, V(udp) is not supported.
  shared_folders:
    description:
      - Directories of the host that are shared with the guest, by name, at O(shared_folders[].guest_path) or else at
        V(/NAME).
      - O(shared_folders[].type) is a type of Vagrant, such as V(nfs), V(rsync), V(smb), V(virtualbox), V(9p) or
        V(virtiofs).
      - O(shared_folders[].read_only) needs a type other than V(rsync), except with V(virtualbox) and
        V(vmware_desktop), for which Vagrant prefers their own type.
      - The project directory is shared only if it is listed.
  native:
    description:
      - Settings without an option here. Keys are settings of the provider by the names in its documentation
        (V(nested), V(cpu_mode)), and settings of Vagrant with their section (V(vm.boot_timeout), V(ssh.username)).
        V(vmx[memsize]) is an item.
      - The value for a method, such as V(storage) or V(vm.network), is a list of calls, each a list of arguments. A
        string like V(:id) is a Ruby symbol.
      - V(customize) with V(virtualbox) is a list of VBoxManage commands, each a list of words. A command runs before
        each boot, or at the event in its first word - V(pre-import), V(pre-boot), V(post-boot) or V(post-comm).
seealso:
  - module: polyvirt.core.vagrant_instance_info
  - module: polyvirt.core.vagrant_snapshot
  - name: The Vagrant guide of this collection
    description: Set-up, providers, limits and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/vagrant.md
"""

EXAMPLES = r"""
- name: Create a Debian VM, start it and wait for SSH
  polyvirt.core.vagrant_instance:
    project_dir: /srv/vagrant/web
    name: web1
    state: started
    provider: libvirt
    image: debian-13
    cpus: 2
    memory: 2G
    wait_for: ssh
  register: created

- name: Show how to connect to it
  ansible.builtin.debug:
    msg: "{{ created.vms[0].ssh.user }}@{{ created.vms[0].ssh.host }}, key {{ created.vms[0].ssh.key_file }}"
  when: created.vms[0].ssh is not none

- name: Create a VM with a private network, a port forward, a shared directory and a shell script
  polyvirt.core.vagrant_instance:
    project_dir: /srv/vagrant/web
    name: db1
    state: started
    provider: virtualbox
    box: debian/bookworm64
    box_version: ">= 12.0"
    hostname: db1.example
    networks:
      - type: nat
      - type: hostonly
        address: 192.168.56.10
    port_forwards:
      - name: database
        host_address: 127.0.0.1
        host_port: 15432
        guest_port: 5432
    shared_folders:
      - name: dumps
        host_path: /srv/dumps
        guest_path: /dumps
        read_only: true
    provisioners:
      - name: packages
        inline: apt-get update && apt-get install -y postgresql
    native:
      customize:
        - [modifyvm, ":id", "--vram", "16"]
        - [post-boot, controlvm, ":id", setlinkstate1, "on"]

- name: Increase the memory, with a restart if needed
  polyvirt.core.vagrant_instance:
    project_dir: /srv/vagrant/web
    name: web1
    memory: 4G
    allow_restart: true

- name: Stop a VM of a project with your own Vagrantfile
  polyvirt.core.vagrant_instance:
    project_dir: /home/anna/shop
    managed: false
    name: [default]
    state: stopped

- name: Delete two VMs
  polyvirt.core.vagrant_instance:
    project_dir: /srv/vagrant/web
    name: [web1, db1]
    state: absent
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode, as it would be after the task.
    - An entry always has all keys. Unknown and missing values are null or empty.
  returned: unless the options are wrong in form, or Vagrant cannot be used
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM in its project.
      type: str
      sample: web1
    id:
      description: ID of the VM at its provider; null for a VM that was never started or does not exist.
      type: str
      sample: 6639f314-eef5-42c0-a9fc-a87378faddd2
    platform:
      description: Always V(vagrant); RV(vms[].settings) contains the provider.
      type: str
      sample: vagrant
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: The power state in the terms of the provider.
      type: str
      sample: booted
    cpus:
      description: Number of CPUs at the next start; null if the box decides.
      type: int
      sample: 2
    memory_mib:
      description: Memory in MiB at the next start; null if the box decides.
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
      description: Always null; Vagrant does not start VMs with their host.
      type: bool
    iso:
      description: Always null; a box has no optical drive.
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
          description: V(lease), V(agent), V(arp) or V(vagrant).
          type: str
      sample:
        - address: 192.168.121.59
          source: lease
    mac_addresses:
      description: MAC addresses of the NICs that have a fixed one, in order.
      type: list
      elements: str
    ssh:
      description:
        - How to reach the VM with SSH, or null. User and key are those that Vagrant reported when this module first
          started the VM. If they are not known, Vagrant is asked again.
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
        key_file:
          description: Path of the private key.
          type: str
      sample:
        host: 192.168.121.59
        port: 22
        user: vagrant
        key_file: /srv/web/key
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
      description: The disk of the VM.
      type: list
      elements: dict
      contains:
        slot:
          description: Slot of the disk.
          type: str
          sample: primary
        size:
          description: Size, as a task sets it; missing if the box decides.
          type: str
          sample: 20G
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
          description: Interface of the host, for V(bridged).
          type: str
          sample: default
        mac:
          description: MAC address.
          type: str
          sample: 52:54:00:6b:3c:58
        address:
          description: Fixed address of the NIC.
          type: str
    snapshots:
      description: Snapshots of the VM, each before its children. Empty if the task does not read snapshots.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the snapshot.
          type: str
          sample: clean
        id:
          description: UUID of the snapshot with VirtualBox, else null.
          type: str
        parent:
          description: Name or UUID of the parent snapshot, or null.
          type: str
        state:
          description: Power state in which a restore ends.
          type: str
          sample: running
        description:
          description: Free-text description.
          type: str
        kind:
          description: Always empty.
          type: str
        created:
          description: Time of the snapshot in seconds since 1970; null if not reported.
          type: int
          sample: 1795172368
        expires:
          description: When it expires, in ISO 8601 and UTC; null if it does not.
          type: str
        current:
          description: Whether the disks are based on it. It does not contain data that was written since.
          type: bool
        unfinished:
          description: Always empty for Vagrant.
          type: str
    settings:
      description: All other settings of the VM, by the name of their option.
      type: dict
      sample:
        provider: libvirt
        box: debian/bookworm64
    native:
      description: Keys of O(native).
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

from ..module_utils._drivers.vagrant.driver import make_driver
from ..module_utils._drivers.vagrant.options import VAGRANT, VM
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(VAGRANT, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
