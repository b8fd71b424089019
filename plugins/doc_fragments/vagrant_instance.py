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
      - Name of the VM, or a list of names of VMs that get the same options.
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
    type: str
    default: present
    choices: [present, started, stopped, paused, suspended, restarted, absent]
  stop_mode:
    description:
      - V(graceful) asks the guest to shut down, asks again every ten seconds, and fails after O(stop_timeout).
      - V(force) cuts the power. V(graceful_then_force) asks, and cuts the power after O(stop_timeout).
      - The default is the most graceful mode of the platform.
    type: str
    choices: [graceful, force, graceful_then_force]
  stop_timeout:
    description:
      - Seconds that a guest gets to shut down.
      - The default depends on the platform, and is mostly 120.
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
      - A VM that already runs is checked, too. There is no waiting in check mode and with any other O(state).
      - A dictionary, or only the value of O(wait_for.condition).
    type: raw
    default: state
    suboptions:
      condition:
        description:
          - Condition that needs no further value.
        type: str
        choices: [state, address, ssh, winrm]
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
    type: str
    default: owned
    choices: [owned, none, all]
  purge:
    description:
      - Options with lists that are treated as complete. Anything that they do not list is removed from the VM.
        Disks are detached, not deleted.
      - Each of these options must be set; use an empty list for none.
    type: list
    elements: str
    default: []
    choices: [disks, networks, port_forwards, shared_folders]
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
    type: str
    choices: [amd64, arm64]
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
      - Free-text description. No line can begin with V(#polyvirt) or V(<!-- polyvirt), as the ownership records
        of this collection do.
    type: str
  memory:
    description:
      - Memory of the VM. A new VM has 2 GiB by default.
      - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in MiB.
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
        type: str
      size:
        description:
          - Size of the disk.
          - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in GiB.
        type: str
      state:
        description:
          - V(present) - the disk is attached.
        type: str
        default: present
        choices: [present]
  networks:
    description:
      - NICs by position; the first entry is the first NIC. Omitted keys are not changed, and a NIC keeps its
        MAC address.
      - If omitted, a new VM has one NIC on the default network of the platform; with an empty list, it has
        none. Hyper-V has no default network on servers, so a new VM there has no NIC unless this option is set.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(nat) - the network of the platform with address translation (NAT).
          - V(bridged) - bridged to an interface of the host (O(networks[].source)).
          - V(hostonly) - a network of the host and its VMs only.
        type: str
        choices: [nat, bridged, hostonly]
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
        type: str
  port_forwards:
    description:
      - Ports of the host that are forwarded to the guest, by name.
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
        type: str
      type:
        description:
          - Type of the share, in the terms of the platform.
        type: str
      read_only:
        description:
          - Whether the guest has read-only access.
        type: bool
  image:
    description:
      - Disk image to create the VM from. Used only when the VM is created, and not compared later.
      - If an existing VM was created from another image than the task names, the task warns.
      - A dictionary, or only the value of O(image.source).
    type: raw
    suboptions:
      source:
        description:
          - A name of the catalogue such as V(debian-13), which is the box of this system for the O(provider), or
            the name of a box such as V(debian/trixie64). O(box) does the same.
        type: str
        required: true
      linked:
        description:
          - V(false) - create a full copy.
        type: bool
        default: false
        choices: [false]
      checksum:
        description:
          - Checksum of the image at an address, such as V(sha256:4f1c...), or V(sha512:) followed by the address of
            a list of checksums. Without it, the task warns that nothing was verified.
        type: str
      catalogue:
        description:
          - Set by this collection only. What the catalogue on the controller has for a name.
        type: dict
  # end generated
  provider:
    description:
      - Provider that runs the VM - V(virtualbox), V(libvirt), V(hyperv), V(vmware_desktop) or V(proxmox).
      - If omitted, C(VAGRANT_DEFAULT_PROVIDER), else V(virtualbox). For a VM that was created, a change needs the VM to
        be created again (O(allow_recreate)).
    type: str
  box:
    description:
      - Name of the box to create the VM from. If the host does not have it, it is downloaded at the first start.
      - For a VM that was created, a change needs the VM to be created again (O(allow_recreate)).
    type: str
  box_version:
    description:
      - Version of the box, or a constraint such as V(>= 12.0, < 13).
      - For a VM that was created, a change needs the VM to be created again (O(allow_recreate)).
    type: str
  box_url:
    description: URL of a box that is not in the public catalog.
    type: str
  box_checksum:
    description:
      - Checksum of the box with its type, such as V(sha256:0a1b...). It is verified when the box is downloaded.
    type: str
  os_boxes:
    description:
      - More boxes for O(os_type), or boxes that replace those this collection knows. A dictionary of systems, each a
        dictionary of providers and their boxes.
    type: dict
  hostname:
    description: Host name of the guest.
    type: str
  gui:
    description: Whether the VM has a window (V(virtualbox), V(vmware_desktop)).
    type: bool
  linked_clone:
    description:
      - Whether the disk is a linked clone of the disk of the box (V(virtualbox), V(hyperv), V(vmware_desktop)). With
        V(libvirt) it always is.
    type: bool
  provisioners:
    description:
      - Shell scripts that configure the guest, in this order. They run at the first start of the VM, and again at the
        next start after this list was changed, or after a start that failed.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the provisioner in Vagrant.
        type: str
      inline:
        description: Content of the script. It is stored in the Vagrantfile, which only the task's user can read.
        type: str
      path:
        description: Path of a script on the host, or a URL.
        type: path
      args:
        description: Arguments of the script.
        type: list
        elements: str
      env:
        description: Environment variables of the script. Their values are never shown.
        type: dict
      privileged:
        description: Whether the script runs as root. Vagrant's default is V(true).
        type: bool
      run:
        description: V(always) runs the script at every start, V(never) only when requested by hand.
        type: str
        choices: [once, always, never]
  environment:
    description:
      - Environment variables for the Vagrantfile, such as those for a proxy. All VMs of a project share them.
      - Their values are never shown. A value that YAML reads as neither a string nor a number must be quoted.
      - Variables that begin with C(VAGRANT_) must be set in the C(environment) of the task.
    type: dict
"""
