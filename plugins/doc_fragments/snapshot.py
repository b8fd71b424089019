# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options that every ``<platform>_snapshot`` shares (the argument spec ``snapshot``)."""

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
  snapshot:
    description:
      - Name of the snapshot. An existing one can also be selected by its ID, if the platform has IDs.
    type: str
    required: true
  state:
    description:
      - V(present) - the snapshot exists. Of an existing one, only O(expires) is changed.
      - V(absent) - the snapshot does not exist. Its children are kept, unless O(children=true).
      - V(restored) - disks, settings, and the memory if the snapshot contains it, are restored. Data written since then
        is lost. Each run restores the snapshot and reports a change, because it is unknown whether the disks still have
        the same content.
    type: str
    choices: [present, absent, restored]
    default: present
  description:
    description:
      - Free-text description of a new snapshot. No line can begin with V(#polyvirt) or V(<!-- polyvirt).
    type: str
  include_memory:
    description:
      - Whether a new snapshot of a running VM contains its memory, so that the VM continues to run after a restore.
      - If omitted, the default of the platform. A VM that is off has no memory to save.
    type: bool
  keep_last:
    description:
      - Number of snapshots of a series to keep, including this one. The oldest others are deleted.
      - Names that differ only in their digits are a series, such as C(nightly-2026-11-19) and C(nightly-2026-11-20).
        Snapshots with other names are never deleted.
    type: int
  expires:
    description:
      - When the snapshot expires. Nothing happens to it then, unless the playbook C(polyvirt.core.reap) runs, which
        deletes it.
      - A duration from now in minutes, hours, days or weeks (V(90m), V(8h), V(14d), V(1d12h)), a date (V(2027-01-31),
        at the end of this day in UTC), or a time in ISO 8601 with a zone (V(2027-01-31T18:00:00+01:00)).
      - The text and the time are stored with the snapshot, also with an existing one. The same text never moves the
        time. Another duration counts from now. An empty string removes the expiry.
    type: str
  extend:
    description:
      - With a duration in O(expires), the snapshot expires this long from now, also if it has the same O(expires)
        already. This reports a change in each run.
    type: bool
    default: false
  expired_for:
    description:
      - With O(state=absent), the snapshot is deleted only if it expired at least this long ago, such as V(0m) or V(2h).
        The expiry is read immediately before.
      - Nothing is deleted if the clock of the host differs by more than five minutes from that of the controller, or if
        the snapshot was created in the future. One of the clocks is wrong then.
    type: str
  controller_time:
    description: Set by the action plugin of the module only. A value in a task has no effect.
    type: int
  children:
    description:
      - Whether O(state=absent) also deletes the children of the snapshot and all snapshots below them.
    type: bool
    default: false
  power:
    description:
      - Power state of the VM after O(state=restored). V(snapshot) - the power state at the time of the snapshot.
        V(keep) - the current power state; a stopped VM is not started, and the memory of the snapshot is discarded.
    type: str
    choices: [snapshot, keep]
    default: snapshot
  wait_for:
    description:
      - Condition to wait for with O(state=restored), checked from the hypervisor's host.
      - V(state) - the VM has its final power state. V(address) - it has an address that answers. V(ssh) - an SSH server
        answers. V(winrm) - WinRM answers at port 5985 or 5986. There is no waiting in check mode.
      - If the VM will not run after the restore, for example because it was off when the snapshot was taken, all
        conditions but V(state) are rejected, and nothing is restored.
      - A dictionary, or only the value of O(wait_for.condition).
    type: raw
    default: state
    suboptions:
      condition:
        description: Condition that needs no further value.
        type: str
        choices: [state, address, ssh, winrm]
      port:
        description:
          - TCP port of the guest on which a server accepts connections. Through a forwarded port of the host, the
            server must also send something, unasked or to a line of HTTP.
        type: int
      http:
        description:
          - Page of the guest that a GET request returns with a status below 400, such as C(:8080/health) or
            C(https://{address}:8443/health). Redirects are not followed, and certificates are not verified.
        type: str
  timeout:
    description:
      - Maximum number of seconds that the task waits for one VM in total - until another client releases its lock,
        until a change of its power state is complete, and until its guest fulfils the condition of O(wait_for).
      - Not counted - the platform's own work, such as copying a disk (see O(call_timeout)), and the time that a guest
        gets to shut down.
    type: int
    default: 300
"""
