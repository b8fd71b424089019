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
      - VMs that differ, as one task. Each entry has a C(name) or an C(id), and any options of this module,
        which replace those of the task. VMs that O(name) lists have the options of the task.
      - All VMs are planned before the first change. If one of them is rejected, nothing is changed.
      - O(machines), O(fleet), O(prune) and O(call_timeout) cannot be in an entry.
    type: list
    elements: dict
  prune:
    description:
      - Deletes the VMs that are in O(fleet), but that the task does not list. Needs O(fleet), and O(name),
        O(id) or O(machines).
      - With O(state=absent), the whole fleet is deleted, the listed VMs and all others.
      - Check mode lists what would be deleted.
    type: bool
    default: false
  id:
    description:
      - ID of one VM on the platform.
      - If O(name) is set too, the names are compared. VMs are not renamed.
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
      - If omitted, the gentlest mode of the platform.
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
  description:
    description:
      - Free-text description.
    type: str
  tags:
    description:
      - Tags of the VM. The list is complete; an empty list removes all tags.
    type: list
    elements: str
  fleet:
    description:
      - Name of the group of VMs that the VM belongs to. It is stored with the VM. An empty string removes it
        from the group.
      - A clone belongs to no fleet unless the task sets one. See O(prune).
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
          - Address of the disk on the platform. If omitted, it follows from the position of the entry in the list.
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
      - A dictionary, or only the value of O(image.source).
    type: raw
    suboptions:
      source:
        description:
          - Path of the image on the hypervisor. It is never written to, moved or deleted.
        type: str
        required: true
      linked:
        description:
          - V(false) - create a full copy.
        type: bool
        default: false
        choices: [false]
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
  # end generated
  version:
    description:
      - Version of WSL. A new distribution has the default version of the user.
      - The distribution must be stopped to be converted (O(allow_restart=true)). This takes minutes, and needs as much
        free space as its files.
    type: int
    choices: [1, 2]
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
    type: str
  shutdown_all:
    description:
      - With O(state=stopped), stops all distributions of the user and their virtual machine (C(wsl --shutdown)), if the
        named one runs.
    type: bool
    default: false
"""
