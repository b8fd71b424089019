# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of ``vm``: those that platforms share. No platform has all of them."""

    DOCUMENTATION = r"""
options:
  # begin generated: options
  name:
    description:
      - Name of the VM, or a list of names of VMs that get the same options.
      - Options that must be unique (O(id), a MAC address, a host port, O(disks[].source)) can be used with only
        one name.
      - At least one of O(name), O(id) and O(machines) is required.
    type: list
    elements: str
  machines:
    description:
      - VMs with different options, in one task. Each entry has a C(name) or an C(id); its other options replace
        those of the task. VMs in O(name) get the options of the task.
      - A C(clone) in an entry replaces the C(image) of the task, and the reverse.
      - All VMs are planned before the first change. If one of them is rejected, nothing is changed.
      - O(machines), O(fleet), O(prune), O(prune_max), O(prune_expired_for), O(prune_stop_mode), O(limits) and
        O(call_timeout) cannot be in an entry.
    type: list
    elements: dict
  prune:
    description:
      - Deletes the VMs of O(fleet) that the task does not list. Needs O(fleet), and O(name), O(id) or
        O(machines).
      - A VM is deleted only if its own ownership record contains the fleet; a record copied from another VM
        does not count. The options of the task apply, such as O(delete_disks) and O(stop_mode), but not options
        in entries of O(machines). If entries connect to several hosts, VMs are deleted on each of them.
      - With O(state=absent), the whole fleet is deleted, the listed VMs and all others.
      - Check mode lists what would be deleted.
      - A task with a loop is rejected, because each item would delete the VMs of the others. So is one with
        C(delegate_to) the same host for several hosts of the play, without C(run_once).
      - List the VMs as data. Do not compute the list from hosts or groups of an inventory. With C(--limit), or
        in a slice of an AWX job, the list would be incomplete, and the missing VMs would be deleted.
    type: bool
    default: false
  prune_max:
    description:
      - The highest number of VMs that O(prune) may delete. If more VMs would be deleted, the task fails and
        changes nothing, also in check mode.
      - The default is less than half of the VMs that are in the fleet before the task, that is none of two, one
        of three.
      - VMs that the task itself lists are not counted, even with O(state=absent).
    type: int
  prune_expired_for:
    description:
      - With O(prune), only VMs are deleted that expired at least this long ago, such as V(0m) or V(2h). The
        rules of O(expired_for) apply.
    type: str
  prune_stop_mode:
    description:
      - With O(prune), how a running VM is stopped before it is deleted; see O(stop_mode). With V(force), a VM
        is deleted even if its guest ignores the request to shut down.
      - The default is O(stop_mode) of the task.
    type: str
    choices: [graceful, force, graceful_then_force]
  id:
    description:
      - ID of one VM on the platform.
      - If O(name) is set too, it must be the name of this VM. VMs are renamed only on Proxmox VE, with
        C(allow_rename).
    type: str
  state:
    description:
      - V(present) - the VM exists as described. Its power state is not changed; a new VM stays off.
      - V(started) - the VM exists and runs. A paused VM is resumed, and the saved memory of a suspended one is
        restored.
      - V(stopped) - the VM exists and is off.
      - V(paused) - the VM is frozen in memory. V(suspended) - its memory is saved to disk.
      - V(restarted) - the VM is restarted once in every run, which always reports a change. It is started if it
        was off.
      - V(absent) - the VM does not exist. The form of its other options is checked, and they have no other
        effect.
      - A VM is created only if the task sets its source (O(image), O(clone), O(iso) or O(disks)). Otherwise an
        unknown name is an error with every state but V(absent), which protects from typing errors.
      - V(paused) is not supported on V(wsl).
      - V(suspended) is not supported on V(vmd) and V(wsl).
    type: str
    default: present
    choices: [present, started, stopped, paused, suspended, restarted, absent]
  stop_mode:
    description:
      - V(graceful) asks the guest to shut down, asks again every ten seconds, and fails after O(stop_timeout).
      - V(force) cuts the power. V(graceful_then_force) asks, and cuts the power after O(stop_timeout).
      - The default is the most graceful mode of the platform.
      - V(graceful) is not supported on V(wsl).
      - V(graceful_then_force) is not supported on V(wsl).
    type: str
    choices: [graceful, force, graceful_then_force]
  stop_timeout:
    description:
      - Seconds that a guest gets to shut down.
      - The default depends on the platform, and is mostly 120.
      - Not supported on V(wsl).
    type: int
  timeout:
    description:
      - Maximum number of seconds that the task waits for one VM in total.
      - It waits until another client releases its lock, until a change of the power state is complete, and
        until the guest fulfils the condition of O(wait_for).
      - Not counted - the platform's own work, such as copying a disk (see O(call_timeout)), and the time that a
        guest gets to shut down (O(stop_timeout)).
    type: int
    default: 300
  wait_for:
    description:
      - Condition to wait for with O(state=started) and O(state=restarted), checked from the hypervisor's host.
        With O(state=present), the task waits if the VM runs; if it does not, a warning says so.
      - V(state) - the VM runs. V(address) - it has an address that answers. V(ssh) - an SSH server answers.
        V(winrm) - WinRM answers at port 5985 or 5986.
      - V(cloud_init) - cloud-init is done, as the guest agent reports (O(wait_for.condition=cloud_init)).
      - A VM that already runs is checked, too. There is no waiting in check mode and with any other O(state).
      - A dictionary, or only the value of O(wait_for.condition).
      - Not supported on V(wsl).
    type: raw
    default: state
    suboptions:
      condition:
        description:
          - Condition that needs no further value.
          - V(cloud_init) asks the QEMU guest agent for C(cloud-init status). If a stage failed, the task fails with
            the stage and its errors; problems from which cloud-init has recovered are a warning. If no agent
            answers for half of O(timeout), or if it does not permit C(guest-exec), the task fails, and says that
            the end of cloud-init is not known.
          - V(cloud_init) is supported only on V(libvirt) and V(proxmox).
        type: str
        choices: [state, address, ssh, winrm, cloud_init]
      port:
        description:
          - TCP port of the guest on which a server accepts connections.
          - A forwarded port of the host is open even without a server. So if the guest is reached through one, the
            server must also send something, without a request or in reply to a line of HTTP.
        type: int
      http:
        description:
          - Page of the guest that a GET request returns with a status below 400. Redirects are not followed, and
            the certificate of HTTPS is not verified.
          - Port and path, such as C(:8080/health), or an address with C({address}) as its host, such as
            C(https://{address}:8443/health). C({address}) is the address of the VM, or the host address of a
            forwarded port.
        type: str
  allow_restart:
    description:
      - Permission to stop and start the VM for changes that are possible only while it is off, and for those
        listed in RV(vms[].restart_required). Its previous power state is restored, also if the changes fail.
    type: bool
    default: false
  allow_recreate:
    description:
      - Permission to delete the VM and to create it again for changes that are not possible otherwise.
      - Only VMs that this collection created, and that have no snapshots, are created again. The disks that
        were created for the VM are deleted, so the task fails if O(delete_disks) is V(none).
      - Not supported on V(wsl).
    type: bool
    default: false
  adopt:
    description:
      - Permission to apply a task with a source such as O(image) to an existing VM that this collection did not
        create. Without it, such a task fails, because the VM may be another one than the task is about.
      - The VM still does not count as created by this collection. O(allow_recreate), O(prune) and
        O(delete_disks=owned) do not apply to it, and each later task with a source needs this option.
    type: bool
    default: false
  delete_disks:
    description:
      - Which disks are deleted with O(state=absent).
      - V(owned) - disks that this collection created for this VM. V(all) - all disks of the VM. V(none) - no
        disks.
      - Disks that another VM or image uses, ISO images, links and devices are never deleted. The result lists
        what remains.
      - V(none) is not supported on V(wsl).
    type: str
    default: owned
    choices: [owned, none, all]
  purge:
    description:
      - Options with lists that are treated as complete. Anything that they do not list is removed from the VM.
        Disks are detached, not deleted.
      - Each of these options must be set; use an empty list for none.
      - Not supported on V(wsl).
      - V(devices) is not supported on V(vmd).
      - V(port_forwards) is not supported on V(vmd).
      - V(shared_folders) is not supported on V(vmd).
    type: list
    elements: str
    default: []
    choices: [cdroms, devices, disks, networks, port_forwards, shared_folders]
  on_failure:
    description:
      - Action if the task fails after a new VM was created, for example at its first start. V(rollback) removes
        the VM. V(keep) keeps it for inspection.
      - If the creation itself fails, for example because a disk cannot be copied, the incomplete VM is removed
        with both values. Exception - on Proxmox VE, V(keep) also keeps an incomplete VM.
      - After its first start, a VM is always kept.
    type: str
    default: rollback
    choices: [rollback, keep]
  controller_time:
    description:
      - Set by the action plugin of the module only. A value in a task has no effect.
    type: int
  extend:
    description:
      - Counts the duration in O(expires) from now, even if the VM has the same O(expires) already. Each run
        then reports a change. Needs O(expires).
    type: bool
    default: false
  expired_for:
    description:
      - With O(state=absent) or O(state=stopped), the VM is changed only if it expired at least this long ago,
        such as V(0m) or V(2h). The expiry is read immediately before, and again after the VM was shut down. So
        a VM is kept if its expiry was extended in the meantime.
      - Nothing is changed if the clock of the host differs by more than five minutes from that of the
        controller, or if the recorded creation time is in the future, because one of the clocks is wrong.
    type: str
  limits:
    description:
      - Maximum that the VMs of one owner, fleet or host may use together, including stopped VMs. A task that
        would create or grow VMs beyond a limit is rejected before its first step, in check mode too. VMs that
        exceed a limit already are not changed.
      - All VMs of the connection are counted as they will be after the task, so VMs that the same task deletes
        or shrinks make room.
      - They protect from mistakes and are not a reservation. Two tasks at the same time may exceed a limit
        together. Set them in C(module_defaults) for a whole play.
    type: dict
    suboptions:
      vms:
        description:
          - The number of VMs.
        type: int
      cpus:
        description:
          - The number of virtual CPUs.
        type: int
      memory:
        description:
          - The memory.
          - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in MiB.
        type: str
      disk_size:
        description:
          - The virtual size of all disks.
          - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in GiB.
        type: str
      per:
        description:
          - V(owner) - the VMs with the same O(owner). V(fleet) - the VMs in the same O(fleet). VMs without an owner
            or fleet are counted together.
          - V(host) - all VMs of the connection, including those that this collection did not create.
        type: str
        default: owner
        choices: [owner, fleet, host]
  architecture:
    description:
      - Architecture of the VM. A new VM has that of the host by default, and a clone that of its source.
      - Another one than that of an existing VM is an error, unless O(allow_recreate=true). On VirtualBox it
        always is.
      - Not supported on V(vmd), V(hyperv) and V(wsl).
    type: str
    choices: [amd64, arm64]
  cpus:
    description:
      - Number of virtual CPUs. A new VM has 2 by default.
      - Not supported on V(wsl).
    type: int
  firmware:
    description:
      - Firmware of the VM.
      - Not supported on V(vagrant), V(vmd) and V(wsl).
    type: str
    choices: [bios, uefi]
  secure_boot:
    description:
      - Whether only signed systems may boot.
      - Not supported on V(vagrant), V(vmd) and V(wsl).
    type: bool
  tpm:
    description:
      - Whether the VM has a trusted platform module.
      - Not supported on V(vagrant), V(vmd) and V(wsl).
    type: bool
  nested_virtualization:
    description:
      - Whether the guest can run VMs.
      - Not supported on V(vagrant), V(vmd) and V(wsl).
    type: bool
  rtc:
    description:
      - Time of the clock in the hardware of the VM - V(utc), or V(localtime) of the host, which Windows
        expects.
      - A new VM has V(utc) by default.
      - Supported only on V(libvirt) and V(virtualbox).
    type: str
    choices: [utc, localtime]
  os_type:
    description:
      - Operating system of the guest, in the terms of the platform.
      - Supported only on V(virtualbox), V(vagrant) and V(proxmox).
    type: str
  description:
    description:
      - Free-text description. No line can begin with V(#polyvirt) or V(<!-- polyvirt), as the ownership records
        of this collection do.
    type: str
  autostart:
    description:
      - Whether the VM starts with its host.
      - Not supported on V(vagrant) and V(wsl).
    type: bool
  iso:
    description:
      - ISO image in the first optical drive. An empty string ejects it.
      - Not supported on V(vagrant) and V(wsl).
    type: path
  skip_boot_prompt:
    description:
      - Whether Setup of Windows starts from O(iso) without a key press. Under UEFI, the ISO image of the vendor
        waits some seconds for a key ("Press any key to boot from CD or DVD"), and does not start Setup without
        one.
      - V(false) - the ISO image itself is inserted, as without this option.
      - Supported only on V(libvirt), V(virtualbox) and V(hyperv).
    type: bool
  boot_key_seconds:
    description:
      - Seconds in which the task presses a key each second after it has started the VM, such as V(30). It is
        for ISO images of Windows that O(skip_boot_prompt) cannot prepare, because they do not contain
        C(efisys_noprompt.bin).
      - The key is the cursor key Up, which no dialog takes for an answer. It is no longer pressed when the VM
        has written to a disk. The time counts towards O(timeout).
      - If the disks already use more than 64 MiB, no key is pressed, and the task warns, because an
        installation may have begun. Of a VM that the task creates without O(image), O(clone) or O(appliance),
        this space does not count.
      - Only with O(state=started). It has no effect if the VM runs already, or if its saved memory is restored.
      - Supported only on V(libvirt), V(virtualbox) and V(hyperv).
    type: int
  memory:
    description:
      - Memory of the VM. A new VM has 2 GiB by default.
      - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in MiB.
      - Not supported on V(wsl).
    type: str
  tags:
    description:
      - Tags of the VM. The list is complete; an empty list removes all tags.
    type: list
    elements: str
  fleet:
    description:
      - Name of a group of VMs, which is stored with the VM. An empty string removes the VM from its group.
      - A clone belongs to no fleet unless the task sets one. See O(prune).
    type: str
  owner:
    description:
      - Who is responsible for the VM, one line of text, such as a user, a team or a job. It is stored with the
        VM. An empty string removes it.
      - A clone has no owner unless the task sets one. The owner is kept if the VM is restored or created again.
    type: str
  expires:
    description:
      - When the VM expires. The expiry alone has no effect; the playbook C(polyvirt.core.reap) ends expired
        VMs. A task on an expired VM warns.
      - A duration from now in minutes, hours, days or weeks (V(90m), V(8h), V(14d), V(1d12h)), a date
        (V(2027-01-31), at the end of this day in UTC), or a time in ISO 8601 with a zone
        (V(2027-01-31T18:00:00+01:00)).
      - The text and the time are stored with the VM. The same text never moves the time, so a task with V(8h)
        can be repeated. Another duration counts from now. An empty string removes the expiry.
      - The time is that of the controller. A clone does not expire unless the task sets it. The expiry is kept
        if the VM is restored or created again.
    type: str
  native:
    description:
      - Settings without an option here, with keys and values of the platform. They are compared like any other
        option.
    type: dict
  display:
    description:
      - Display of the VM.
      - Supported only on V(libvirt), V(virtualbox) and V(proxmox).
    type: dict
    suboptions:
      type:
        description:
          - Kind of display.
          - V(vnc) is not supported on V(virtualbox).
          - V(spice) is not supported on V(virtualbox).
        type: str
        choices: [none, vnc, spice]
      video_memory:
        description:
          - Video memory.
          - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in MiB.
        type: str
  cdroms:
    description:
      - Optical drives by slot. Other drives of the VM are not changed, unless O(purge) contains V(cdroms).
      - O(iso) is the short form for the first drive, in the alphabetical order of the slots, with numbers as
        numbers. Both for the same drive are an error.
      - A new VM has the listed drives only. The drive with the cloud-init seed ISO is not one of them.
      - Not supported on V(vagrant), V(vmd) and V(wsl).
    type: list
    elements: dict
    suboptions:
      slot:
        description:
          - Address of the drive on the platform.
        type: str
        required: true
      source:
        description:
          - ISO image in the drive; an empty string ejects it. A new drive without it is empty.
          - The image is changed while the VM runs. Its file is never deleted, neither with the drive nor with the
            VM.
        type: path
      state:
        description:
          - V(present) - the drive exists.
          - V(absent) - the drive is removed.
        type: str
        default: present
        choices: [present, absent]
  disks:
    description:
      - Disks by slot. Other disks of the VM are not changed, unless O(purge) contains V(disks).
      - Disks grow and never shrink.
    type: list
    elements: dict
    suboptions:
      slot:
        description:
          - Address of the disk on the platform.
          - If omitted, the entry is the disk at its position on the default bus. If the VM (or the source of
            O(clone)) has none there, it is the next one of its disks that no other entry is. If there is none, it
            is a new disk.
        type: str
      size:
        description:
          - Size of the disk.
          - On a new VM, a disk without O(disks[].source) has 32 GiB by default.
          - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in GiB.
        type: str
      format:
        description:
          - Format of a new disk.
          - Not supported on V(vagrant) and V(wsl).
        type: str
      storage:
        description:
          - Storage of the disk. A new disk is created there; an existing disk is moved there.
          - Supported only on V(proxmox).
        type: str
      directory:
        description:
          - Directory in which a new disk is created, if not in that of the other files of the VM. It must exist.
          - On libvirt and VirtualBox, it cannot be below C(/dev), C(/proc), C(/sys) or C(/run) (except
            C(/run/media) and C(/run/user)), nor in a directory with backups of this collection. A directory in
            memory (tmpfs) gives a warning.
          - An existing disk is never moved; if it is in another directory, the task fails.
          - Supported only on V(libvirt), V(virtualbox) and V(hyperv).
        type: path
      source:
        description:
          - Existing disk to attach unchanged. It is not deleted with the VM.
          - Not supported on V(vagrant) and V(wsl).
        type: path
      serial:
        description:
          - Serial number that the guest reads from the disk, as in C(/dev/disk/by-id/virtio-SERIAL). Guests see 20
            characters at most.
          - Supported only on V(libvirt) and V(proxmox).
        type: str
      iops_limit:
        description:
          - Largest number of operations per second, reads and writes together. V(0) removes the limit.
          - Supported only on V(libvirt), V(proxmox) and V(hyperv).
        type: int
      bandwidth_limit:
        description:
          - Largest number of bytes per second, reads and writes together, such as V(50M). V(0) removes the limit.
          - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in MiB.
          - Supported only on V(libvirt) and V(proxmox).
        type: str
      state:
        description:
          - V(present) - the disk is attached.
          - V(absent) - the disk is detached. Its file remains until the VM is removed.
          - V(absent) is not supported on V(vagrant) and V(wsl).
        type: str
        default: present
        choices: [present, absent]
  networks:
    description:
      - NICs by position; the first entry is the first NIC. Omitted keys are not changed, and a NIC keeps its
        MAC address.
      - If omitted, a new VM has one NIC on the default network of the platform; with an empty list, it has
        none. Hyper-V has no default network on servers, so a new VM there has no NIC unless this option is set.
      - Not supported on V(wsl).
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(nat) - the network of the platform with address translation (NAT).
          - V(bridged) - bridged to an interface of the host (O(networks[].source)).
          - V(hostonly) - a network of the host and its VMs only.
          - V(internal) - a network without the host.
          - V(network) - a network by its name (O(networks[].source)).
          - V(user) - unprivileged address translation; the guest can only open connections.
          - V(bridged) is not supported on V(vmd) and V(hyperv).
          - V(hostonly) is supported only on V(virtualbox) and V(vagrant).
          - V(internal) is supported only on V(libvirt) and V(virtualbox).
          - V(network) is not supported on V(vagrant).
          - V(user) is supported only on V(libvirt), V(virtualbox) and V(proxmox).
        type: str
        choices: [nat, bridged, hostonly, internal, network, user]
      source:
        description:
          - Name of the network, bridge or interface. On Hyper-V and vmd, an empty string is a NIC without a switch.
        type: str
      mac:
        description:
          - MAC address. If omitted, an existing NIC keeps its own.
        type: str
      address:
        description:
          - Fixed IP address of the NIC in its network, without a prefix length.
          - Supported only on V(libvirt), V(virtualbox) and V(vagrant).
        type: str
      model:
        description:
          - Model of the emulated NIC, in the terms of the platform.
          - Supported only on V(libvirt), V(virtualbox) and V(proxmox).
        type: str
      vlan:
        description:
          - VLAN of the NIC; 0 for untagged. With O(networks[].trunk), the VLAN of its untagged traffic (native
            VLAN).
          - Supported only on V(proxmox) and V(hyperv).
        type: int
      trunk:
        description:
          - VLANs that the guest can tag itself, as numbers and ranges such as V(20-30). The list is complete; an
            empty list ends the trunk.
          - Supported only on V(proxmox) and V(hyperv).
        type: list
        elements: str
      dhcp_guard:
        description:
          - Whether the switch drops offers of a DHCP server in the guest.
          - Supported only on V(hyperv).
        type: bool
      router_guard:
        description:
          - Whether the switch drops router advertisements and redirects of the guest.
          - Supported only on V(hyperv).
        type: bool
      mac_spoofing:
        description:
          - Whether the guest can send from other MAC addresses than that of the NIC, as nested VMs do.
          - V(true) for each NIC of a VM when O(nested_virtualization) is enabled, unless this option is set.
          - Supported only on V(hyperv).
        type: bool
  port_forwards:
    description:
      - Ports of the host that are forwarded to the guest, by name.
      - Supported only on V(libvirt), V(virtualbox) and V(vagrant).
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
          - Port of the host. VirtualBox chooses a free port if it is omitted; on other platforms, a new rule needs
            it.
        type: int
      guest_port:
        description:
          - Port of the guest.
        type: int
        required: true
  shared_folders:
    description:
      - Directories of the host that are shared with the guest, by name.
      - Supported only on V(libvirt), V(virtualbox) and V(vagrant).
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
          - Mount point in the guest.
          - Not supported on V(libvirt).
        type: str
      type:
        description:
          - Type of the share, in the terms of the platform.
          - Supported only on V(vagrant).
        type: str
      read_only:
        description:
          - Whether the guest has read-only access.
        type: bool
  devices:
    description:
      - Devices of the host that are passed through to the VM. Several VMs can have the same device, but only
        one of them can run.
      - Other devices of the VM are not changed, unless O(purge) contains V(devices).
      - Supported only on V(libvirt) and V(proxmox).
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - Kind of device.
        type: str
        required: true
        choices: [pci, usb]
      id:
        description:
          - Identifies a device of the host. A PCI device has an address, such as V(0000:01:00.0). On libvirt,
            vendor and product (V(10de:1eb8)) are possible too, if the host has only one such device.
          - A USB device has a vendor and product, such as V(046d:c52b). On Proxmox VE, its bus and ports (V(1-4.2))
            are possible too.
          - On Proxmox VE, only root@pam with its password may set it; all others need O(devices[].mapping).
        type: str
      mapping:
        description:
          - Name of a resource mapping of the cluster, instead of O(devices[].id).
          - Supported only on V(proxmox).
        type: str
  image:
    description:
      - Disk image to create the VM from. Used only when the VM is created, and not compared later.
      - If an existing VM was created from another image than the task names, the task warns.
      - A dictionary, or only the value of O(image.source).
    type: raw
    suboptions:
      source:
        description:
          - A name of the catalogue such as V(debian-13), the address of an image (V(https://...)), or the path of
            an image on the hypervisor. Unlike an O(iso), an image contains an installed system.
          - An image at a path is never written to, moved or deleted. The same is true for an O(iso).
        type: str
        required: true
      linked:
        description:
          - V(true) - create an overlay that stores only the differences. The image must then remain where it is.
          - V(false) - create a full copy.
          - V(true) is supported only on V(libvirt), V(vmd) and V(hyperv).
        type: bool
        default: false
      slot:
        description:
          - Slot of the disk that the image becomes, as in O(disks[].slot). Set it if the system has no driver for
            the default bus.
          - The default is the first slot of the default bus.
          - Not supported on V(vagrant), V(vmd) and V(wsl).
        type: str
      checksum:
        description:
          - Checksum of the image at an address, such as V(sha256:4f1c...), or V(sha512:) followed by the address of
            a list of checksums. Without it, the task warns that nothing was verified.
        type: str
      refresh:
        description:
          - Ask the vendor for the newest image of this name or address, even if one is stored.
          - Not supported on V(vagrant).
        type: bool
      headers:
        description:
          - HTTP headers that the server of an address requires, such as C(Authorization). They are sent to that
            server only, not to a mirror, the server of a checksum list, or where it redirects to.
          - Not supported on V(vagrant).
        type: dict
      require_signature:
        description:
          - Fail if the vendor's signature cannot be checked. Otherwise, the task warns. The checksum is always
            checked.
          - Not supported on V(vagrant).
        type: bool
      catalogue:
        description:
          - Set by this collection only. What the catalogue on the controller has for a name.
        type: dict
  clone:
    description:
      - Another VM to create this VM from. Used only when the VM is created.
      - A dictionary, or only the value of O(clone.source).
      - Not supported on V(vagrant).
    type: raw
    suboptions:
      source:
        description:
          - Name of the VM to clone.
        type: str
        required: true
      snapshot:
        description:
          - Name of a snapshot of that VM.
          - Not supported on V(vmd) and V(wsl).
        type: str
      linked:
        description:
          - Whether to store only the differences from the source.
          - V(true) is not supported on V(wsl).
        type: bool
        default: false
  appliance:
    description:
      - Appliance (OVA or OVF) to create the VM from, such as an export of VMware or VirtualBox. Used only when
        the VM is created.
      - Or a backup of libvirt (M(polyvirt.core.virsh_backup)), of which the definition is read as a descriptor
        is.
      - Its descriptor has the defaults for CPUs, memory, firmware, disks and NICs; options of the task replace
        them. The UUID is always a new one. The result lists what is not carried over (C(not_carried)).
      - Each disk is converted out of the archive, and is deleted with the VM. The appliance itself is never
        changed.
      - A dictionary, or only the value of O(appliance.source).
      - Not supported on V(vagrant), V(vmd) and V(wsl).
    type: raw
    suboptions:
      source:
        description:
          - Path of the appliance on the host where the task runs; for Hyper-V, on the controller. An archive
            (V(.ova)), or a descriptor (V(.ovf)) with its disks next to it.
          - Or the directory of one backup of libvirt (V(/srv/backups/UUID/ID)), or the V(manifest.json) in it.
          - Or the address of an archive (V(https://...)), which is downloaded there before the VM is created. This
            needs O(appliance.checksum), and a server that supports ranges.
        type: str
        required: true
      checksum:
        description:
          - Checksum of the file at O(appliance.source), such as V(sha256:4f1c...). Required for an address. For a
            path, the checksums of a manifest in the appliance are compared, too. Of a backup, it is that of
            V(manifest.json), which has the checksums of all files.
        type: str
      system:
        description:
          - Name of one VM, for an appliance with several. Its ID if several have the same name.
        type: str
      configuration:
        description:
          - Name of a configuration that the descriptor offers. The default is that of the descriptor.
        type: str
      boot_disk:
        description:
          - File name, ID or slot of the disk that the VM starts from. The default is the one that the descriptor
            starts from, or the first one at the first controller.
        type: str
      accept_eula:
        description:
          - V(true) accepts the license agreement of the appliance. Without it, a task for an appliance that has one
            fails with its text.
        type: bool
        default: false
      keep_macs:
        description:
          - V(true) gives the NICs the MAC addresses that the appliance has for them. The default is new ones.
          - The task fails if it also sets O(networks), or if another VM that it can see on the host has one of
            these addresses, whatever its network. On Proxmox VE, these are the VMs of the cluster that the account
            may see.
        type: bool
        default: false
      allow_shared_directory:
        description:
          - Permission to use an appliance in a directory in which other users than root and the user of the task
            can write, such as C(/tmp). Without it, the task fails. They could exchange the appliance while it is
            converted.
        type: bool
        default: false
      networks:
        description:
          - What the networks of the appliance become. List each network that its NICs are connected to. A network
            that is not listed is an error, which names it.
          - Omit it if O(networks) is set.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - Name of the network in the descriptor.
            type: str
            required: true
          type:
            description:
              - As in O(networks[].type).
            type: str
            choices: [nat, bridged, hostonly, internal, network, user]
          source:
            description:
              - As in O(networks[].source).
            type: str
          model:
            description:
              - As in O(networks[].model). The default is that of the descriptor, or a model that each system has a
                driver for.
              - Not supported on V(hyperv).
            type: str
      properties:
        description:
          - Settings that software in the appliance reads at its first start, by their keys in the descriptor. They
            are written to an ISO image that is readable by its owner only. Their values are never shown.
          - Values are text. Lists and mappings are rejected.
        type: dict
  cloud_init:
    description:
      - Settings for cloud-init in the guest.
      - They are written to a cloud-init seed ISO (NoCloud) when the VM is created, and never compared later.
        The seed is readable by its owner only. This needs C(xorriso), C(genisoimage) or C(mkisofs) on the
        hypervisor.
      - Proxmox VE itself stores and compares them, unless user data, meta data or a network configuration is
        set; then the seed ISO is created on the host of the task, and uploaded. On WSL they are files in the
        profile of the user.
      - Not supported on V(vagrant).
    type: dict
    suboptions:
      state:
        description:
          - V(present) - the VM has a cloud-init drive.
          - V(absent) - the drive is removed. The values of the other suboptions remain stored.
          - If omitted, a missing drive is added when such a value changes.
          - Supported only on V(proxmox).
        type: str
        choices: [present, absent]
      user:
        description:
          - Name of the default user, V(root) included. If omitted, the default user of the image.
        type: str
      password:
        description:
          - Password of the default user, as plain text or as a hash such as V($6$...). It is never shown.
          - Whether it is accepted for logins over SSH depends on the image.
        type: str
      ssh_authorized_keys:
        description:
          - Public keys that may log in as the default user, each a whole line of a C(.pub) file.
        type: list
        elements: str
      ip_config:
        description:
          - Addresses of the NICs. Entry I(n) is for NIC I(n), such as V(ip=dhcp), V(ip=10.0.0.5/24,gw=10.0.0.1) or
            V(ip=dhcp,ip6=auto). With an empty entry, the NIC is not configured.
          - Keys are C(ip) (an address with its prefix length, V(dhcp) or V(manual)), C(gw), C(ip6) (also V(auto))
            and C(gw6). A fixed address can be used with only one O(name).
          - In the guest these NICs are named C(eth0), C(eth1) and so on.
          - Not supported on V(wsl).
        type: list
        elements: str
      nameservers:
        description:
          - Addresses of DNS servers. Without O(cloud_init.ip_config) the first NIC uses DHCP.
          - Not supported on V(wsl).
        type: list
        elements: str
      search_domains:
        description:
          - DNS search domains.
          - Not supported on V(wsl).
        type: list
        elements: str
      user_data:
        description:
          - User data, as a mapping (a cloud-config) or as text. It is treated as a secret.
          - A text that cloud-init cannot use is rejected - the name of a file, a text without a header such as
            C(#cloud-config) or C(#!), and a cloud-config that is not valid YAML.
          - A mapping is merged with O(cloud_init.user), O(cloud_init.password) and
            O(cloud_init.ssh_authorized_keys). Text cannot be combined with them.
        type: raw
      meta_data:
        description:
          - Meta data. V(instance-id) and V(local-hostname) are filled in if missing.
        type: dict
      network_config:
        description:
          - Network configuration, version 1 or 2. Cannot be combined with O(cloud_init.ip_config),
            O(cloud_init.nameservers) and O(cloud_init.search_domains).
          - Not supported on V(wsl).
        type: dict
      answer_files:
        description:
          - Further texts in the root directory of that ISO image, such as scripts, by their names. They are treated
            as secrets.
          - Not supported on V(wsl).
        type: dict
      answer_file:
        description:
          - Answers for Windows Setup, the text of a file C(autounattend.xml). It is in the root directory of the
            same ISO image, where Windows Setup finds it. It is treated as a secret.
          - The role P(polyvirt.core.unattended_install#role) writes such a file.
          - The ISO image contains the password. On libvirt, VirtualBox and Hyper-V, it is deleted as soon as the VM
            is off and its O(iso) is ejected, unless the VM has snapshots. Elsewhere it is deleted with the VM.
          - Not supported on V(wsl).
        type: str
      answer_drivers:
        description:
          - Directory with drivers that Windows Setup loads before it searches for a disk (C($WinPEDriver$)).
          - Not supported on V(wsl).
        type: path
  # end generated
"""
