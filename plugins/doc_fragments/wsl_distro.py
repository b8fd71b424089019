# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of ``wsl_distro``: those that platforms share, as this one has them, and its own."""

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
      - V(restarted) - the VM is restarted once in every run, which always reports a change. It is started if it
        was off.
      - V(absent) - the VM does not exist. The form of its other options is checked, and they have no other
        effect.
    type: str
    default: present
    choices: [present, started, stopped, restarted, absent]
  stop_mode:
    description:
      - The default is the most graceful mode of the platform.
    type: str
    choices: [force]
  timeout:
    description:
      - Maximum number of seconds that the task waits for one VM in total.
    type: int
    default: 300
  allow_restart:
    description:
      - Permission to stop and start the VM for changes that are possible only while it is off, and for those
        listed in RV(vms[].restart_required). Its previous power state is restored, also if the changes fail.
    type: bool
    default: false
  adopt:
    description:
      - Permission to apply a task with a source such as O(image) to an existing VM that this collection did not
        create. Without it, such a task fails, because the VM may be another one than the task is about.
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
    choices: [owned, all]
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
  description:
    description:
      - Free-text description. No line can begin with V(#polyvirt) or V(<!-- polyvirt), as the ownership records
        of this collection do.
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
          - A number with a unit; V(2G), V(2GB) and V(2GiB) mean the same. A number without a unit is in GiB.
        type: str
      state:
        description:
          - V(present) - the disk is attached.
        type: str
        default: present
        choices: [present]
  image:
    description:
      - Disk image to create the VM from. Used only when the VM is created, and not compared later.
      - If an existing VM was created from another image than the task names, the task warns.
      - A dictionary, or only the value of O(image.source).
    type: raw
    suboptions:
      source:
        description:
          - A name of the catalogue such as V(debian-13), a name of the online list of WSL such as V(Ubuntu), the
            address of an archive (V(https://...), a C(.wsl) file or a tarball), or the path of an archive or VHDX
            file on Windows, which is only read. The new files are in O(install_location). WSL itself downloads what
            is in its online list.
          - If the online list gives no version for a name, the version of the installed system is compared with
            that of O(image.source). Another version is removed from O(install_location), and the task fails.
          - Names and addresses are downloaded once to O(image_directory), and verified with the vendor's checksums.
            Later VMs use the stored image without a request.
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
      refresh:
        description:
          - Ask the vendor for the newest image of this name or address, even if one is stored.
        type: bool
      headers:
        description:
          - HTTP headers that the server of an address requires, such as C(Authorization). They are sent to that
            server only, not to a mirror, the server of a checksum list, or where it redirects to.
        type: dict
      require_signature:
        description:
          - Fail if the vendor's signature cannot be checked. Otherwise, the task warns. The checksum is always
            checked.
        type: bool
      catalogue:
        description:
          - Set by this collection only. What the catalogue on the controller has for a name.
        type: dict
  clone:
    description:
      - Another VM to create this VM from. Used only when the VM is created.
      - A dictionary, or only the value of O(clone.source).
    type: raw
    suboptions:
      source:
        description:
          - Name of the VM to clone.
        type: str
        required: true
      linked:
        description:
          - Whether to store only the differences from the source.
        type: bool
        default: false
        choices: [false]
  cloud_init:
    description:
      - Settings for cloud-init in the guest.
      - They are written to a cloud-init seed ISO (NoCloud) when the VM is created, and never compared later.
        The seed is readable by its owner only. This needs C(xorriso), C(genisoimage) or C(mkisofs) on the
        hypervisor.
      - Proxmox VE itself stores and compares them, unless user data, meta data or a network configuration is
        set; then the seed ISO is created on the host of the task, and uploaded. On WSL they are files in the
        profile of the user.
    type: dict
    suboptions:
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
  # end generated
  version:
    description:
      - Version of WSL. A new distribution has the default version of the user.
      - The distribution must be stopped to be converted (O(allow_restart=true)). This takes minutes, and needs as much
        free space as its files.
    type: int
    choices: [1, 2]
  image_directory:
    description:
      - Directory on the host for archives by name or address (O(image.source)) that are not in the online list. It is
        created if it does not exist.
      - If omitted, the variable C(polyvirt_image_directory), else C(polyvirt\\images) in the directory for data of the
        user (V(C:\\Users\\NAME\\AppData\\Local\\polyvirt\\images)).
      - The controller downloads archives, then copies them to the host. It keeps them in the directory that the
        environment variable E(POLYVIRT_IMAGE_DIRECTORY) has, else in V(~/.local/share/polyvirt/images), and for root in
        V(/var/lib/polyvirt/images).
    type: str
  install_location:
    description:
      - Directory of the distribution on the host. For a new distribution C(C:\\WSL\\NAME) by default.
      - An existing distribution is moved there. It must be of version 2 and stopped, and WSL must be 2.4.4 or later.
    type: str
  default:
    description:
      - Whether it is the distribution that C(wsl.exe) starts without a name. V(true) makes it the default one.
        V(false) fails for the distribution that is the default.
    type: bool
  default_user:
    description:
      - User of new sessions. The user is created if missing, and named in C(/etc/wsl.conf).
    type: str
  systemd:
    description:
      - Whether the distribution starts systemd. Needs version 2.
    type: bool
  keep_running:
    description:
      - WSL stops a distribution some seconds after its last program on Windows has ended; services within do not count.
        This option keeps it started, while O(state=started), by a scheduled task of the user.
      - V(true) - from the start of Windows, without a log-on. The user needs the right to log on as a batch job.
      - V(at_logon) - while the user is logged on.
      - V(false) - the task is removed.
      - O(state=stopped) disables the task, and O(state=started) enables it again.
    type: str
    choices: ['true', at_logon, 'false']
  sparse:
    description:
      - Whether the virtual disk gives space back to the host. Since 2.5, WSL regards this as unsafe.
    type: bool
  allow_unsafe_sparse:
    description:
      - Permission for O(sparse=true) although WSL warns of damaged data.
    type: bool
    default: false
  export:
    description:
      - File on the host to export the distribution to, if there is no such file. It ends with V(.tar), V(.tar.gz),
        V(.tar.xz) or V(.vhdx). Its directory must exist.
      - The distribution is stopped for it (O(allow_restart=true)). An existing file is never overwritten.
      - With O(state=absent), the distribution is deleted only after it was exported and the file was read to its end.
        If there is such a file already, the task fails, unless it is the current copy of an interrupted task with the
        same options. Without a distribution, nothing is exported.
    type: str
  shutdown_all:
    description:
      - With O(state=stopped), stops all distributions of the user and their virtual machine (C(wsl --shutdown)), if the
        named one runs.
    type: bool
    default: false
"""
