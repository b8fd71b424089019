#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_vm
short_description: Manage libvirt virtual machines
version_added: 1.0.0
description:
  - Creates, changes, starts, stops and deletes libvirt VMs (QEMU, KVM) with C(virsh) and C(qemu-img).
  - Ten options are enough for most tasks - O(name), O(state), O(image), O(cpus), O(memory), O(disks), O(networks),
    O(cloud_init), O(wait_for) and O(allow_restart).
  - Options you omit are never changed. Options you set are enforced on existing VMs, too; if that is impossible, the
    task fails and says why.
  - An existing VM is changed by editing its own definition. MAC addresses, device addresses and devices that the task
    does not mention are kept.
  - On a running VM, changes to disks on the virtio and SCSI buses, NICs, ISO images, the description and the tags take
    effect immediately, and so do CPUs and memory up to O(max_cpus) and O(max_memory). All other changes are stored for
    the next start, and are listed in RV(vms[].restart_required) until then.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.call_timeout
  - polyvirt.core.virsh
  - polyvirt.core.virsh_vm
attributes:
  check_mode:
    support: full
    details:
      - Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
      - It cannot foresee the following, each with the reason after the dash. The guide has what remains afterwards.
      # begin generated: unforeseen
      - libvirt rejects the definition (C(unsupported configuration), C(XML error)), because of devices of the
        host or shared directories, or on a connection where C(domxml-to-native) is not available - libvirt
        judges definitions in check mode, but not these parts.
      - 'QEMU does not start: C(failed to set MSR), KVM that cannot be used, a C(native) value that only QEMU
        knows, an image locked by a program other than libvirt - QEMU checks its arguments when it starts.'
      - C(Failed to get "write" lock) when a VM starts, and a running VM has the same file as a volume of a pool
        - the paths of volumes are read only if a task attaches, copies or deletes a file.
      - C(Permission denied) for a disk although its directories can be entered - AppArmor, SELinux, NFS with
        C(root_squash), and access lists decide when QEMU opens the file.
      - C(cannot set up guest memory), or the kernel kills QEMU - the amount of free memory changes all the
        time; only the total is checked. Hugepages are not counted.
      - C(No more available PCI slots) when a device is attached - libvirt decides on the addresses of devices.
      - C(acpi unplug request timed out), C(device is already in the process of unplug), or a disk or NIC
        remains after its removal - the guest must release the device; a guest that is still booting does not.
      - C(Setting different DAC user or group on ... which is already in use) when a disk moves to another slot
        - the guest has not released the device from its former slot yet.
      - C(after stop it is still running) - only the guest can shut down.
      - the guest crashes while it is stopped - it depends on the guest.
      - 'suspending or a snapshot with memory fails: C(State blocked by non-migratable device), a folder mounted
        by 9p, virtiofs with libvirt 10 or later, no space in C(/var/lib/libvirt/qemu/save) - QEMU checks this
        when it saves; the size of a memory file depends on its content.'
      - no space while a disk grows or a snapshot's overlay is written - thin disks take space when the guest
        writes; only copies are measured.
      - merging or restoring a snapshot fails (C(block job), C(could not find base disk source)) - the chain of
        images was changed by hand, or QEMU rejects the job.
      - another client changes, starts or removes the VM, a file or a network meanwhile - it happens after the
        checks.
      - C(cannot acquire state change lock) for longer than C(timeout) - another client holds the VM.
      - libvirtd is restarted or does not answer - it happens later.
      - 'C(wait_for): no address, or SSH does not answer - only the guest can configure its network and start
        SSH.'
      # end generated
  diff_mode:
    support: full
  platform:
    platforms: posix
requirements:
  - C(qemu-img) for O(disks), O(image), O(clone) and the deletion of disks (package qemu-utils or qemu-img)
  - C(xorriso), C(genisoimage) or C(mkisofs) for O(cloud_init)
  - UEFI firmware for O(firmware=uefi) (package ovmf or edk2-ovmf)
  - C(swtpm) and C(swtpm_setup) for O(tpm) (packages swtpm and swtpm-tools)
  - C(passt) for O(port_forwards)
  - C(virtiofsd) for O(shared_folders); without it 9p is used
options:
  networks:
    description:
      - NICs by position; the first entry is the first NIC. Omitted keys are not changed, and a NIC keeps its MAC
        address.
      - If omitted, a new VM has one NIC on the default network of the platform; with an empty list, it has none.
      - The type V(nat) is the libvirt network V(default), unless another one is named. The type V(internal) needs the
        name of an isolated network.
      - On a running VM, a NIC is added immediately, removed as soon as the guest releases it, and moved to another
        source immediately. Changes to the type, the model and the address of a NIC take effect at the next start, and
        so do all changes to a NIC if its running and stored settings already differ.
  cpus:
    description:
      - Number of virtual CPUs. A new VM has 2 by default.
      - On a running VM, CPUs are added immediately, up to O(max_cpus); in some guests they must be enabled manually. A
        lower number takes effect at the next start.
  memory:
    description:
      - Memory of the VM. A new VM has 2 GiB by default.
      - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in MiB.
      - On a running VM, the change is made immediately, up to O(max_memory). It is a request to the guest, which
        returns memory when it can; the task does not wait for that.
  disks:
    description:
      - Disks by slot. Other disks of the VM are not changed, unless O(purge) contains V(disks).
      - Disks grow and never shrink.
      - Slot V(vda) is on virtio, V(sda) on SCSI, V(hda) on IDE, and V(sata0), V(sata1) and so on are on SATA. SATA and
        SCSI share their names in libvirt, so V(sata0) is shown as V(sda) with the bus V(sata).
      - Disks on SATA and IDE are attached and detached at the next start.
  firmware:
    description:
      - Firmware of the VM. A new VM has V(bios) by default.
      - libvirt (7.2 or later) chooses the files from the firmware that is installed on the hypervisor (package C(ovmf)
        or C(edk2-ovmf)).
      - A VM has one NVRAM file for each kind of firmware that it has used, with and without secure boot. They are
        deleted with the VM, and kept with O(delete_disks=none), or if a disk that this collection created for the VM is
        kept because something else needs it. RV(vms[].deleted) and RV(vms[].kept) list them.
  secure_boot:
    description:
      - Whether only signed systems may boot. Needs O(firmware=uefi) and the machine type q35. The keys of Microsoft are
        enrolled.
      - If omitted, a VM that gets O(firmware=uefi) has no secure boot.
  tpm:
    description:
      - Whether the VM has an emulated TPM 2.0 (packages C(swtpm) and C(swtpm-tools)). An existing TPM is not changed.
      - Its state is a directory on the hypervisor. With the VM, it is deleted or kept like the NVRAM files of
        O(firmware), also if the TPM was removed from the VM before. RV(vms[].deleted) lists the directory, or
        RV(vms[].kept) with the command that deletes it.
  nested_virtualization:
    description:
      - Whether the guest can run VMs. Needs KVM; V(true) also needs the parameter C(nested) of the host's
        kernel module C(kvm_intel) or C(kvm_amd).
  display:
    description:
      - Display of the VM. A new display listens on 127.0.0.1, on a port that libvirt chooses. An existing display of
        the requested type keeps its address, port and password.
      - The video memory is rounded up to a power of two, as libvirt does.
  clone:
    description:
      - Another VM, or a snapshot of one, to create this VM from. Used only when the VM is created.
      - The source must be stopped, unless a snapshot is set.
      - The clone has its own UUID, MAC addresses and disks. It does not inherit O(serial_log) and O(port_forwards) of
        the source, and has no cloud-init seed ISO unless O(cloud_init) is set.
      - A VM cannot start while its disks have linked clones. Linked clones of a snapshot need an external snapshot.
  port_forwards:
    description:
      - Ports of the host that are forwarded to the guest, by name. A new one needs O(port_forwards[].host_port).
      - They are provided by passt on the first NIC of the type V(user), from the next start of the VM on. Not supported
        before libvirt 9.2, and on VMs without such a NIC.
  shared_folders:
    description:
      - Directories of the hypervisor that are shared with the guest, by the tag with which the guest mounts them
        (C(mount -t virtiofs NAME DIRECTORY)).
      - Uses virtiofs if the host has it, else 9p. Directories are attached and detached at the next start.
      - With virtiofs, the memory of the VM becomes shared memory. With 9p, files that the guest writes belong to QEMU's
        own user, who must have write permission. While the guest has a directory mounted, suspending the VM may be
        impossible.
  native:
    description:
      - Settings without an option here. Keys are paths in the domain XML, to the text of an element (V(os/kernel)) or
        to an attribute (V(os/type@machine), V(devices/video/model@type), V(cpu@mode)).
      - They are compared like any other option. An empty value (null) removes the element or attribute.
seealso:
  - module: polyvirt.core.virsh_vm_info
  - module: polyvirt.core.virsh_snapshot
  - name: The libvirt guide of this collection
    description: Set-up, limits and troubleshooting.
    link: https://github.com/polyvirt/polyvirt.core/blob/main/docs/libvirt.md
"""

EXAMPLES = r"""
- name: Create a Debian VM from an image, start it and wait for SSH
  polyvirt.core.virsh_vm:
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
    wait_for: ssh

- name: Create a VM from an appliance of VMware
  polyvirt.core.virsh_vm:
    name: shop1
    state: started
    appliance:
      source: /srv/appliances/shop.ova
      networks:
        - name: VM Network
          type: network
          source: default

- name: Increase the memory, with a restart if needed
  polyvirt.core.virsh_vm:
    name: web1
    memory: 4G
    allow_restart: true

- name: Add a second disk to the running VM
  polyvirt.core.virsh_vm:
    name: web1
    disks:
      - slot: vdb
        size: 50G

- name: Allow CPUs and memory to grow while the VM runs, and share a directory from its next start on
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

- name: Shut down three VMs, and cut their power if they do not stop within a minute
  polyvirt.core.virsh_vm:
    name: [web1, web2, web3]
    state: stopped
    stop_mode: graceful_then_force
    stop_timeout: 60

- name: Create a VM with UEFI, secure boot and a TPM, and install it from an ISO image
  polyvirt.core.virsh_vm:
    name: desk1
    state: started
    firmware: uefi
    secure_boot: true
    tpm: true
    display:
      type: vnc
    disks:
      - size: 40G
    iso: /var/lib/libvirt/images/installer.iso
    boot_order: [disk, cdrom]
    serial_log: /var/log/libvirt/qemu/desk1-serial.log

- name: Delete a VM with the disks that were created for it
  polyvirt.core.virsh_vm:
    name: web1
    state: absent
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each name, in the order of O(name); in check mode, as it would be after the task.
    - An entry always has all keys. Unknown and missing values are null or empty.
  returned: unless the options are wrong in form, or libvirt cannot be reached
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
      sample: 3f078c8c-2819-40bf-b3cd-6a6ef2079e51
    platform:
      description: Always V(libvirt).
      type: str
      sample: libvirt
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
    reason:
      description: The reason that libvirt reports for the power state.
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
      description:
        - IP addresses of the VM. A lease can be from an earlier boot.
        - A task that changed nothing and did not wait (O(wait_for=state)) reads leases only. A task that changed
          something, or waited for an address or SSH, also asks the guest agent and the host's ARP table.
      type: list
      elements: dict
      contains:
        address:
          description: IP address.
          type: str
        source:
          description: V(lease), V(agent) or V(arp).
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
          description: Always null; libvirt identifies snapshots by name.
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
          description: V(internal) or V(external).
          type: str
          sample: internal
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
          description: Always empty for libvirt.
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

from ..module_utils._drivers.virsh.driver import make_driver
from ..module_utils._drivers.virsh.options import LIBVIRT, VM
from ..module_utils._front.changes import vm_module
from ..module_utils._front.declaration import run_module

MODULE = vm_module(LIBVIRT, VM, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
