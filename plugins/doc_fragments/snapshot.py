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
      - Names of the machines. All are looked at before the first step, and one refusal ends the task with nothing done.
      - Either this or O(id) is needed.
    type: list
    elements: str
  id:
    description: The platform's own identifier of one machine; O(name) is then only compared.
    type: str
  snapshot:
    description:
      - Name of the snapshot. An existing one can also be named by its id, where the platform has ids.
    type: str
    required: true
  state:
    description:
      - V(present) - there is a snapshot of this name. One that exists is left as it is.
      - V(absent) - there is none. Those that were taken on top of it stay, unless O(children=true).
      - V(restored) - disks, settings, and memory where it holds any, are put back to what they were. What was written
        since is lost. This is done at each run and always reports a change, because nobody can tell whether the disks
        still hold the same.
    type: str
    choices: [present, absent, restored]
    default: present
  description:
    description: A text for people, kept with a new snapshot.
    type: str
  include_memory:
    description:
      - Whether a new snapshot of a running machine holds its memory, so that a restore goes on where it was.
      - When left out, the platform's usual way. A machine that is off has no memory to hold.
    type: bool
  keep_last:
    description:
      - How many snapshots of a series stay, this one among them; the oldest of the others are removed.
      - Names that differ only in their digits are a series, such as C(nightly-2026-11-19) and C(nightly-2026-11-20).
        Snapshots of other names are never touched.
    type: int
  children:
    description: Whether those that were taken on top of it go along with O(state=absent).
    type: bool
    default: false
  power:
    description:
      - How the machine ends with O(state=restored). V(snapshot) - in the power it had when the snapshot was taken.
        V(keep) - in the power it has now.
    type: str
    choices: [snapshot, keep]
    default: snapshot
  wait_for:
    description:
      - What to wait for with O(state=restored), seen from the hypervisor's host.
      - V(state) - the power that it shall end in. V(address) - that it has an address which answers. V(ssh) - that an
        SSH server greets. Nothing is waited for in check mode.
      - For a machine that would not run after it, such as one that was off when the snapshot was taken, V(address) and
        V(ssh) are refused, and nothing is restored.
    type: str
    choices: [state, address, ssh]
    default: state
  timeout:
    description:
      - Seconds that the task waits for one VM, all its waits together - until somebody else's lock is gone, until a
        change of its power state is complete, until its guest has an address or answers by SSH (O(wait_for)).
      - Not counted - the platform's own work, such as copying a disk (see O(call_timeout)), and the time that a guest
        gets to shut down.
    type: int
    default: 300
"""
