# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words everything else is written in: what was found, what is asked, what shall be done.

All of it is data and nothing here acts. Sizes are bytes, times are seconds, powers are the seven words below.

``config`` (and ``active``) hold the vocabulary's names. Three shapes occur:

* a scalar: ``cpus`` (int), ``memory`` (bytes), ``tags`` (sorted tuple), ``iso`` (path, empty for none) ...
* a record: ``display``, or ``cloud_init`` where the platform itself passes it on -> attribute -> value
* a collection: ``disks`` by slot, ``networks`` by position ("0", "1" ...), ``port_forwards`` and ``shared_folders``
  by name -> attribute -> value; ``native`` by the platform's key -> value
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional

from .options import VM

ABSENT, STOPPED, RUNNING, PAUSED = "absent", "stopped", "running", "paused"
SUSPENDED, FAILED, UNKNOWN = "suspended", "failed", "unknown"
POWERS = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED, UNKNOWN)
#: Powers in which a VM holds memory somewhere, so that changes for the powered-off VM must wait.
ON = (RUNNING, PAUSED, SUSPENDED, FAILED)

#: What a change costs, cheapest first.
LIVE, NEXT_BOOT, POWER_OFF, DESTRUCTIVE = "live", "next_boot", "power_off", "destructive"
#: A change that cannot be made at any price; the field's ``instead`` says what can.
NEVER = "never"
COSTS = (LIVE, NEXT_BOOT, POWER_OFF, DESTRUCTIVE, NEVER)

VERBS = (
    "create", "clone", "configure", "start", "stop", "kill", "pause", "resume", "suspend", "reset", "delete",
    "snapshot", "restore", "drop_snapshot",
)  # fmt: skip

#: Seconds that a guest gets to shut down, where the task names none.
STOP_TIMEOUT = 120

#: Verbs whose functions share a file in a driver: power.py and snapshots.py. All others have a file of their own name.
POWER_VERBS = frozenset({"start", "stop", "kill", "pause", "resume", "suspend", "reset"})
SNAPSHOT_VERBS = frozenset({"snapshot", "drop_snapshot", "restore"})

COLLECTIONS = tuple(name for name, option in VM.items() if option.key)
RECORDS = tuple(name for name, option in VM.items() if option.options and not option.key)
EMPTY: Mapping = {}


class Secret(str):
    """A text that is compared as any other, and that no result, difference or invocation shows."""


@dataclass(frozen=True)
class Address:
    """One address of a VM and who says so (``lease``, ``agent``, ``arp`` ...); a lease is no proof of life."""

    address: str
    source: str
    mac: Optional[str] = None


@dataclass(frozen=True)
class Counters:
    """What a VM uses of its host; None where the platform does not report it, or the VM does not run.

    ``cpu_time`` and ``uptime`` are seconds since the VM was started, ``memory_used`` and ``disk_used`` are bytes.
    """

    cpu_time: Optional[float] = None
    memory_used: Optional[int] = None
    disk_used: Optional[int] = None
    uptime: Optional[int] = None


@dataclass(frozen=True)
class Snapshot:
    """A snapshot. ``power`` is that of the VM when it was taken; ``kind`` is the platform's name for its kind.

    ``created`` is in seconds since 1970; None for a planned one. ``current``: the disks are based on it. ``unfinished``
    says why it cannot be used, for example because its creation or its removal was interrupted.
    """

    name: str
    id: Optional[str] = None
    parent: Optional[str] = None
    power: str = STOPPED
    description: str = ""
    config: Optional[Mapping] = None
    kind: str = ""
    created: Optional[float] = None
    current: bool = False
    unfinished: str = ""


@dataclass(frozen=True)
class File:
    """A file that the VM uses. ``role`` is disk, medium, nvram or support (seed); ``bound`` cannot outlive it."""

    path: str
    role: str
    ours: bool = False
    used_by: tuple = ()
    bound: bool = False


@dataclass(frozen=True)
class Vm:
    """A VM as observed. A field is None if the platform does not have it or did not report it.

    ``recipe`` is what the platform itself would create an absent VM from, such as a Vagrantfile. ``lost``: its power is
    unknown because all its files are gone, so nothing is lost if its definition is deleted.
    ``effective`` are values that the VM has although nobody described them: reported, and never compared.
    """

    name: str
    id: Optional[str] = None
    power: str = STOPPED
    reason: str = ""
    busy: Optional[str] = None
    persistent: bool = True
    config: Mapping = field(default_factory=dict)
    active: Optional[Mapping] = None
    snapshots: Sequence[Snapshot] = ()
    addresses: Sequence[Address] = ()
    ssh: Optional[Mapping] = None
    mark: Optional[Mapping] = None
    files: Sequence[File] = ()
    restarted: bool = False
    restored: Optional[str] = None
    recipe: Optional[str] = None
    lost: bool = False
    effective: Mapping = field(default_factory=dict)
    counters: Counters = Counters()

    @property
    def on(self):
        return self.power in ON

    @property
    def owned(self):
        """True when the mark is this VM's own; clones and imports carry foreign marks along."""
        return bool(self.mark) and self.id is not None and self.mark.get("id") == self.id

    def having(self, **changes):
        return replace(self, **changes)

    @classmethod
    def absent(cls, name):
        return cls(name=name, power=ABSENT)


@dataclass(frozen=True)
class SnapshotRequest:
    """``state`` is present, absent or restored; ``power`` is "snapshot" (end in the snapshot's own power) or "keep".

    ``include_memory`` None and ``kind`` empty leave it to the platform. ``keep_last`` is how many of a series stay.
    """

    name: str
    state: str = "present"
    description: Optional[str] = None
    include_memory: Optional[bool] = None
    kind: str = ""
    children: bool = False
    keep_last: Optional[int] = None
    power: str = "snapshot"

    @property
    def given_to_take(self):
        """The options given that matter only when it is taken."""
        given = {"description": self.description, "include_memory": self.include_memory, "kind": self.kind or None}
        return [option for option, value in given.items() if value is not None]


@dataclass(frozen=True)
class Comparison:
    """What to compare of one VM: two snapshots by name or id; ``after`` None is the VM as it is now.

    ``content`` means the files in its disks too, and ``text`` what changed in those that are text.
    """

    before: str
    after: Optional[str] = None
    content: bool = False
    text: bool = False


@dataclass(frozen=True)
class Policy:
    """How to go about it. ``stop_mode`` None is the gentlest way that the platform has.

    ``at_start`` are arguments of the last start, which is a cold one.
    """

    stop_mode: Optional[str] = None
    stop_timeout: Optional[int] = None
    timeout: int = 300
    wait_for: str = "state"
    allow_restart: bool = False
    allow_recreate: bool = False
    delete_disks: str = "owned"
    purge: frozenset = frozenset()
    on_failure: str = "rollback"
    at_start: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What one VM is to be. ``state`` is a value of that option; ``config`` and ``creation`` are options that are set.

    In collections a value of None asks for the entry to be gone. Keys such as ``#0`` stand for a place, not a name.
    """

    name: Optional[str] = None
    id: Optional[str] = None
    state: str = "present"
    config: Mapping = field(default_factory=dict)
    creation: Mapping = field(default_factory=dict)
    snapshot: Optional[SnapshotRequest] = None
    policy: Policy = Policy()

    @property
    def label(self):
        return self.name or self.id

    def target(self):
        """This request without what must happen only once: what has to hold in the end."""
        state = "started" if self.state == "restarted" else self.state
        restored = self.snapshot is not None and self.snapshot.state == "restored"
        return replace(self, state=state, snapshot=None if restored else self.snapshot)


@dataclass(frozen=True)
class Change:
    """One difference. ``attribute`` None means the whole entry: added when ``old`` is None, removed when ``new`` is.

    ``beside`` is all that is asked of the same VM, or of the same entry: a cost may depend on it.
    """

    field: str
    old: Any
    new: Any
    key: Optional[str] = None
    attribute: Optional[str] = None
    cost: str = LIVE
    beside: Mapping = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def path(self):
        return ".".join(part for part in (self.field, self.key, self.attribute) if part)

    @property
    def kind(self):
        """The name under which traits know this change: cpus, disks.size, disks.add, disks.remove, native ..."""
        if self.field in COLLECTIONS and self.attribute is None:
            return f"{self.field}.{'add' if self.old is None else 'remove'}"
        return f"{self.field}.{self.attribute}" if self.attribute else self.field


@dataclass(frozen=True)
class Step:
    """One step of a plan. ``also`` names effects on other VMs; ``note`` is text for results."""

    verb: str
    changes: Sequence[Change] = ()
    arguments: Mapping = field(default_factory=dict)
    cost: str = LIVE
    also: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why nothing is done. ``kind`` is refused, unsupported or not_found."""

    message: str
    remedy: str = ""
    kind: str = "refused"

    def __str__(self):
        return f"{self.message} {self.remedy}".strip()


@dataclass(frozen=True)
class Plan:
    """``segments`` of steps, each ending where an end must be seen; ``busy`` means look again later."""

    before: Vm
    after: Vm
    segments: Sequence[Sequence[Step]] = ()
    refusal: Optional[Refusal] = None
    busy: Optional[str] = None
    not_compared: Sequence[str] = ()

    @property
    def steps(self):
        return [step for segment in self.segments for step in segment]

    @property
    def changed(self):
        return bool(self.segments)


@dataclass(frozen=True)
class Observation:
    """The result of an observation: the requested VMs that exist, all names on the platform, and errors."""

    vms: Sequence[Vm] = ()
    known: Sequence[str] = ()
    errors: Mapping = field(default_factory=dict)
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Target:
    """Which VM to observe: by ``id`` if it is set, else by ``name``."""

    name: Optional[str] = None
    id: Optional[str] = None

    def selects(self, vm):
        return vm.id == self.id if self.id else vm.name == self.name


@dataclass(frozen=True)
class Field:
    """What a platform can do about one field, as data.

    ``cost`` is one of COSTS or a pure function of (vm, change). ``same`` compares found with asked where plain equality
    is too strict. ``readable`` False: the value cannot be read back and is reported as not compared.
    ``free_until_made``: nothing is lost by any value while the VM is only described, and has no id.
    ``while_on``: the remedy for a VM that is on, where a power cycle is none: after the change it stays off.
    """

    cost: Any = NEXT_BOOT
    readable: bool = True
    choices: Optional[Sequence] = None
    minimum: Optional[int] = None
    maximum: Optional[int] = None
    same: Callable = lambda found, asked: found == asked
    instead: str = ""
    free_until_made: bool = False
    while_on: str = ""

    def cost_of(self, vm, change):
        return self.cost(vm, change) if callable(self.cost) else self.cost


@dataclass(frozen=True)
class Traits:
    """What a platform, at this version on this host, can do. ``fields`` by Change.kind and by creation input.

    ``restored_as`` maps the power of a snapshot to the power in which the platform leaves a VM restored to it,
    where that is another one: VirtualBox and Hyper-V leave what was running as suspended. ``made_as`` is the power in
    which the platform leaves a VM it has made: Vagrant starts what it makes. ``cloned_with`` names the settings
    that are given in the act of cloning, such as the node; all others of a clone are changed afterwards. ``not_cloned``
    names those that a clone does not have from its source, because two VMs cannot share them. ``linked_format`` is
    the format of a disk that stands on another one, where the platform tells formats. ``taken_as`` tells (kind, power)
    of the snapshot that a request makes of a VM. ``lanes_at_once`` is enough to hide the platform's waiting, and
    few enough not to become its load. ``harmless`` are words of ``Vm.busy`` for work that leaves a running VM
    running and its settings as they are (a backup): it need not end where nothing is to be done.
    ``ends_at_once`` are verbs that are complete when the driver returns, so the next step is sent with them. The driver
    gets the VM as it was before the first of these steps.
    ``id_fault`` says why a VM cannot be created with an id; None: the platform chooses ids by itself.
    ``suspended_counts_as_stopped``: nothing of a suspended VM is in memory, so ``state: stopped`` leaves it as it is.
    ``stop_timeout``: seconds that a guest gets to shut down, where the task names none.
    """

    platform: str
    version: str = ""
    powers: frozenset = frozenset({STOPPED, RUNNING, PAUSED, SUSPENDED})
    verbs: frozenset = frozenset(VERBS)
    fields: Mapping[str, Field] = field(default_factory=dict)
    sources: Sequence[str] = ("image", "clone", "iso", "disks")
    defaults: Mapping = field(default_factory=dict)
    stop_modes: Sequence[str] = ("graceful", "force", "graceful_then_force")
    instead: Mapping[str, str] = field(default_factory=dict)
    slot: Callable[[int], str] = "disk{}".format
    name_fault: Callable[[str], Optional[str]] = lambda name: None
    id_fault: Optional[Callable[[str], Optional[str]]] = None
    snapshot_name_fault: Callable[[str], Optional[str]] = lambda name: None
    taken_as: Callable = lambda vm, asked: (asked.kind, vm.power)
    restored_as: Mapping[str, str] = field(default_factory=dict)
    made_as: str = STOPPED
    linked_format: Optional[str] = None
    cloned_with: frozenset = frozenset()
    not_cloned: frozenset = frozenset()
    lanes_at_once: int = 4
    harmless: frozenset = frozenset()
    ends_at_once: frozenset = frozenset()
    suspended_counts_as_stopped: bool = False
    stop_timeout: int = STOP_TIMEOUT
    transient: Callable[[Exception], bool] = lambda error: False
    side_effects: Callable[[str, Vm, Sequence[Change]], Sequence[str]] = lambda verb, vm, changes: ()
    adjust: Callable = lambda vm, config: config
