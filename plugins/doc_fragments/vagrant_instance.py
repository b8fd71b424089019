# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of ``vagrant_instance``: those that platforms share, as this one has them, and its own."""

    DOCUMENTATION = r"""
options:
  # begin generated: options
  name:
    description:
      - Name of the VM, or names of several that are treated alike.
      - At least one of O(name) and O(id) is required.
    type: list
    elements: str
  id:
    description:
      - ID of one VM on the platform.
      - If O(name) is set too, the names are compared. VMs are not renamed.
    type: str
  state:
    description:
      - V(present) - the VM exists as described. Its power state is not changed; a new VM stays off.
      - V(started) - the VM exists and runs. A paused VM is resumed, and a suspended one gets its memory back.
      - V(stopped) - the VM exists and is off.
      - V(paused) - the VM is frozen in memory. V(suspended) - its memory is saved to disk.
      - V(restarted) - the VM is restarted once in every run, which always reports a change. It is started if it
        was off.
      - V(absent) - the VM does not exist. The form of its other options is checked, and they have no other
        effect.
    type: str
    default: present
    choices: [present, started, stopped, paused, suspended, restarted, absent]
  stop_mode:
    description:
      - V(graceful) asks the guest to shut down, asks again every ten seconds, and fails after O(stop_timeout).
      - V(force) cuts the power. V(graceful_then_force) asks, and cuts the power after O(stop_timeout).
      - If omitted, the gentlest way of the platform.
    type: str
    choices: [graceful, force, graceful_then_force]
  stop_timeout:
    description:
      - Seconds that a guest gets to shut down.
      - If omitted, what suits the platform, mostly 120.
    type: int
  timeout:
    description:
      - Seconds that the task waits for one VM, all its waits together - until somebody else's lock is released,
        until a change of its power state is complete, until its guest has an address or answers by SSH
        (O(wait_for)).
    type: int
    default: 300
  wait_for:
    description:
      - What to wait for with O(state=started) and O(state=restarted), seen from the hypervisor's host.
      - V(state) - the VM runs. V(address) - it has an address that answers. V(ssh) - an SSH server answers.
      - A VM that already runs is checked, too. There is no waiting in check mode, and none with another
        O(state).
    type: str
    default: state
    choices: [state, address, ssh]
  allow_restart:
    description:
      - Permission to stop and start the VM for changes that are possible only while it is off, and for those
        listed in C(restart_required). Its previous power state is restored.
    type: bool
    default: false
  allow_recreate:
    description:
      - Permission to delete the VM and to create it again for changes that are not possible otherwise.
      - Only VMs that this collection created, and that have no snapshots, are created again.
    type: bool
    default: false
  delete_disks:
    description:
      - Which disks are deleted with O(state=absent).
      - V(owned) - those that this collection created for this VM. V(all) - others, too. V(none) - none.
      - A disk that another VM or image uses, and an ISO image, is never deleted. What remains is listed in the
        result.
    type: str
    default: owned
    choices: [owned, none, all]
  purge:
    description:
      - These lists are complete; the task removes from the VM what they do not name. Disks are detached, not
        deleted.
      - Each option named here must be set; use an empty list for none.
    type: list
    elements: str
    default: []
    choices: [disks, networks, port_forwards, shared_folders]
  on_failure:
    description:
      - V(rollback) removes a VM whose creation failed. V(keep) keeps it for inspection.
      - From its first start on a VM is always kept.
    type: str
    default: rollback
    choices: [rollback, keep]
  cpus:
    description:
      - Number of virtual CPUs. A new VM has 2 by default.
    type: int
  os_type:
    description:
      - Operating system of the guest, in the terms of the platform.
    type: str
  description:
    description:
      - Free-text description.
    type: str
  memory:
    description:
      - Memory of the VM. A new VM has 2 GiB by default.
      - A number with a unit, of which V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in
        MiB.
    type: str
  tags:
    description:
      - Tags of the VM. The list is complete; an empty list removes all tags.
    type: list
    elements: str
  native:
    description:
      - Keys and values of the platform itself, for settings without an option here. They are compared like any
        other option.
    type: dict
  disks:
    description:
      - Disks by slot. Other disks of the VM are not changed, unless O(purge) contains V(disks).
      - Disks grow and never shrink.
    type: list
    elements: dict
    suboptions:
      slot:
        description:
          - Address of the disk on the platform. If omitted, it follows from the place of the entry in the list.
        type: str
      size:
        description:
          - Size of the disk.
          - A number with a unit, of which V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in
            GiB.
        type: str
      state:
        description:
          - V(present) - the disk is attached.
        type: str
        default: present
        choices: [present]
  networks:
    description:
      - NICs by place; the first entry is the first NIC. Omitted keys are not changed, and a NIC keeps its MAC
        address.
      - If omitted, a new VM has one NIC on the default network of the platform; with an empty list, it has
        none.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(nat) - the platform's own network with address translation.
          - V(bridged) - on an interface of the host (O(networks[].source)).
          - V(hostonly) - a network of the host and its VMs only.
        type: str
        choices: [nat, bridged, hostonly]
      source:
        description:
          - Name of the network, bridge or interface.
        type: str
      mac:
        description:
          - MAC address. If omitted, an existing NIC keeps its own.
        type: str
      address:
        description:
          - Fixed IP address of the NIC in its network.
        type: str
  port_forwards:
    description:
      - Ports of the host that lead into the guest, by name.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the rule.
        type: str
        required: true
      protocol:
        description:
          - Protocol.
        type: str
        default: tcp
        choices: [tcp, udp]
      host_address:
        description:
          - Address of the host to listen on.
        type: str
      host_port:
        description:
          - Port of the host.
        type: int
      guest_port:
        description:
          - Port of the guest.
        type: int
        required: true
  shared_folders:
    description:
      - Directories of the host that the guest sees, by name.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the share.
        type: str
        required: true
      host_path:
        description:
          - Directory on the host.
        type: path
        required: true
      guest_path:
        description:
          - Where the guest mounts it.
        type: str
      type:
        description:
          - How it is shared, in the terms of the platform.
        type: str
      read_only:
        description:
          - Whether the guest may only read.
        type: bool
  # end generated
  provider:
    description:
      - What runs the machine - V(virtualbox), V(libvirt), V(hyperv), V(vmware_desktop) or V(proxmox).
      - When left out, C(VAGRANT_DEFAULT_PROVIDER), else V(virtualbox). A machine that was made changes it only by
        being rebuilt (O(allow_recreate)).
    type: str
  box:
    description:
      - Name of the box that the machine is made from. It is fetched at the first start where the host does not have it.
      - Another one for a machine that was made needs it rebuilt (O(allow_recreate)).
    type: str
  box_version:
    description: Version of the box, or a constraint such as V(>= 12.0, < 13). Needs a rebuild like O(box).
    type: str
  box_url:
    description: Where the box is fetched from, when it is not in the public catalogue.
    type: str
  box_checksum:
    description:
      - Checksum of the box, with its kind in front, such as V(sha256:0a1b...). It is looked at when it is fetched.
    type: str
  os_boxes:
    description:
      - Boxes of more systems for O(os_type), or others than this collection knows. A mapping of systems to mappings of
        providers to boxes.
    type: dict
  hostname:
    description: Name that the guest gives itself.
    type: str
  gui:
    description: Whether the machine has a window (V(virtualbox), V(vmware_desktop)).
    type: bool
  linked_clone:
    description:
      - Whether its disk stands on the box's (V(virtualbox), V(hyperv), V(vmware_desktop)). With V(libvirt) it always
        does.
    type: bool
  provisioners:
    description:
      - Shell scripts that set up the guest, in this order. They run when the machine is first started, and once more at
        the next start after they were changed here, or after a start that failed.
    type: list
    elements: dict
    suboptions:
      name:
        description: What Vagrant calls it.
        type: str
      inline:
        description: The script itself. It is stored in the Vagrantfile, which nobody but the task's user can read.
        type: str
      path:
        description: A script on the host, or a URL.
        type: path
      args:
        description: Its arguments.
        type: list
        elements: str
      env:
        description: Its environment. What the variables hold is shown nowhere.
        type: dict
      privileged:
        description: Whether it runs as root. Vagrant's own default is V(true).
        type: bool
      run:
        description: V(always) runs it at every start, V(never) only by hand.
        type: str
        choices: [once, always, never]
  environment:
    description:
      - Environment variables for the Vagrantfile, as for a proxy. All machines of a project share them.
      - What they hold is shown nowhere. A value that YAML takes for neither a text nor a number must be quoted.
      - Variables that begin with C(VAGRANT_) belong into the task's own C(environment).
    type: dict
"""
