# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options that every ``<platform>_backup`` shares."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - Names of the VMs. All of them are checked before the first step. If one request is rejected, the task fails and
        changes nothing.
      - At least one of O(name) and O(id) is required.
    type: list
    elements: str
  id:
    description:
      - ID of one VM on the platform. If O(name) is set too, the names are compared.
    type: str
  state:
    description:
      - V(present) - a complete backup of the VM exists that is not older than O(max_age). Otherwise one is created.
        Then the backups that no rule (O(keep_last) and the others) keeps are deleted.
      - V(absent) - the backup O(backup) does not exist. Nothing else deletes backups, also not the deletion of the VM.
        Fails if a VM has a file of the backup as a disk, if a disk image is based on it, or if a program has it open.
      - V(restored) - the VM has the disks and the settings of O(backup). A VM that does not exist is created with the
        settings that it had, and remains off. With O(new_name), another VM is created. With O(replace=true), the
        existing VM is replaced.
    type: str
    choices: [present, absent, restored]
    default: present
  max_age:
    description:
      - Maximum age of the newest backup, as a duration such as V(20h) or V(7d). Required with O(state=present).
      - The age counts from the start of the backup, by the clock of the controller. For a task that runs every day, a
        value below 24 hours (V(20h)) tolerates small delays. V(0m) creates a backup in each run, also next to one of
        the same second or with a later date.
      - A backup with a start more than five minutes in the future never counts, and causes a warning.
    type: str
  consistency:
    description:
      - The least consistency that a backup must have. Weaker backups do not count.
      - V(crash) - all disks are of one point in time, as after a power failure. If an agent in the guest answers, its
        file systems are frozen for a moment, so the backup has the consistency V(filesystem).
      - V(filesystem) - the file systems were frozen by the agent in the guest. Without an agent that answers, the task
        fails. On libvirt, nothing remains of the backup. On Proxmox VE, a backup remains as V(crash) if the
        freeze fails while it is created.
      - V(stopped) - the VM was off. A running VM is stopped for the whole backup and started again, which needs
        O(allow_restart=true).
    type: str
    choices: [crash, filesystem, stopped]
    default: crash
  exclude:
    description:
      - Slots of disks that the backup does not contain, such as V(vdb). A backup that lacks any other disk does not
        count.
      - A disk that cannot be included, such as a network disk, causes an error until it is listed here.
    type: list
    elements: str
    default: []
  verify:
    description:
      - Whether the files of all backups of the VM are read and compared with their digests before anything else. A
        damaged backup causes a warning, does not count and is not deleted. Check mode compares names and sizes only.
    type: bool
    default: false
  protected:
    description:
      - Whether the newest backup is protected from deletion, also by the rules. If omitted, an existing protection is
        not changed.
    type: bool
  keep_last:
    description:
      - Number of the newest backups to keep. If any of the rules is set, the backups of this VM that no rule keeps are
        deleted at the end of a successful task. Protected, damaged and incomplete backups are not counted and not
        deleted, and the newest complete one is always kept.
      - A backup is kept and not counted if a VM has one of its files as a disk, if a disk image is based on it, or if a
        program has it open. A warning names it, and what needs it. If a disk of a VM cannot be read, backups are
        deleted nevertheless, with a warning.
    type: int
  keep_daily:
    description:
      - Number of days of which the newest backup is kept. Days without backups, and days of which O(keep_last) keeps a
        backup, are not counted.
    type: int
  keep_weekly:
    description:
      - The same for weeks (ISO 8601), with the backups that earlier rules do not cover.
    type: int
  keep_monthly:
    description:
      - The same for months.
    type: int
  keep_within:
    description:
      - Keep all backups that are not older than this duration, such as V(14d).
    type: str
  allow_restart:
    description:
      - Permission to stop a running VM for O(consistency=stopped), and to start it again.
    type: bool
    default: false
  stop_mode:
    description:
      - How the VM is stopped for O(consistency=stopped). V(graceful) - a shutdown request. V(force) - the power is cut.
        V(graceful_then_force) - the power is cut if the guest does not shut down.
    type: str
    choices: [graceful, force, graceful_then_force]
  stop_timeout:
    description:
      - Number of seconds that the guest gets to shut down. The default is 120.
    type: int
  backup:
    description:
      - ID of the backup to delete or restore, or V(newest) to restore the newest complete one.
      - If no VM with this name exists, and several VMs that had this name have backups, V(newest) is rejected, and the
        error lists the IDs.
    type: str
  new_name:
    description:
      - With O(state=restored), create another VM with this name from the backup. It has new MAC addresses, does not
        start with the host, and is off. If it exists already and came from this backup, it is not changed.
    type: str
  replace:
    description:
      - Permission for O(state=restored) to replace an existing VM. All data written since the backup is lost, and so
        are its snapshots. Each run restores again, or completes a restore that was interrupted. The ID, the MAC
        addresses and the power state are kept.
      - The new disks are complete before a running VM is stopped, and the former ones are deleted when it runs again.
        Disks that were not created by this collection, or that other VMs or images need, are not deleted. The result
        lists them in C(kept).
    type: bool
    default: false
  networks:
    description:
      - For O(state=restored) on another host - names of networks in the backup, and those to use instead.
    type: dict
  each:
    description: Set by playbooks of this collection only, which treat each VM as a task of its own.
    type: dict
  controller_time:
    description: Set by the action plugin of the module only. A value in a task has no effect.
    type: int
  timeout:
    description:
      - Maximum number of seconds that the task waits for one VM in total - until another operation on it has ended, and
        until a change of its power state is complete.
      - Not counted - the backup or restore itself (see O(call_timeout)), and the time that a guest gets to shut down.
    type: int
    default: 300
"""
