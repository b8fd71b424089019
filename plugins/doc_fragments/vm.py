# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options that every ``<platform>_vm`` shares (the argument spec ``vm``)."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - Name of the machine, or names of several that are treated alike.
      - Options that name a single thing in the world (O(id), a MAC, a disk's O(disks[].source), a host port) need
        a single name.
      - At least one of O(name) and O(id) is required.
    type: list
    elements: str
  id:
    description:
      - The platform's own identifier of one machine.
      - When O(name) is given too, the names are compared; machines are not renamed.
    type: str
  state:
    description:
      - V(present) - the machine exists as described. Its power is left alone; a new machine stays off.
      - V(started) - it exists and runs. A paused one is resumed, a suspended one gets its memory back.
      - V(stopped) - it exists and is off.
      - V(paused) - it is frozen in memory. V(suspended) - its memory is saved to disk.
      - V(restarted) - it is restarted once in every run, which always reports a change; it is started if it was off.
      - V(absent) - there is no such machine. The other options of the machine are then checked for form only.
      - A machine is made only when the task says what from (O(image), O(clone), O(iso), O(disks)).
        Otherwise an unknown name is an error for every state but V(absent), which protects from typing errors.
    type: str
    choices: [present, started, stopped, paused, suspended, restarted, absent]
    default: present
  stop_mode:
    description:
      - V(graceful) asks the guest, asks again every ten seconds, and fails after O(stop_timeout).
      - V(force) cuts its power. V(graceful_then_force) asks, and cuts after O(stop_timeout).
      - When left out, the gentlest way that the platform has.
    type: str
    choices: [graceful, force, graceful_then_force]
  stop_timeout:
    description:
      - Seconds that a guest gets to go down.
      - When left out, what suits the platform, mostly 120.
    type: int
  timeout:
    description:
      - Seconds that the task waits for one VM, all its waits together - until somebody else's lock is gone, until a
        change of its power state is complete, until its guest has an address or answers by SSH (O(wait_for)).
      - Not counted - the platform's own work, such as copying a disk (see O(call_timeout)), and the time that a guest
        gets to shut down (O(stop_timeout)).
    type: int
    default: 300
  wait_for:
    description:
      - What to wait for with O(state=started) and O(state=restarted), seen from the hypervisor's host.
      - V(state) - that it runs. V(address) - that it has an address which answers. V(ssh) - that an SSH server
        greets.
      - A VM that already runs is checked, too. There is no waiting in check mode, and none with another O(state).
    type: str
    choices: [state, address, ssh]
    default: state
  allow_restart:
    description:
      - Consent to power-cycle the machine for changes that can be made only while it is off, and for what is only
        C(restart_required). It is brought back to the power it had.
    type: bool
    default: false
  allow_recreate:
    description:
      - Consent to delete the machine and to make it again for changes that cannot be made otherwise.
      - Done only to machines that this collection made, and that have no snapshots.
    type: bool
    default: false
  delete_disks:
    description:
      - What happens to disks with O(state=absent).
      - V(owned) deletes those that this collection made for this machine. V(all) also deletes others. V(none)
        keeps all.
      - A disk that another machine or image uses, and a medium, is never deleted. What is kept is listed in the
        result.
    type: str
    choices: [owned, none, all]
    default: owned
  purge:
    description:
      - These lists are complete, so what they do not name is taken away from the machine. Disks are detached, not
        deleted.
      - Each option named here must be given; use an empty list for none.
    type: list
    elements: str
    choices: [disks, networks, port_forwards, shared_folders]
    default: []
  on_failure:
    description:
      - V(rollback) undoes an unfinished creation. V(keep) leaves it for inspection.
      - From its first start on a machine is always kept.
    type: str
    choices: [rollback, keep]
    default: rollback
  cpus:
    description:
      - Number of virtual processors. A new machine gets 2 when it is left out.
    type: int
  memory:
    description:
      - Memory, such as V(2G) or V(512MiB) (units are powers of 1024); a plain number is MiB. A new machine gets 2
        GiB.
    type: str
  firmware:
    description: Firmware of the machine.
    type: str
    choices: [bios, uefi]
  secure_boot:
    description: Whether only signed systems may boot.
    type: bool
  tpm:
    description: Whether it has a trusted platform module.
    type: bool
  nested_virtualization:
    description: Whether the guest may run machines of its own.
    type: bool
  os_type:
    description: The platform's word for the guest's operating system.
    type: str
  description:
    description: A text for people.
    type: str
  tags:
    description: Words to find machines by. The list is complete; an empty list removes all.
    type: list
    elements: str
  autostart:
    description: Whether the machine starts with its host.
    type: bool
  disks:
    description:
      - Disks by slot. What is not listed is left alone, unless O(purge) contains V(disks).
      - Disks grow and never shrink.
    type: list
    elements: dict
    suboptions:
      slot:
        description:
          - The platform's address of the disk, such as V(vda). When left out, the entry's place on the default
            bus.
        type: str
      size:
        description:
          - Size with a unit, such as V(20G). A number without a unit is in GiB.
          - On a new VM, a disk without O(disks[].source) has 32 GiB by default.
        type: str
      format:
        description: Format of a new disk's file, such as V(qcow2) or V(raw).
        type: str
      storage:
        description:
          - Proxmox VE only. Storage of the disk. A new disk is created there, and an existing one is moved there.
        type: str
      source:
        description:
          - An existing disk to attach as it is. This is a file or, on libvirt, a block device. It is not deleted with
            the machine.
        type: path
      state:
        description:
          - Whether the disk is attached. A disk that is taken away is detached; its file is kept until the machine is
            removed.
        type: str
        choices: [present, absent]
        default: present
  networks:
    description:
      - Network cards by place; the first entry is the first card. Keys that are left out are left alone, and a
        card keeps its MAC.
      - A new machine gets one card on the platform's default network when this is left out, and none when it is
        empty.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(nat) - the platform's own network with translation. V(network) - a network by its name
            (O(networks[].source)).
          - V(bridged) - on an interface of the host (O(networks[].source)). V(hostonly) - the host and its
            machines only.
          - V(internal) - a network without the host. V(user) - unprivileged translation; the guest reaches out only.
        type: str
        choices: [nat, bridged, hostonly, internal, network, user]
      source:
        description: Name of the network, bridge or interface.
        type: str
      mac:
        description: Hardware address. When left out, a card keeps its own.
        type: str
      address:
        description:
          - Fixed address of the card in its network, where the platform sets up the guest's cards. It needs a single
            name.
        type: str
      model:
        description: The platform's word for the emulated card.
        type: str
      vlan:
        description: VLAN tag.
        type: int
  port_forwards:
    description: Ports of the host that lead into the guest, known by name.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the rule.
        type: str
        required: true
      protocol:
        description: Protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      host_address:
        description: Address of the host to listen on.
        type: str
      host_port:
        description: Port of the host.
        type: int
      guest_port:
        description: Port of the guest.
        type: int
        required: true
  shared_folders:
    description: Folders of the host that the guest sees, known by name.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the share.
        type: str
        required: true
      host_path:
        description: Folder on the host.
        type: path
        required: true
      guest_path:
        description: Where the guest mounts it.
        type: str
      type:
        description: How it is shared, in the platform's word, where the platform has several ways.
        type: str
      read_only:
        description: Whether the guest may only read.
        type: bool
  iso:
    description: Medium in the first optical drive. An empty string ejects it.
    type: path
  display:
    description: Display of the machine.
    type: dict
    suboptions:
      type:
        description: Kind of display.
        type: str
        choices: [none, vnc, spice]
      video_memory:
        description: Video memory, such as V(128M).
        type: str
  image:
    description:
      - A base disk to make the machine from. Used only when the machine is made, and not compared later.
    type: dict
    suboptions:
      source:
        description: Path of the image on the hypervisor. It is never written to, moved or deleted.
        type: str
        required: true
      linked:
        description:
          - Make an overlay that stores only what differs, instead of a full copy. The image must then stay where
            it is.
        type: bool
        default: false
  clone:
    description: Another machine to make this one from. Used only when the machine is made.
    type: dict
    suboptions:
      source:
        description: Name of the machine to clone.
        type: str
        required: true
      snapshot:
        description: One of its snapshots.
        type: str
      linked:
        description: Store only what differs from the source.
        type: bool
        default: false
  cloud_init:
    description:
      - Settings for cloud-init in the guest.
      - They are written to a cloud-init seed ISO (NoCloud) when the VM is created, and never compared later. The seed
        is readable by its owner only. Needs C(xorriso), C(genisoimage) or C(mkisofs) on the hypervisor.
    type: dict
    suboptions:
      user:
        description: Name of the default user, V(root) included. If omitted, the default user of the image.
        type: str
      password:
        description:
          - Password of the default user, as plain text or as a hash such as V($6$...). It is never shown.
          - Whether it is accepted for logins over SSH depends on the image.
        type: str
      ssh_authorized_keys:
        description: Public keys that may log in as the default user, each the whole line of a C(.pub) file.
        type: list
        elements: str
      ip_config:
        description:
          - Addresses of the NICs. Entry I(n) is for NIC I(n), such as V(ip=dhcp), V(ip=10.0.0.5/24,gw=10.0.0.1) or
            V(ip=dhcp,ip6=auto). An empty entry leaves its NIC out.
          - Keys are C(ip) (an address with its prefix length, V(dhcp) or V(manual)), C(gw), C(ip6) (also V(auto)) and
            C(gw6). A fixed address needs a single O(name).
          - In the guest these NICs are named C(eth0), C(eth1) and so on.
        type: list
        elements: str
      nameservers:
        description: Addresses of DNS servers. Without O(cloud_init.ip_config) the first NIC uses DHCP.
        type: list
        elements: str
      search_domains:
        description: Search domains of DNS.
        type: list
        elements: str
      user_data:
        description:
          - User data, as a mapping (a cloud-config) or as text. It is treated as a secret.
          - A mapping is merged with O(cloud_init.user), O(cloud_init.password) and O(cloud_init.ssh_authorized_keys).
            Text cannot be combined with them.
        type: raw
      meta_data:
        description: Meta data. V(instance-id) and V(local-hostname) are filled in when missing.
        type: dict
      network_config:
        description:
          - Network configuration, version 1 or 2. Cannot be combined with O(cloud_init.ip_config),
            O(cloud_init.nameservers) and O(cloud_init.search_domains).
        type: dict
  native:
    description:
      - The platform's own keys and values, for what has no option here. They are compared like any other option.
    type: dict
"""
