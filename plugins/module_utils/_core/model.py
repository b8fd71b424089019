# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data model: the observed VM, the request for it, and the plan to get there. Data only, no actions.

Sizes are bytes, times are seconds. Keys of ``config`` (and ``active``) are names of options; their values are:

* a scalar: ``cpus`` (int), ``memory`` (bytes), ``tags`` (sorted tuple), ``iso`` (path, empty for none) ...
* a record: ``display``, or ``cloud_init`` where the platform itself passes it on -> attribute -> value
* a collection: ``disks`` and ``cdroms`` by slot, ``networks`` by position ("0", "1" ...), ``port_forwards`` and
  ``shared_folders`` by name -> attribute -> value; ``native`` by the platform's key -> value
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Callable, Optional

from .frozen import Frozen, field, replace
from .options.guest_conditions import described, services
from .options.option import VM
from .record.leases import NEVER_EXPIRES
from .record.mark import BIRTH, is_mark_of, records_creation
from .verbs import VERBS

ABSENT, STOPPED, RUNNING, PAUSED = "absent", "stopped", "running", "paused"
SUSPENDED, FAILED, UNKNOWN = "suspended", "failed", "unknown"
#: Power states in which a VM has memory contents, so that changes with the cost POWER_OFF are not possible.
ON = (RUNNING, PAUSED, SUSPENDED, FAILED)
#: Power states in which a VM uses what it holds, such as its ports.
IN_USE = (RUNNING, PAUSED)
#: ``Vm.busy`` of a VM that another command holds, maybe because its hypervisor does not answer: it can be killed.
LOCKED = "another command holds it; state: stopped with stop_mode: force kills it without waiting"

#: What a change costs, cheapest first.
LIVE, NEXT_BOOT, POWER_OFF, DESTRUCTIVE = "live", "next_boot", "power_off", "destructive"
#: A change that is not possible at all; the field's ``instead`` names the alternative.
NEVER = "never"
COSTS = (LIVE, NEXT_BOOT, POWER_OFF, DESTRUCTIVE, NEVER)

#: Default time for a guest to shut down, in seconds.
STOP_TIMEOUT = 120

#: The facets for an info module that reads only the platform's list of all VMs.
LIST = frozenset({"list"})

COLLECTIONS = tuple(name for name, option in VM.items() if option.key)
EMPTY: Mapping = {}


def is_started(before, after):
    """Return whether a VM uses what it holds from now on, by its power states before and after a plan."""
    return before not in IN_USE and after in IN_USE


class Secret(str):
    """A string that results, diffs and invocations never show; compared like any other string."""


class Address(Frozen):
    """One address of a VM. ``source`` is lease, agent, arp ...; a lease does not prove that the guest is running."""

    address: str
    source: str
    mac: Optional[str] = None


class Counters(Frozen, eq=False):
    """What a VM uses of its host; None where the platform does not report it, or the VM does not run.

    ``cpu_time`` and ``uptime`` are seconds since the VM was started, ``memory_used`` and ``disk_used`` are bytes.
    """

    cpu_time: Optional[float] = None
    memory_used: Optional[int] = None
    disk_used: Optional[int] = None
    uptime: Optional[int] = None


#: Bytes that an installer has certainly written. New disks take some of them with nothing on them.
_WRITTEN = 64 << 20


def is_written(first, used):
    """Return whether disks were written to, by their used bytes when they were first read, and now."""
    return used is not None and (used > _WRITTEN or used != first)


class Snapshot(Frozen):
    """A snapshot. ``power`` is the power state of the VM when it was taken; ``kind`` is the platform's name for it.

    ``created`` is in seconds since 1970; None if planned or unknown. ``current``: the disks are based on it.
    ``unfinished`` is the reason why it cannot be used, such as an interrupted creation or deletion; empty if it can.
    ``expires`` is an Expiry of leases.py. ``remaining``: files that are kept when the snapshot is deleted, because
    there is no record that this collection created them.
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
    expires: str = NEVER_EXPIRES
    remaining: Sequence[str] = ()


class File(Frozen):
    """A file that the VM uses. ``role`` is disk, medium (ISO image), nvram, tpm (a directory), support (cloud-init seed
    ISO) or no file (a volume, device or network image).

    ``ours``: created by this collection. ``used_by``: other users. ``bound``: always deleted together with the VM.
    ``unknown``: who may use it for all that is known, and why that cannot be read.
    ``elsewhere``: why it may be the file of somebody else, which has the same path as one that was created for the VM.
    ``special``: what is there if that is no regular file, such as a link or a device, which is never deleted.
    """

    path: str
    role: str
    ours: bool = False
    used_by: tuple = ()
    bound: bool = False
    elsewhere: str = ""
    unknown: str = ""
    special: str = ""


class Vm(Frozen):
    """A VM as observed. A field is None if the platform does not have it or did not report it.

    ``guest_tools``: what the platform's own software in the guest reports: installed, running, version, run_level.

    ``config`` are the stored settings, ``active`` those it runs with. ``recipe``: the file from which the platform
    creates an absent VM, such as a Vagrantfile. ``lost``: the power state is unknown because all files are missing, so
    deleting the VM loses nothing. ``reported``: the power state that the platform reports although it has lost access
    to the VM, so that ``power`` is unknown. ``effective``: values that the platform chose itself; reported, never
    compared. ``own_disks``: files or volumes that belong to this VM alone, if its mark does not list them.
    ``not_modelled()`` is {setting: why it cannot be described as an option}, in the platform's terms, of a VM that was
    read with the facet native. ``birth``: what identifies the VM even if another one gets its name and id; None if no
    VM gets its id again.
    ``reserved``: slots that neither ``disks`` nor ``cdroms`` has, such as that of the cloud-init seed ISO.
    ``revision``: what identifies the stored settings, which are compared with it before they are changed; None: they
    are not. On libvirt, the text of the definition. ``generation``: what is new after each restore and rollback.
    ``backups``: read only for tasks about backups; also of a VM that does not exist.
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
    reported: Optional[str] = None
    effective: Mapping = field(default_factory=dict)
    counters: Counters = Counters()
    own_disks: frozenset = frozenset()
    not_modelled: Callable = dict
    guest_tools: Optional[Mapping] = None
    birth: Optional[str] = None
    reserved: frozenset = frozenset()
    backups: Sequence = ()
    revision: Optional[str] = field(default=None, compare=False, repr=False)
    generation: Optional[str] = field(default=None, compare=False, repr=False)

    @property
    def on(self):
        return self.power in ON

    @property
    def owned(self):
        """True if the mark belongs to this VM; clones and imports made by users have the mark of another VM.

        It records settings. Whether this collection has created the VM is another question: ``created``.
        """
        return is_mark_of(self.mark, self.id, self.birth)

    @property
    def created(self):
        """True if this collection has created the VM, or is doing so."""
        return self.owned and records_creation(self.mark)

    @property
    def identity(self):
        """What no other VM can have: the birth where a VM can get the id of one that was deleted, else the id."""
        return self.id if self.birth is None else self.birth

    @property
    def is_proven(self):
        """True if the mark is of this very VM, not only of one that had the same id."""
        return self.owned and (self.birth is None or BIRTH in self.mark)

    def having(self, **changes):
        return replace(self, **changes)

    @classmethod
    def absent(cls, name):
        return cls(name=name, power=ABSENT)


class SnapshotRequest(Frozen):
    """``state`` is present, absent or restored; ``power`` is "snapshot" (end in the snapshot's power state) or "keep".

    ``include_memory`` None and empty ``kind``: the platform decides. ``keep_last``: how many of a series to keep.
    ``expires`` is an Expiry of leases.py; None leaves it as it is.
    """

    name: str
    state: str = "present"
    description: Optional[str] = None
    include_memory: Optional[bool] = None
    kind: str = ""
    children: bool = False
    keep_last: Optional[int] = None
    expires: Optional[str] = None
    power: str = "snapshot"

    @property
    def options_used_to_take(self):
        """The options that are set, but have an effect only when the snapshot is taken."""
        given = {"description": self.description, "include_memory": self.include_memory, "kind": self.kind or None}
        return [option for option, value in given.items() if value is not None]


class Comparison(Frozen):
    """Which two snapshots of a VM to compare, by name or id; ``after`` None is the current VM.

    ``content``: also compare the files on its disks; ``text``: also return a diff of each text file.
    """

    before: str
    after: Optional[str] = None
    content: bool = False
    text: bool = False


class Policy(Frozen):
    """Options that control how changes are made. ``stop_mode`` None: the most graceful mode of the platform.

    ``wait_detail`` is the port or the Page (guest_conditions.py) that ``wait_for`` names. ``at_start`` are arguments of
    the last start of the task, which is a cold start. ``controller_time`` is in seconds since 1970.
    """

    stop_mode: Optional[str] = None
    stop_timeout: Optional[int] = None
    timeout: int = 300
    wait_for: str = "state"
    wait_detail: Any = None
    allow_restart: bool = False
    allow_recreate: bool = False
    delete_disks: str = "owned"
    purge: frozenset = frozenset()
    on_failure: str = "rollback"
    extend: bool = False
    expired_for: Optional[int] = None
    limits: Mapping = field(default_factory=dict)
    controller_time: Optional[int] = None
    adopt: bool = False
    at_start: Mapping = field(default_factory=dict)

    @property
    def awaited(self):
        """The condition to wait for, as messages name it."""
        return described(self.wait_for, self.wait_detail)

    @property
    def services(self):
        """What to request of the guest, by its ports (``services`` of guest_conditions.py)."""
        return services(self.wait_for, self.wait_detail)


class Request(Frozen):
    """The desired state of one VM. ``config`` and ``creation`` contain only options that the task sets.

    In lists of entries, such as disks, None means that the entry must be removed.
    A key such as ``#0`` is a position, not a name.
    """

    name: Optional[str] = None
    id: Optional[str] = None
    state: str = "present"
    config: Mapping = field(default_factory=dict)
    creation: Mapping = field(default_factory=dict)
    snapshot: Optional[SnapshotRequest] = None
    #: A BackupRequest of backup.py, or None.
    backup: Any = None
    policy: Policy = Policy()

    @property
    def label(self):
        return self.name or self.id

    def awaits(self, vm):
        """Return whether the task waits for the guest of ``vm``; with present, only if the VM runs anyway."""
        is_left_off = self.snapshot is None and self.state == "present" and vm.power != RUNNING
        return self.policy.wait_for != "state" and not is_left_off

    def target(self):
        """Return the state to confirm at the end: without actions that are done only once (restart, restore)."""
        state = "started" if self.state == "restarted" else self.state
        kept = {name: getattr(self, name) for name in ("snapshot", "backup")}
        once = dict.fromkeys(name for name, one in kept.items() if one is not None and one.state == "restored")
        if self.backup is not None and self.backup.max_age == 0:
            once["backup"] = replace(self.backup, max_age=1)  # That of this task, which is as old as the task.
        return replace(self, state=state, **once)


#: Written before the class, which has a field with the name of the function.
_BESIDE = field(default_factory=dict, compare=False, repr=False)


class Change(Frozen):
    """One difference. ``attribute`` None: the whole entry is added (``old`` is None) or removed (``new`` is None).

    ``beside`` are all values requested for the same VM or the same entry: the cost may depend on them. ``shown`` is the
    option that names the setting in messages, if that is a shorter one: ``iso`` for the first optical drive.
    """

    field: str
    old: Any
    new: Any
    key: Optional[str] = None
    attribute: Optional[str] = None
    cost: str = LIVE
    beside: Mapping = _BESIDE
    shown: str = ""

    @property
    def path(self):
        return self.shown or ".".join(part for part in (self.field, self.key, self.attribute) if part)

    @property
    def kind(self):
        """The key of this change in ``Traits.fields``: cpus, disks.size, disks.add, disks.remove, native ..."""
        if self.field in COLLECTIONS and self.attribute is None:
            return f"{self.field}.{'add' if self.old is None else 'remove'}"
        return f"{self.field}.{self.attribute}" if self.attribute else self.field


class Step(Frozen):
    """One step of a plan. ``also`` are texts about side effects; ``note`` is a text for the result."""

    verb: str
    changes: Sequence[Change] = ()
    arguments: Mapping = field(default_factory=dict)
    cost: str = LIVE
    also: Sequence[str] = ()
    note: str = ""


class Refusal(Frozen, eq=False):
    """Why nothing is changed. ``kind`` is refused, unsupported or not_found."""

    message: str
    remedy: str = ""
    kind: str = "refused"

    def __str__(self):
        return f"{self.message} {self.remedy}".strip()


class Plan(Frozen):
    """Steps in ``segments``; after each, the result must be observed. ``busy``: why to observe and plan again later."""

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


class Observation(Frozen, eq=False):
    """The result of an observation: the requested VMs that exist, all names on the platform, and errors."""

    vms: Sequence[Vm] = ()
    known: Sequence[str] = ()
    errors: Mapping = field(default_factory=dict)
    warnings: Sequence[str] = ()


class Target(Frozen):
    """Which VM to observe: by ``id`` if it is set, else by ``name``."""

    name: Optional[str] = None
    id: Optional[str] = None

    @property
    def key(self):
        """The id if it is set, else the name; the VMs that the target selects have the same."""
        return ("id", self.id) if self.id else ("name", self.name)


class Field(Frozen, eq=False):
    """What a platform supports for one field, as data.

    ``cost`` is one of COSTS or a pure function of (vm, change). ``same`` compares the found with the requested value
    if ``==`` is too strict. ``readable`` False, or a pure function of the change that returns it: the value
    cannot be read back and is reported as not compared.
    ``unset``: the value that means "not set", if that is not empty.
    ``free_before_creation``: any value is allowed while the VM has no id. ``while_on``: the remedy for a VM that is on,
    if a restart does not help because the VM stays off after the change. ``least`` is {power state: least cost
    in it}: a suspended VM may be locked, or goes on as it was saved. ``saves``: it saves the content of the VM, so a
    deletion carries it out first.
    """

    cost: Any = NEXT_BOOT
    readable: Any = True
    choices: Optional[Sequence] = None
    minimum: Optional[int] = None
    maximum: Optional[int] = None
    same: Callable = lambda found, asked: found == asked
    instead: str = ""
    free_before_creation: bool = False
    unset: Any = None
    while_on: str = ""
    least: Mapping[str, str] = field(default_factory=dict)
    saves: bool = False

    def can_compare(self, change):
        return self.readable(change) if callable(self.readable) else self.readable

    def cost_of(self, vm, change):
        cost = self.cost(vm, change) if callable(self.cost) else self.cost
        return max(cost, self.least.get(vm.power, LIVE), key=COSTS.index)


class Traits(Frozen, eq=False):
    """What a platform of this version on this host supports. ``fields``: by Change.kind and by creation input.

    ``restored_as``: {power state of a snapshot: power state of the VM after its restore}, where they differ: VirtualBox
    and Hyper-V leave a VM suspended that was running. ``power_after_create``: Vagrant starts the VMs that it creates.
    ``inherited`` returns the settings that a new VM has from its creation options, such as a template.
    ``cloned_with``: settings passed to the clone operation, such as the node; others are changed afterwards.
    ``source_near``: of several sources with one name, the one is cloned that has the same of these settings.
    ``not_cloned``: settings that a clone does not copy, because two VMs cannot share them.
    ``instead_of_image``: settings that name what a VM is created from, like its image; if one changes, the image is
    forgotten.
    ``linked_format``: the format of a disk with a backing file, if the platform reports formats. ``taken_as`` returns
    (kind, power) of the snapshot that a request takes. ``lanes_at_once``: lanes to process in parallel, to hide latency
    without overloading the platform.
    ``harmless``: values of ``Vm.busy`` that do not change a running VM or its settings (a backup). If nothing is to be
    changed, the task does not wait until they end.
    ``synchronous_verbs``: complete when the driver returns, so the next step is sent together with them. The driver
    gets the VM as it was before the first of these steps.
    ``slot(n)``: the n-th slot of the default bus. ``slot_meant(text)``: the slot that a task means.
    ``leads_bus(slot)``: whether it is the first one of its bus, where the operating system usually is.
    ``drive_slot(vm, config)``: the slot of the drive that ``iso`` in ``config`` adds; raises Refused if none is free.
    Without ``iso``, that of the empty one of a new VM, or None. A disk that the task removes is None.
    ``kept_as(before, after)``: how a VM with the settings ``before`` keeps them if it is created again with ``after``:
    {option: {slot of a drive: its slot, None: there is none}}, {option: None: it is not kept}; others as they are.
    ``deletes_answer_media``: the driver deletes the files that a step names as such (record/answer_media.py).
    ``folded`` returns what all spellings of a name or id have in common; on most platforms there is only one.
    ``unique_names``: no two VMs can have the same name. ``renames``: whether the task permits to rename a VM
    that its id selects; None: the platform cannot.
    ``name_fault`` and the like return why a name is not allowed. If ``id_fault`` is None, the platform chooses ids.
    ``copies_running``: the platform can make a full clone of a running VM. ``costs_may_recreate``: a cost of ``fields``
    that is a function may be DESTRUCTIVE.
    ``proven_by``: the setting that says who may have created a VM, where others than the user may write its record;
    empty elsewhere. ``is_seed(change)``: whether a change is data for cloud-init.
    ``console``: how to get the console of a VM, or a log of it; ``<name>`` and ``<id>`` stand for those of the VM.
    ``live_migration``: a task can move a running VM to another host. ``moving``: how a VM moves to another host.
    ``preparing``: what the preparation of a restore in place needs, as plans show it.
    ``as_options`` is the inverse of ``normalize``: the settings of a VM as a task would set them.
    ``suspended_counts_as_stopped``: ``state: stopped`` does not change a suspended VM, because it uses no memory.
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
    slot_meant: Callable[[str], str] = str
    leads_bus: Callable[[str], bool] = lambda slot: False
    drive_slot: Callable[[Vm, Mapping], Optional[str]] = lambda vm, config: None
    kept_as: Callable[[Mapping, Mapping], Mapping] = lambda before, after: {}
    deletes_answer_media: bool = False
    folded: Callable[[str], str] = str
    renames: Optional[bool] = None
    unique_names: bool = True
    name_fault: Callable[[str], Optional[str]] = lambda name: None
    id_fault: Optional[Callable[[str], Optional[str]]] = None
    snapshot_name_fault: Callable[[str], Optional[str]] = lambda name: None
    taken_as: Callable = lambda vm, asked: (asked.kind, vm.power)
    restored_as: Mapping[str, str] = field(default_factory=dict)
    power_after_create: str = STOPPED
    linked_format: Optional[str] = None
    cloned_with: frozenset = frozenset()
    source_near: frozenset = frozenset()
    not_cloned: frozenset = frozenset()
    instead_of_image: frozenset = frozenset()
    lanes_at_once: int = 4
    harmless: frozenset = frozenset()
    synchronous_verbs: frozenset = frozenset()
    suspended_counts_as_stopped: bool = False
    stop_timeout: int = STOP_TIMEOUT
    transient: Callable[[Exception], bool] = lambda error: False
    side_effects: Callable[[str, Vm, Sequence[Change]], Sequence[str]] = lambda verb, vm, changes: ()
    proven_by: str = ""
    is_seed: Callable[[Change], bool] = lambda change: False
    copies_running: bool = False
    costs_may_recreate: bool = False
    console: str = ""
    live_migration: bool = False
    moving: str = ""
    preparing: str = ""
    inherited: Callable[[Mapping], Mapping] = lambda creation: {}
    normalize: Callable = lambda vm, config: config
    as_options: Callable = lambda vm, config: config

    @cached_property
    def records(self):
        """Names of settings that are a dictionary, such as display; its attributes are compared one by one."""
        return {kind.partition(".")[0] for kind in self.fields if "." in kind} - {*COLLECTIONS}
