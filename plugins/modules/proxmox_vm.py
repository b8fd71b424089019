#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proxmox_vm
short_description: Manage Proxmox VE virtual machines
version_added: 1.0.0
description:
  - Creates, changes, migrates, starts, stops and deletes VMs of a Proxmox VE cluster through its API.
  - Ten options are enough for most tasks - O(name), O(state), O(image), O(cpus), O(memory), O(disks), O(networks),
    O(cloud_init), O(wait_for) and O(allow_restart).
  - Options you omit are never changed. Options you set are enforced on existing VMs, too; if that is impossible, the
    task fails and says why. A disk is never created twice and never shrunk, and a NIC keeps its MAC address.
  - Changes that a running VM does not accept are stored for its next start and listed in RV(vms[].restart_required).
    O(allow_restart=true) is the permission to stop the VM and to start it again for them.
  - All VMs of a task are read together. For N VMs on K nodes this takes one call, K calls for the current power states,
    and N calls for the settings. A task that sets no settings does not need these N calls.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.proxmox_vm
  - polyvirt.core.call_timeout
  - polyvirt.core.proxmox
attributes:
  check_mode:
    support: full
    details:
      - Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
      - It cannot foresee the following, each with the reason after the dash. The guide has what remains afterwards.
      # begin generated: unforeseen
      - 'at any time: another client changes, locks, moves or removes the VM, the storage, the pool or the
        account while the task runs; the cluster loses its quorum; the server cannot be reached for longer than
        two minutes - it happens later.'
      - 'creating a VM: another task creates a VM of the same name at the same time: this task deletes its own
        VM again, and fails if the other one is complete. Run it again - several VMs may have one name, and no
        call reserves a name or an id.'
      - 'attaching a volume of a deleted VM: a task of another controller attaches it at the same moment: both
        VMs have it - no call reserves a volume. Tasks of one user on one controller exclude each other.'
      - 'creating a disk, growing it: a thin-provisioned storage (LVM-thin, ZFS, Ceph, qcow2) that runs full:
        before that, only a warning is possible. Errors of the storage itself - what guests will write is not
        known, and storages report their errors only when they are used.'
      - 'C(image): a damaged image file; an image file without its backing file. Downloading: the node cannot
        reach the address, or the checksum differs - nobody reads the whole content before, and the node does
        not report what it can reach.'
      - 'C(iso): uploading: the node''s temporary directory is full, or the checksum differs. Downloading: the
        node cannot reach the URL, or the checksum differs - the server reports neither its temporary directory
        nor the content.'
      - 'C(native): values of which this collection has no list (of C(args), of C(hookscript), names of mapped
        devices; custom CPU models if the account lacks C(Sys.Audit) on C(/nodes)), and all values where the
        cluster is newer than Proxmox VE 9 - the server judges them only when it stores or uses them; its list
        of values is part of its code.'
      - 'changing a running VM: the guest does not release a device, or QEMU does not accept one: a warning, and
        the change waits for the next start (C(restart_required)) - it depends on the guest.'
      - 'starting: too little free memory or huge pages on the node, no VT-x or AMD-V, a device in use by
        another VM, a device that was removed from the node since the VM got it, a hookscript that fails, a
        volume that is missing on the storage - memory, devices and hookscripts of the node are used only by the
        start.'
      - 'stopping: the guest ignores the request (C(stop_timeout), C(stop_mode)) - it depends on the guest.'
      - 'C(suspended): the storage for the memory is full - the size of the saved memory depends on the guest.'
      - 'another C(node): nodes that cannot reach each other, a guest that writes faster than the network
        copies, local disks with snapshots, linked clones on local storage, mapped devices that the other node
        lacks. HA may reject the move by its own rules - the migration itself checks the way between the nodes,
        and HA decides later.'
      - 'snapshots: QEMU cannot write the memory in time; ZFS restores only the newest snapshot (C(is not most
        recent snapshot)) - it depends on the guest, and on the storage.'
      - 'moving a disk: an error of either storage; the disk stays where it was - storages report their errors
        only when they are used.'
      - 'removing: a linked clone that was created meanwhile (C(base volume ... is still in use)) - it happens
        later.'
      - 'C(wait_for): the guest does not boot, has no address, or does not answer - it depends on the guest.'
      # end generated
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
      - If both O(name) and O(id) are set, they must belong to the same VM, unless O(allow_rename) is set, which renames
        the VM with this number. The number of a VM does not change.
  name:
    description:
      - Name of the VM, or a list of names of VMs that get the same options. Must be valid as a DNS name.
      - Options that must be unique (O(id), a MAC address, O(disks[].source)) can be used with only one name.
      - At least one of O(name) and O(id) is required.
      - Proxmox VE allows several VMs with the same name; use O(id) to select one of them. If two tasks create a VM of
        the same name at the same time, one of them withdraws, so that only one VM exists in the end.
  state:
    description:
      - V(present) - the VM exists as described. Its power state is not changed; a new VM stays off.
      - V(started) - the VM exists and runs. A paused VM is resumed, and the saved memory of a suspended one is
        restored.
      - V(stopped) - the VM exists and is off.
      - V(paused) - the VM is frozen in memory. V(suspended) - its memory is saved to disk (hibernation of Proxmox VE).
        Proxmox VE locks a hibernated VM; its settings can be changed only after it was started.
      - V(restarted) - the VM is restarted once in every run, which always reports a change. It is started if it was
        off.
      - V(absent) - the VM does not exist. The form of its other options is checked, and they have no other effect.
      - A VM is created only if the task sets its source (O(image), O(clone), O(iso) or O(disks)). Otherwise an unknown
        name is an error with every state but V(absent), which protects from typing errors.
  stop_mode:
    description:
      - V(graceful) asks the guest to shut down, through its agent or the power button, asks again every ten seconds,
        and fails after O(stop_timeout).
      - V(force) cuts the power. V(graceful_then_force) asks, and cuts the power after O(stop_timeout).
      - If omitted, the gentlest mode of the platform.
  delete_disks:
    description:
      - Which disks are deleted with O(state=absent).
      - V(owned) and V(all) delete all volumes that belong to the VM in Proxmox VE. V(none) is not supported, because
        these volumes cannot be kept without their VM.
      - Volumes of other VMs and ISO images are never deleted. A template that has linked clones is not deleted.
  os_type:
    description:
      - Operating system of the guest, in the terms of Proxmox VE, such as V(l26) or V(win11), or a short name for one
        of them - V(alma), V(arch), V(archlinux), V(centos), V(debian), V(fedora), V(freebsd), V(gentoo), V(linux),
        V(netbsd), V(openbsd), V(opensuse), V(redhat), V(rhel), V(rocky), V(ubuntu), V(windows), V(windows10),
        V(windows11), V(windows2016), V(windows2019), V(windows2022) and V(windows2025).
      - A new VM has V(l26) by default.
  firmware:
    description:
      - Firmware of the VM. V(uefi) is OVMF, with an EFI disk that is created for it. A new VM has V(bios) by default.
  secure_boot:
    description:
      - Whether the EFI disk contains the keys for secure boot. It can be set only together with O(firmware=uefi).
  tpm:
    description:
      - Whether the VM has an emulated TPM 2.0. When the TPM is removed, its content is deleted.
  nested_virtualization:
    description:
      - Whether the guest can run VMs. With V(true), the CPU type is V(host).
  description:
    description:
      - Notes of the VM. This collection adds a last line for its own use, which the web interface does not show.
  tags:
    description:
      - Tags of the VM. The list is complete; an empty list removes all tags. Proxmox VE stores them in lower case
        unless C(tag-style) of the datacenter is C(case-sensitive).
  autostart:
    description:
      - Whether the VM starts with its node.
  disks:
    description:
      - Disks by slot. Other disks of the VM are not changed, unless O(purge) contains V(disks).
      - Disks grow and never shrink. A detached disk remains as an unused disk.
      - A slot is V(scsi0) to V(scsi30), V(virtio0) to V(virtio15), V(sata0) to V(sata5) or V(ide0) to V(ide3). Entries
        without a slot use V(scsi0), V(scsi1) and so on.
      - O(disks[].source) is an existing volume, such as V(local-lvm:vm-105-disk-1). A volume of another existing VM is
        rejected, because it would be deleted with that VM. O(disks[].format) can be other than V(raw) only on storages
        that store files.
      - On a running VM, disks of SCSI and VirtIO are attached and detached immediately. Drive options such as discard,
        iothread, ssd and cache are set with O(native), such as V(scsi0=discard=on).
  networks:
    description:
      - NICs by position; the first entry is the first NIC. Omitted keys are not changed, and a NIC keeps its MAC
        address.
      - If omitted, a new VM has one NIC on O(bridge); with an empty list, it has none.
      - V(bridged) and V(network) are both a NIC on a bridge of the node or on a VNet. V(user) and V(nat) are both the
        address translation of QEMU. A bridge without a port is a network of the host and its VMs only.
      - Other NIC settings, such as firewall and rate, are set with O(native), such as V(net0=firewall=1).
  iso:
    description:
      - ISO image in the first optical drive. An empty string ejects it.
      - It is a volume, such as V(local:iso/debian.iso); or a file on the host of the task, which is uploaded; or a URL
        that begins with C(http), from which the node downloads it. If the storage already has an image of this name, it
        is neither uploaded nor downloaded again. See O(iso_checksum).
  display:
    description:
      - Display of the VM.
      - O(display.type) is V(none), V(vnc) (std in Proxmox VE) or V(spice) (qxl). O(display.video_memory) is a whole
        number of MiB from 4 to 512.
      - A serial console and other displays are set with O(native), such as V(vga=serial0) with V(serial0=socket). A
        serial console is reported as C(serial), and any other display that has a screen and is not qxl as V(vnc).
  image:
    description:
      - Disk image to create the first disk of the VM from. It is a name of the catalogue such as V(debian-13), an
        address, or a volume such as V(local:import/debian-12.qcow2). Used only when the VM is created, and not compared
        later. A volume needs Proxmox VE 7.2, all others 8.4.
      - Storages support the content type Import since Proxmox VE 8.3. On earlier versions, use a disk of another VM
        number on a storage with the content type Disk image, such as V(local:9000/vm-9000-disk-0.qcow2).
  clone:
    description:
      - Another VM, a template or a snapshot of one of them to create this VM from. Used only when the VM is created. It
        has no effect on an existing VM; the number of that VM is returned.
      - Only templates have linked clones. If another O(node) is set, the disks of the source must be on shared storage.
  cloud_init:
    description:
      - Settings that Proxmox VE passes to cloud-init at each start. They are compared and enforced; the guest reads
        a change at its next start. A VM without a cloud-init drive gets one. An empty value removes a setting.
      - O(cloud_init.password) cannot be read back. It is used only when the VM is created.
      - With O(cloud_init.user_data), O(cloud_init.meta_data) or O(cloud_init.network_config), a new VM gets a seed ISO
        instead, because the API accepts no documents. It is never compared later. A snippet that exists is named with
        O(native), key C(cicustom).
      - If O(cloud_init.nameservers) or O(cloud_init.search_domains) is empty, the guest gets those of the node.
  native:
    description:
      - Settings without an option here. Keys are options of C(qm set), such as V(cpu), V(numa), V(hostpci0), V(usb0),
        V(hookscript), V(hotplug), V(startup), V(balloon) or V(vmgenid). Keys that have an option here are rejected.
      - Values are compared by their meaning. A default that is written out, or another order, is not a difference. An
        empty value removes the setting.
      - For disks and NICs (V(scsi0), V(net0)), only the properties in the value are set; all others are kept. An empty
        property (V(rate=)) is removed.
seealso:
  - module: polyvirt.core.proxmox_vm_info
  - module: polyvirt.core.proxmox_snapshot
  - name: The Proxmox VE guide of this collection
    description: Set-up, privileges, trying it without a cluster, and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/proxmox.md
"""

EXAMPLES = r"""
- name: Create a Debian VM from an image that the node downloads, start it and wait for SSH
  polyvirt.core.proxmox_vm:
    name: web1
    state: started
    cpus: 2
    memory: 2G
    image: debian-13
    disks:
      - size: 20G
    cloud_init:
      user: admin
      ssh_authorized_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
      ip_config:
        - ip=10.0.0.5/24,gw=10.0.0.1
    wait_for: ssh

- name: Create a VM from an appliance on the host of the task
  polyvirt.core.proxmox_vm:
    name: shop1
    state: started
    appliance:
      source: /srv/appliances/shop.ova
      networks:
        - name: VM Network
          type: bridged
          source: vmbr0

- name: Clone a template, set an address and a key, start the VM and wait for SSH
  polyvirt.core.proxmox_vm:
    name: web2
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
        - ip=10.0.0.6/24,gw=10.0.0.1
    native:
      agent: 1
    wait_for: ssh

- name: Create twenty VMs, distributed over the nodes that have the storage
  polyvirt.core.proxmox_vm:
    name: "{{ query('ansible.builtin.sequence', 'start=1 end=20 format=node%02d') }}"
    node: auto
    storage: ceph
    image: cephfs:import/debian-12.qcow2
    tags: [staging]

- name: Increase the memory, with a restart if needed
  polyvirt.core.proxmox_vm:
    name: web1
    memory: 8G
    allow_restart: true

- name: Migrate the VM to another node while it runs
  polyvirt.core.proxmox_vm:
    name: web1
    node: pve2

- name: Create a Windows VM and install it from an ISO image that the node downloads
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

- name: Convert the VM to a template
  polyvirt.core.proxmox_vm:
    name: golden
    template: true

- name: Delete a VM with its disks
  polyvirt.core.proxmox_vm:
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
      description: Proxmox VE's term for the state unless the VM simply runs, or why the node does not report the
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
      description: Whether the VM starts with its node.
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
          description: V(agent) - reported by the guest agent, if O(native) has enabled it. V(ipconfig) - set by
            cloud-init, if the agent does not answer.
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
          sample: scsi0
        size:
          description: Size, as a task sets it; null if it cannot be read.
          type: str
          sample: 20G
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
        vlan:
          description: VLAN tag.
          type: int
        trunk:
          description: VLANs that the guest can tag.
          type: list
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
          description: Always null; snapshots are identified by name.
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
          description: Always empty; Proxmox VE has only one kind of snapshots.
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
          description: Why the snapshot cannot be used (it is being created or deleted, or this was interrupted);
            empty if it can.
          type: str
    settings:
      description:
        - All other settings of the VM by the name of their option, with its node and pool.
        - A task that sets no settings reads only those that the nodes report in their lists of VMs.
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
        - clone
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
          description: Volume.
          type: str
        reason:
          description: Why it was not deleted.
          type: str
      sample:
        - path: local:iso/debian.iso
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

from ..module_utils._drivers.proxmox.driver import make_driver
from ..module_utils._drivers.proxmox.options import PROXMOX, VM
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(PROXMOX, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
