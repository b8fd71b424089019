#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vagrant_instance
short_description: Manage machines of Vagrant
version_added: 0.1.0
description:
  - Makes, changes, starts, stops, suspends and removes machines of Vagrant, in a project's folder.
  - It writes a Vagrantfile of its own beside yours, which is never touched, and works with that. With
    O(managed=false) it drives the machines of a Vagrantfile of yours.
  - An option that is given is enforced on existing machines too, or refused with a reason; what is left out is left to
    the box.
  - A machine that is described and has not been started yet is V(stopped) and has no id. It comes into being at its
    first start, which may have to fetch the box first.
  - A changed setting is written at once and comes into force at the next start (C(restart_required));
    O(allow_restart=true) is the consent to one. What Vagrant applies only when a machine is made is refused for one
    that is there, unless O(allow_recreate=true) has it rebuilt. Nothing is ever destroyed to change it otherwise.
  - How machines of libvirt and VirtualBox stand is asked of C(virsh) and C(VBoxManage) by their ids. A task with
    nothing to do starts no Vagrant for them, and one for all machines of other providers.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.call_timeout
  - polyvirt.core.vagrant
  - polyvirt.core.vagrant_instance
attributes:
  check_mode:
    support: full
    details: A check looks and plans like the real run, and reports the same C(changed) and C(diff), but writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  name:
    description:
      - Name of the machine in its project, or names of several that are treated alike. Letters, digits, V(_), V(.) and
        V(-).
      - A name that is the beginning of the number of another machine in Vagrant's own list, as V(db) may be, is
        refused, because Vagrant would work with that machine.
  id:
    description: The provider's id of one machine that was made.
  state:
    description:
      - V(present) - the project describes the machine. Its power is left alone; a new machine is not started.
      - V(started) - it runs. V(stopped) - it is described, and off. V(restarted) - it is restarted once in every run.
      - V(paused) - it is frozen in memory, which is what Vagrant does with V(libvirt) and V(hyperv).
        V(suspended) - its memory is saved to disk, with V(virtualbox) and V(vmware_desktop).
      - V(absent) - the machine and its description are gone, with what only it needed.
      - A new machine needs O(box) or O(os_type). With O(managed=false), one that is described and not made is made by
        every state but V(absent).
  stop_mode:
    description:
      - V(graceful) presses the power button of machines of libvirt and VirtualBox, again every ten seconds, and fails
        after O(stop_timeout). Other providers have no such way, for Vagrant itself cuts off a guest that does not go
        down.
      - V(force) gives Vagrant two seconds for its own forced halt, and cuts the power then by the provider's tool.
  on_failure:
    description:
      - V(rollback) lets Vagrant remove a new machine that does not come up, and takes away its description. V(keep)
        leaves both. A machine that was there before is always kept.
  delete_disks:
    description: Vagrant always removes a machine's disk with it. So V(none) is refused where that would happen.
  cpus:
    description: Number of virtual processors. When left out, what the box says.
  memory:
    description:
      - Memory in whole MiB, such as V(2G) or V(512MiB); a plain number is MiB. When left out, what the box says.
  os_type:
    description:
      - The guest's system, such as V(debian-12), V(ubuntu-24.04), V(rocky-9), V(almalinux-9) or V(centos-stream-9).
        When O(box) is left out, it names the box for the provider, unless the machine is described as this system
        already. An unknown one is refused with a list of those known.
      - A warning tells of systems that get no security updates any more.
  disks:
    description:
      - Only the size of the one disk that the box brings, V(primary), in a single entry. It grows and never shrinks,
        and is to be given before the machine's first start.
      - libvirt and Proxmox take it when the machine is made only, in whole GiB.
  networks:
    description:
      - Network cards by place. The first is Vagrant's own, of type V(nat), and takes no other key.
      - The others are V(hostonly), a private network, with an address by DHCP unless O(networks[].address) is given, or
        V(bridged), a public one, on the interface O(networks[].source).
      - A card that becomes one of another type keeps its MAC, and loses the address and the source that it had.
      - libvirt takes them when the machine is made only. Hyper-V takes a single one, of type V(bridged) on the switch
        O(networks[].source), and Proxmox cards of that type; neither takes an address or a MAC.
  port_forwards:
    description:
      - Ports of the host that lead into the guest, known by name. Each needs its O(port_forwards[].host_port).
      - Hyper-V and Proxmox have none, and libvirt has none for V(udp).
  shared_folders:
    description:
      - Folders of the host, known by name, at O(shared_folders[].guest_path) or else V(/NAME). O(shared_folders[].type)
        is Vagrant's, such as V(nfs), V(rsync), V(smb), V(virtualbox), V(9p) or V(virtiofs).
      - O(shared_folders[].read_only) needs a type other than V(rsync), except with V(virtualbox) and
        V(vmware_desktop), whose own way Vagrant prefers.
      - The project's own folder is not shared unless it is listed.
  native:
    description:
      - The provider's own settings by the names of its documentation (V(nested), V(cpu_mode)), and Vagrant's by their
        section (V(vm.boot_timeout), V(ssh.username)). V(vmx[memsize]) is an item.
      - Of a method, such as V(storage) or V(vm.network), the value is a list of calls, each a list of arguments. A
        text like V(:id) is a Ruby symbol.
      - V(customize) of V(virtualbox) is a list of commands of VBoxManage, each a list of its words. It is given before
        each boot, or when the word in front says - V(pre-import), V(pre-boot), V(post-boot), V(post-comm).
seealso:
  - module: polyvirt.core.vagrant_instance_info
  - module: polyvirt.core.vagrant_snapshot
  - name: The Vagrant guide of this collection
    description: Set-up, providers, limits and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/vagrant.md
"""

EXAMPLES = r"""
- name: A Debian guest that answers on SSH
  polyvirt.core.vagrant_instance:
    project_dir: /srv/vagrant/web
    name: web1
    state: started
    provider: libvirt
    os_type: debian-12
    cpus: 2
    memory: 2G
    wait_for: ssh
  register: made

- name: How to reach it
  ansible.builtin.debug:
    msg: "{{ made.vms[0].ssh.user }}@{{ made.vms[0].ssh.host }}, key {{ made.vms[0].ssh.key_file }}"

- name: A machine on a private network, with a forwarded port, a shared folder and a script
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

- name: More memory, with a restart where it is needed
  polyvirt.core.vagrant_instance:
    project_dir: /srv/vagrant/web
    name: web1
    memory: 4G
    allow_restart: true

- name: Stop all machines of a project that is somebody's own
  polyvirt.core.vagrant_instance:
    project_dir: /home/anna/shop
    managed: false
    name: [default]
    state: stopped

- name: Away with it
  polyvirt.core.vagrant_instance:
    project_dir: /srv/vagrant/web
    name: [web1, db1]
    state: absent
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode as it would be.
    - The entry of a VM that does not exist, or whose request was rejected, has only what says something - name,
      id, platform, state, changed, failed, msg, steps, kept.
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
      description: Always V(vagrant); RV(vms[].settings) has the provider.
      type: str
      sample: vagrant
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: The power state in the words of the provider.
      type: str
      sample: booted
    cpus:
      description: Number of CPUs at the next start; null where the box decides.
      type: int
      sample: 2
    memory_mib:
      description: Memory in MiB at the next start; null where the box decides.
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
      description: Always null; Vagrant starts no VM with its host.
      type: bool
    iso:
      description: Always null; a box has no optical drive.
      type: str
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
      description: MAC addresses of the NICs that were given one, in order.
      type: list
      elements: str
    ssh:
      description:
        - How to reach the VM with SSH, or null. User and key are those that Vagrant reported at the first start
          of the VM by this module. If they are not known, Vagrant is asked again.
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
          description: Size in bytes; missing where the box decides.
          type: int
          sample: 21474836480
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
      description: Snapshots of the VM, each before its children. Empty in a task that does not read snapshots.
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
          description: Time of the snapshot in seconds since 1970; null where the provider does not tell.
          type: int
          sample: 1795172368
        current:
          description: Whether the disks are based on it. It does not contain what was written since.
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

from ..module_utils._drivers.vagrant.driver import make_driver
from ..module_utils._drivers.vagrant.options import VAGRANT, VM
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(VAGRANT, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
