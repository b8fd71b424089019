# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of plans do, in one table. A verb without a row is none: no step can have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .frozen import Frozen, field, replace


class Verb(Frozen):
    """What a step with this verb does. ``group``: power, snapshot, backup or nothing.

    ``creates``: a VM. ``starts``: the VM runs after it. ``deletes``: the ``files`` of its arguments. ``ends``: nothing
    is left of the VM's snapshots. ``uses_disks``: all disks of the VM. ``claims``: it can claim something, whatever its
    changes are. ``disturbs``: a job of the platform, such as a backup, would reject it, or end with it.
    ``is_observed``: the next step can begin only when an observation has shown that it has ended. ``attaches``: it
    stores a definition that can name more files. ``loses``: what it destroys besides files (sharing/losses.py).
    """

    group: str = ""
    creates: bool = False
    starts: bool = False
    deletes: bool = False
    ends: bool = False
    uses_disks: bool = False
    claims: bool = False
    disturbs: bool = False
    is_observed: bool = False
    attaches: bool = False
    loses: tuple = ()


class Permit(Frozen):
    """What a step may destroy. ``files``: (path, identity; None: whatever the file is), ``things``: what has no file,
    ("vm", id), ("memory", id), ("state", id), ("snapshot", id, name), or ("snapshot", id): all of them. ``locked``:
    incomplete files that this task has locked. ``deleted``: the paths of all files that are deleted. ``named``: those
    of all files that a stored definition may name. ``lost``: the claims of ``files``. ``attached``: the claims of
    existing files that the VM did not have before: another task could attach or delete them at the same time.
    ``parts``: {verb: Permit} of the steps of a plan.
    """

    files: Sequence = ()
    things: frozenset = frozenset()
    locked: Sequence = ()
    deleted: Sequence = ()
    named: Sequence = ()
    lost: Sequence = ()
    attached: Sequence = ()
    parts: Mapping = field(default_factory=dict)

    def of(self, steps):
        """Return what ``steps`` of the plan may destroy; a verb that the plan does not have may destroy nothing."""
        return Permit().joined(*(self.parts[verb] for verb in {step.verb for step in steps} & set(self.parts)))

    def joined(self, *others):
        """Return what this Permit and ``others`` permit together, without parts."""
        every = (self, *others)
        lists = ("files", "locked", "deleted", "named", "lost", "attached")
        found = {name: list(dict.fromkeys(one for permit in every for one in getattr(permit, name))) for name in lists}
        return Permit(**found, things=frozenset().union(*(one.things for one in every)))


_SNAPSHOT = Verb("snapshot", uses_disks=True, claims=True, disturbs=True, is_observed=True)
VERB = {
    "fetch": Verb(is_observed=True),
    "create": Verb(creates=True, claims=True, is_observed=True, attaches=True),
    "clone": Verb(creates=True, claims=True, is_observed=True, attaches=True),
    "configure": Verb(attaches=True),
    "delete": Verb(
        deletes=True, ends=True, uses_disks=True, claims=True, disturbs=True, is_observed=True, loses=("vm",)
    ),
    "start": Verb("power", starts=True, uses_disks=True, claims=True),
    "resume": Verb("power", starts=True, uses_disks=True),
    "reset": Verb("power", uses_disks=True),
    "pause": Verb("power"),
    "stop": Verb("power", disturbs=True, is_observed=True),
    "kill": Verb("power", disturbs=True, is_observed=True, loses=("memory",)),
    "suspend": Verb("power", disturbs=True, is_observed=True),
    "snapshot": _SNAPSHOT,
    "restore": replace(_SNAPSHOT, attaches=True, loses=("state", "memory")),
    "drop_snapshot": replace(_SNAPSHOT, loses=("snapshot",)),
    "edit_snapshot": Verb("snapshot", uses_disks=True, is_observed=True),
    "backup": Verb("backup", disturbs=True, is_observed=True),
    "drop_backup": Verb("backup", deletes=True, claims=True, is_observed=True),
    "edit_backup": Verb("backup", is_observed=True),
    "create_from_backup": Verb("backup", creates=True, claims=True, is_observed=True, attaches=True),
    "prepare_restore": Verb("backup", disturbs=True, is_observed=True),
    "restore_backup": Verb(
        "backup", ends=True, uses_disks=True, claims=True, is_observed=True, attaches=True, loses=("state",)
    ),
    "finish_restore": Verb("backup", deletes=True, claims=True, is_observed=True, loses=("snapshots",)),
}


def verbs_that(**parts):
    """Return the verbs with these parts, such as ``deletes=True``."""
    return frozenset(name for name, verb in VERB.items() if all(getattr(verb, key) == parts[key] for key in parts))


POWER_VERBS, SNAPSHOT_VERBS = verbs_that(group="power"), verbs_that(group="snapshot")
#: Of platforms with backups. The functions for the other verbs are in power.py and snapshots.py of a driver, or in a
#: file of the same name.
BACKUP_VERBS = verbs_that(group="backup")
VERBS = tuple(name for name in VERB if name not in BACKUP_VERBS)
CREATING, STARTING, DELETING = verbs_that(creates=True), verbs_that(starts=True), verbs_that(deletes=True)
