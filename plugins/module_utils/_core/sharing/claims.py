# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs hold and what plans claim: files, MACs, ports, addresses, names, devices, and who may use them together.

``_core/sharing/world.py`` compares them. Pure; a driver (HoldsClaims) identifies files and networks.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any, Optional

from ..errors import PolyvirtError
from ..frozen import Frozen, replace
from ..model import ABSENT, LIVE, ON, UNKNOWN, Plan, Step
from ..planner.contents import contents_of
from ..planner.drives import CDROMS, MEDIA, with_first_as_iso
from ..planner.plan_create import find_snapshot, known_settings
from ..planner.planned_steps import added_disks, planned
from ..planner.simulate import simulate

#: Kinds of claims.
FILE, MAC, PORT, ADDRESS, NAME, DEVICE = "file", "mac", "port", "address", "name", "device"
#: Modes of files that a VM holds: a disk, a disk that several VMs may have, a file that is only read, and a file below
#: a disk (backing file, data file). UNREADABLE: an image that cannot be read may use any file.
WRITE, SHARED, READ, BASE, UNREADABLE = "write", "shared", "read", "base", "unreadable"
#: Modes of files only while a plan is carried out. MOVE: the file has another path from then on.
COPY, GROW, RESTORE, SNAPSHOT, MERGE, DELETE, MOVE = "copy", "grow", "restore", "snapshot", "merge", "delete", "move"
#: The option of files that only snapshots of a VM need; it may be followed by a name.
SNAPSHOTS = "snapshots"
#: The option of files that a disk file needs which no VM has.
WITHOUT_VM = "without_vm"
#: The option of the files of the backups from which a plan deletes some.
BACKUPS = "backups"
#: The mode in ``HoldsClaims.step_files`` of a file that the step creates; it is a claim with the mode WRITE.
NEW = "new"
#: In ``wanted`` of ``HoldsClaims.held``: a VM is started, or its disks are written, so what it holds already matters.
OWN = "own"


class Claim(Frozen):
    """One claim. ``identity`` is what must not be used twice: a file's identity, a MAC, (protocol, port), a name,
    or a device of the host.

    ``option`` is the entry that claims it, such as ``disks.vda``, ``attribute`` its suboption, ``text`` the value as
    the user wrote it. ``where`` is the network of a MAC (None: a network of its own), or the address of a port.
    ``source`` is the owner of a clone's source; ``while_on``: it may run while it is copied; ``is_inherited``: the
    source has the file below its own disks, whichever VM writes to it while that is off. ``is_new``: a file that
    does not exist yet. ``is_reserved``: a port that no other VM can have, on or off, or a MAC that none can have on any
    network. ``remedy`` replaces the remedy for a plan that is rejected because of a held claim. ``part_of``: the file
    with which a deletion destroys this one: the platform has put it on top of that file, such as for a snapshot.
    """

    kind: str
    identity: Hashable
    mode: str = ""
    option: str = ""
    text: str = ""
    attribute: str = ""
    where: Hashable = None
    source: Hashable = None
    while_on: bool = False
    is_inherited: bool = False
    is_new: bool = False
    is_reserved: bool = False
    remedy: str = ""
    part_of: Hashable = None

    @property
    def key(self):
        return self.kind, self.identity, self.mode, self.where, self.option

    @property
    def path(self):
        return ".".join(filter(None, (self.option, self.attribute)))


class Held(Frozen):
    """What one VM holds. ``owner_id`` is its id, or its name if it has none yet; an image without a VM has its path.

    ``also`` is a second owner: the name of a VM that is not complete, because a plan that completes it creates it.
    """

    owner_id: Hashable
    name: str
    power: str = ABSENT
    claims: Sequence[Claim] = ()
    also: Hashable = None

    @property
    def on(self):
        """Whether the VM may use its files: in an unknown power state, it may run."""
        return self.power in ON or self.power == UNKNOWN


class HoldsClaims:
    """How a platform identifies what VMs share, and what they hold; ``claims`` of a driver is one.

    ``lists_all``: ``held`` returns what all VMs hold; if not, the settings of the task's own VMs are added. ``place``,
    as (machine, instance), is set if the VMs of a task are at several places. ``unused_remedy``: how disk files that no
    VM has are deleted. ``unread`` of losses.py: the sources of need that are not read in full.
    """

    lists_all: bool = True
    unused_remedy: str = "Delete these files first"
    place: Optional[tuple] = None

    @cached_property
    def warnings(self) -> list:
        """What ``held`` could not read, and what does not matter enough to reject a plan; sentences."""
        return []

    def warn(self, text: str):
        self.warnings += [] if text in self.warnings else [text]

    def read_place(self) -> tuple:
        """Return (machine, instance) as the host itself reports them, however the task writes the connection."""
        raise NotImplementedError

    def held(self, wanted: Sequence[Claim]) -> Sequence[Held]:
        """Return what all VMs hold, unfinished ones too, by the cheapest listing that answers ``wanted``.

        ``wanted`` are the claims of the task's plans, or of what else loses files. If one is a loss (``LOSSES``), all
        sources of need are read (``SOURCES`` in losses.py).
        """
        raise NotImplementedError

    def held_now(self, wanted: Sequence[Claim]) -> Sequence[Held]:
        """Return ``held``, read again: this task has locked the files ``wanted``, to attach them or to lose them."""
        raise NotImplementedError

    def takes_now(self, plan: Plan, step: Step) -> Sequence[str]:
        """Return ``takes`` as the last ``held_now`` has read it."""
        raise NotImplementedError

    def folders_of_disks(self, held: Sequence[Held]) -> set:
        """Return the directories with disk files of VMs, by their paths (those of network disks are others)."""
        claims = [claim for one in held for claim in one.claims if claim.option.startswith("disks.")]
        return {claim.text.rpartition("/")[0] for claim in claims if claim.text.startswith("/")}

    def stray_disks(self, paths: Sequence[str], held: Sequence[Held]) -> Sequence[Held]:
        """Return the Held of each of the disk files ``paths`` that no VM uses: it needs the files below it."""
        used = {claim.identity for one in held for claim in one.claims}
        unused = {path: self.file(path, WRITE, WITHOUT_VM)[1:] for path in paths if self.identity(path) not in used}
        return [Held(self.owner_id(path), path, claims=tuple(claims)) for path, claims in unused.items()]

    def file_identity(self, path: str) -> Hashable:
        """Return the identity of a file, volume or device, the same for all spellings; None: it is not a file."""
        raise NotImplementedError

    def chain(self, path: str) -> Sequence[str]:
        """Return the backing and data files below an image."""
        return ()

    def new_disk(self, plan: Plan, step: Step, slot: str, disk) -> Optional[str]:
        """Return the path of the file that a step creates for a disk; None: the platform names it."""
        return None

    def new_seed(self, plan: Plan, step: Step) -> Optional[str]:
        """Return the path of the cloud-init seed ISO that a step creates."""
        return None

    def step_files(self, plan: Plan, step: Step) -> Sequence[tuple]:
        """Return (mode, option, path) of what the settings of a step do not name: NEW files, MERGE, SNAPSHOT ..."""
        disks = [(slot, disk) for slot, disk in added_disks(step).items() if not disk.get("source")]
        found = [(f"disks.{slot}", self.new_disk(plan, step, slot, disk)) for slot, disk in disks]
        if (step.arguments.get("creation") or {}).get("cloud_init") is not None:
            found.append(("cloud_init", self.new_seed(plan, step)))
        return [(NEW, option, path) for option, path in found if path]

    def takes(self, plan: Plan, step: Step) -> Sequence[str]:
        """Return the files that a step deletes and its arguments do not list, such as those that another program
        deletes with its call."""
        return ()

    def stored(self, plan: Plan, step: Step) -> Sequence[Claim]:
        """Return what the definition that a step would store claims, and its settings do not name (``native``)."""
        return ()

    def network(self, nic) -> Hashable:
        """Return what identifies the network of an entry of ``networks``; None: no other VM is on it."""
        return (nic.get("type"), nic["source"]) if nic.get("source") else None

    def observed(self, vm) -> Held:
        """Return what a VM holds by its settings, those of the running VM too."""
        configs = (vm.config, vm.active or {})
        claims = {claim.key: claim for config in configs for claim in claims_of_config(config, self)}
        return Held(self.owner_id(vm.id or vm.name), vm.name, vm.power, tuple(claims.values()))

    # With the place ----------------------------------------------------------------------------------------------

    def owner_id(self, own: Hashable) -> Hashable:
        """Return the owner of claims; ``own`` is the id of a VM, its name if it has none yet, or a path."""
        return own if self.place is None else (self.place, own)

    def identity(self, path: str) -> Hashable:
        """Return ``file_identity`` with the machine."""
        found = self.file_identity(path)
        return found if found is None else (self.place and self.place[0], found)

    def file(
        self, path: str, mode: str, option: str, attribute: str = "", is_raw: bool = False, **details: Any
    ) -> Sequence[Claim]:
        """Return the claims of a file: itself, and the files below it if a VM uses it as a disk or base.

        ``is_raw``: there are none, whatever its guest has written to it. If they cannot be read, any file may be one.
        """
        found, unreadable = [(path, mode)], []
        if mode in (WRITE, SHARED, BASE) and not is_raw:
            try:
                found += [(below, BASE) for below in self.chain(path)]
            except PolyvirtError as error:
                unreadable = [Claim(FILE, UNREADABLE, UNREADABLE, option, error.message, remedy=error.remedy or "")]
        known = [(one, how, self.identity(one)) for one, how in found]
        return [
            *(
                Claim(FILE, identity, how, option, str(one), attribute, **details)
                for one, how, identity in known
                if identity is not None
            ),
            *unreadable,
        ]

    def disk(self, disk, mode: str, option: str, attribute: str = "source", **details: Any) -> Sequence[Claim]:
        """Return the claims of an entry of ``disks``, if it names a file."""
        path, is_raw = disk.get("source"), disk.get("format") == "raw"
        return self.file(path, mode, option, attribute, is_raw, **details) if path else []

    def nic(self, nic, option: str) -> Sequence[Claim]:
        """Return the claims of an entry of ``networks``: its MAC, and its address on its network."""
        network = self.network(nic)
        where = network and (self.place, network)
        mac, address = nic.get("mac"), nic.get("address")
        found = [Claim(MAC, mac.lower(), "", option, mac, "mac", where)] if mac else []
        return [
            *found,
            *([Claim(ADDRESS, address, "", option, address, "address", where)] if address and where else []),
        ]

    def forward(self, rule, option: str) -> Sequence[Claim]:
        """Return the claim of an entry of ``port_forwards``."""
        port, address = rule.get("host_port"), rule.get("host_address") or ""
        identity = (self.place and self.place[0], rule.get("protocol") or "tcp", port)
        return [Claim(PORT, identity, "", option, str(port), "host_port", address)] if port else []

    def device(self, device, option: str) -> Sequence[Claim]:
        """Return the claims of an entry of ``devices``; none if the platform itself checks who uses it."""
        return []


# What settings claim --------------------------------------------------------------------------------------------------


def claims_of_config(config, driver):
    """Return the claims of the settings in ``config``."""
    config = with_first_as_iso(config)
    return [claim for field, key in _entries(config) for claim in _claims_of_entry(config, field, key, driver)]


def _entries(config):
    """Yield (field, key) of all entries that can claim something; the key of a field with one value is None."""
    for field, attributes in _CLAIMING.items():
        if attributes is None:
            yield field, None
        else:
            yield from ((field, key) for key in config.get(field) or {})


def _entry(config, field, key):
    return config.get(field) if key is None else (config.get(field) or {}).get(key)


def _claiming_part(config, field, key):
    entry, attributes = _entry(config, field, key), _CLAIMING[field]
    return {name: entry.get(name) for name in attributes} if entry and attributes else entry


def _claims_of_entry(config, field, key, driver):
    entry = _entry(config, field, key)
    return list(_OF_FIELD[field](entry, _option(field, key), driver)) if entry else []


def _option(field, key):
    return field if key is None else f"{field}.{key}"


_OF_FIELD = {
    "disks": lambda disk, option, driver: driver.disk(disk, WRITE, option),
    "iso": lambda path, option, driver: driver.file(path, READ, option),
    CDROMS: lambda drive, option, driver: driver.file(drive["source"], READ, option) if drive.get("source") else [],
    "networks": lambda nic, option, driver: driver.nic(nic, option),
    "port_forwards": lambda rule, option, driver: driver.forward(rule, option),
    "devices": lambda device, option, driver: driver.device(device, option),
}
#: The suboptions of a change that can add a claim; None as a suboption: the whole entry.
_CLAIMING = {
    "disks": (None, "source"),
    "iso": None,
    CDROMS: (None, "source"),
    "networks": (None, "mac", "type", "source", "vlan", "address"),
    "port_forwards": (None, "protocol", "host_address", "host_port"),
    "devices": (None,),
}


def is_claiming(change):
    """Return whether a change of a setting can claim something."""
    return change.field in _CLAIMING and (
        _CLAIMING[change.field] is None or change.attribute in _CLAIMING[change.field]
    )


# What plans claim -----------------------------------------------------------------------------------------------------


def claims_of_steps(plan, own, driver, source=None, copies_running=False):
    """Return [(step, claims only while it is carried out, claims of the VM after it)].

    ``own`` are the claims that the VM holds before, ``source`` is the Held of a clone's source.
    """
    found, after, vm = [], list(own), plan.before
    for one in planned(plan):
        before, vm = vm, simulate(vm, [one.step])
        more, after = _OF_VERB.get(one.step.verb, _of_others)(_Moment(one.step, before, vm, driver), after)
        files = [_claim_of_step(*file, driver) for file in driver.step_files(plan, one.step)]
        files += [Claim(FILE, driver.identity(path), DELETE, "", path) for path in driver.takes(plan, one.step)]
        files = [claim for claim in files if claim.identity is not None]
        if one.step.verb == "clone" and source is not None:
            files += _of_source(one.step, source, driver, copies_running)
        during = [*more, *(claim for claim in files if claim.mode not in (WRITE, BASE))]
        after = [*after, *(claim for claim in files if claim.mode in (WRITE, BASE)), *driver.stored(plan, one.step)]
        found.append((one.step, during, after))
    return found


class _Moment(Frozen):
    """A step, and the VM before and after it."""

    step: Any
    before: Any
    vm: Any
    driver: Any


def _claim_of_step(mode, option, path, driver):
    is_new = mode == NEW
    return Claim(FILE, driver.identity(path), WRITE if is_new else mode, option, str(path), is_new=is_new)


def _of_create(moment, after):
    """Return the claims of a new VM. Of an unfinished or deleted one, only what its disks need remains."""
    after = [claim for claim in after if claim.mode == BASE]
    after += claims_of_config(known_settings(moment.step.arguments["config"]), moment.driver)
    creation = moment.step.arguments["creation"]
    appliance, image = contents_of(creation, ""), creation.get("image") or {}
    if image.get("linked") and image.get("source"):
        return [], [*after, *moment.driver.file(image["source"], BASE, "image", "source")]
    if (creation.get("appliance") or {}).get("keep_macs"):
        after = [replace(claim, is_reserved=True) if claim.kind == MAC else claim for claim in after]
    option = "image" if image else "appliance"
    paths = dict.fromkeys(one["source"] for one in appliance.values() if one.get("source"))
    return [claim for path in paths for claim in moment.driver.file(path, COPY, option, "source")], after


def _of_source(step, source, driver, copies_running):
    """Return the claims of a clone on the files of its source, or of its snapshot; then the source may go on running.

    A source that the task itself creates is no special case: ``source`` is what it holds when it is cloned.
    """
    asked = step.arguments["creation"]["clone"]
    mode = BASE if asked.get("linked") else COPY
    details = {"option": "clone", "attribute": "source", "source": source.owner_id}
    taken = find_snapshot(step.arguments["source"], asked.get("snapshot")) if step.arguments["source"] else None
    if taken is not None:
        disks = ((taken.config or {}).get("disks") or {}).values()
        return [claim for disk in disks for claim in driver.disk(disk, mode, while_on=True, **details)]
    wanted = {WRITE: BASE, BASE: BASE} if mode == BASE else {WRITE: COPY}
    details.update(is_new=False, while_on=copies_running and mode == COPY)
    return [
        replace(claim, **details, mode=wanted[claim.mode], is_inherited=claim.mode == BASE)
        for claim in source.claims
        if claim.kind == FILE and claim.mode in wanted and claim.option.startswith("disks.")
    ]


def _of_configure(moment, after):
    during = []
    for change in moment.step.changes:
        option = _option(change.field, change.key)
        if change.kind == "disks.size":
            mine = [claim for claim in after if claim.option == option and claim.mode in (WRITE, SHARED)]
            during += [replace(claim, mode=GROW, attribute="size") for claim in mine]
        elif change.field in MEDIA:
            continue  # The first drive can be another one after them: together, below.
        elif is_claiming(change) or change.attribute is None:
            # A running VM uses what it has until its next start.
            remains = moment.before.on and change.cost != LIVE and not _moves(change, moment.vm)
            # A disk that is detached is kept, and still needs the files below it.
            needed = (BASE,) if change.kind == "disks.remove" else ()
            after = [claim for claim in after if claim.option != option or remains or claim.mode in needed]
            if change.field in _CLAIMING:
                after += _claims_of_entry(moment.vm.config, change.field, change.key, moment.driver)
    return during, _with_media(moment, after)


def _moves(change, vm):
    """Return whether another NIC has the MAC of a removed one at the next start, so that the VM holds it there."""
    macs = {nic.get("mac") for nic in (vm.config.get("networks") or {}).values()} - {None}
    return change.kind == "networks.remove" and change.old.get("mac") in macs


def _with_media(moment, after):
    """Return ``after`` with the images of all optical drives, if a change concerns one."""
    changes = [change for change in moment.step.changes if change.field in MEDIA]
    if not changes:
        return after
    remains = moment.before.on and any(change.cost != LIVE for change in changes)
    kept = [claim for claim in after if remains or claim.option.partition(".")[0] not in MEDIA]
    images = {field: one for field, one in moment.vm.config.items() if field in MEDIA}
    return [*kept, *claims_of_config(images, moment.driver)]


def _of_delete(moment, after):
    """The files go. A disk that is kept still needs the files below it."""
    paths = moment.step.arguments.get("files", ())
    deleted = {path: moment.driver.identity(path) for path in paths}
    about = BACKUPS if moment.step.verb == "drop_backup" else ""
    during = [Claim(FILE, identity, DELETE, about, path) for path, identity in deleted.items() if identity is not None]
    kept = kept_disks(after, deleted.values())
    return during, [claim for claim in after if claim.mode == BASE and claim.option in kept]


def kept_disks(own, deleted):
    """Return {option: path} of disks that a deletion of these identities keeps; what it destroys anyway needs none."""
    kept = [claim for claim in own if claim.mode == WRITE and claim.identity not in deleted]
    return {claim.option: claim.text for claim in kept if claim.part_of is None or claim.part_of not in deleted}


def _of_restore(moment, after):
    """The disks are written. If an entry had other values in the snapshot, these are claimed."""
    mine = [claim for claim in after if claim.kind == FILE and claim.mode == WRITE]
    after = _of_other_settings(moment, after)
    return [replace(claim, mode=RESTORE, option=SNAPSHOTS, attribute="") for claim in mine], after


def _of_backup(moment, after):
    return [], _of_other_settings(moment, after)


def _of_other_settings(moment, after):
    before, restored = (with_first_as_iso(vm.config) for vm in (moment.before, moment.vm))
    for field, key in sorted({*_entries(before), *_entries(restored)}, key=str):
        if _claiming_part(before, field, key) != _claiming_part(restored, field, key):
            after = [claim for claim in after if claim.option != _option(field, key)]
            after += _claims_of_entry(restored, field, key, moment.driver)
    return after


def _of_others(moment, after):
    return [], after


_OF_VERB = {
    "create": _of_create, "clone": _of_create, "configure": _of_configure, "delete": _of_delete, "restore": _of_restore,
    "create_from_backup": _of_backup, "restore_backup": _of_backup,
    **dict.fromkeys(("finish_restore", "drop_backup"), lambda moment, after: (_of_delete(moment, after)[0], after)),
}  # fmt: skip
