# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: read all VMs of an observation, with all their settings, in one request."""

from __future__ import annotations

from ..._core.errors import Unavailable
from ..._core.model import Observation
from ..._core.options.identity import spellings
from ..._kit.driver import KnownSettings, is_power_only
from ..._media.prepared import NO_PROMPT
from ..._ports.windows import OnWindows
from ..._ports.windows_request import Chain, Ref, pick, properties
from ..._tools.hyperv import (
    DESCRIBED,
    MODULE,
    NEEDED,
    PARTS,
    cannot_be_read,
    controllers_chain,
    host_chain,
    is_gone,
    not_listed,
    power_chain,
    read_disks,
    read_vms,
    state_of,
    vhd_call,
    vms_chain,
)
from ..._tools.windows_files import file_command, is_root, key_of
from .hyperv_vm import DISK_FILES, Found, Host, files_of, observed_vm, power_of_vm
from .mark import is_temporary, mark_of, temporary_name
from .settings.disks import slot_name, undescribed_disks
from .settings.native import NATIVE, NOT_SET, STATUS, described_native, native_properties, undescribed
from .settings.networks import undescribed_nics, without_dynamic_macs
from .traits import hyperv_traits

#: How often the VMs are read again if some of them are deleted meanwhile.
_TRIES = 3
#: The name of the chain that reads all VMs.
_ALL = "all"
#: Levels of directories below a known one that are searched for disk files.
_LEVELS = 3
#: Seconds after which Hyper-V certainly has begun to merge the files of deleted checkpoints, if it will.
_MERGE_BEGINS = 20
_NO_ROLE = "Install the module: Install-WindowsFeature Hyper-V-PowerShell, or on clients the feature Hyper-V."


def make_observer(params):
    """Return the observer for the parameters of an info module."""
    described = NATIVE if params.get("describe") else ()
    return HyperVObserver(params, native_keys=(*STATUS, *described) if "facets" in params or described else ())


class HyperVObserver(OnWindows):
    """Hyper-V on one host, for one task. ``options`` are those of the task."""

    def __init__(self, options, native_keys=()):
        self.options, self._native_keys = options, tuple(native_keys)
        self._settings, self._warnings = KnownSettings(), []
        #: The last observation with settings, and the Host; plans are based on them.
        self.found, self.host, self.has_all = Found(), None, False
        #: {disk file that could not be read: whether it exists}, and {id of a VM: when its files were first seen
        #: unmerged while Hyper-V did nothing about it}.
        self._exists, self._idle_since = {}, {}
        #: {key of an image in a DVD drive: the ISO image that it was prepared from, or itself}
        self._media = {}

    def traits(self):
        return hyperv_traits(self)

    def slot(self, index):
        """Return the slot of disk number ``index`` if the task sets none; it depends on the generation of the VMs."""
        firmware = self.options.get("firmware")
        if firmware is None and self.found.vms:
            return slot_name(index, all(raw.get("Generation") == 1 for raw in self.found.vms.values()))
        return slot_name(index, firmware == "bios")

    def observe(self, targets, facets):
        if is_power_only(targets, facets):
            return self._observe_power(targets)
        found = self.read(None if "files" in facets else targets)
        self.has_all = targets is None or "files" in facets
        found.lost, found.unmerged = self._lost_files(found), self._unmerged(found)
        self._media = found.media = self._media_of(found)
        self.found.lost, self.found.unmerged, self.found.media = found.lost, found.unmerged, found.media
        self.found.machine = found.machine
        selected = list(self._select(found, targets, "unfinished" in facets))
        vms = [observed_vm(found, raw, self._native_keys, name, vm_id) for raw, name, vm_id in selected]
        if "native" in facets:
            self._read_controllers([raw for raw, _name, _id in selected])
            vms = [_to_describe(vm, raw, found) for vm, (raw, _name, _id) in zip(vms, selected)]
        if "files" in facets:
            vms = [vm.having(files=files_of(found, raw)) for vm, (raw, _name, _id) in zip(vms, selected)]
        self._check_sees_all(targets, vms)
        if targets is not None:
            self._warnings += [f"{vm.name}: {vm.reason}." for vm in vms if vm.reported]
        self._settings.remember(vms)
        self.found.known = found.known
        self.found.add(found.known, list(found.vms.values()), found.all_snapshots(), list(found.disks.values()))
        return Observation(vms=vms, known=found.names(), warnings=tuple(self._warnings))

    def _check_sees_all(self, targets, vms):
        """Raise Unavailable if a requested VM is not listed and may exist: Hyper-V lists what the user may see."""
        rights = [self.about.get(name) for name in ("elevated", "hyperv_administrator")]
        if any(right is not False for right in rights):
            return
        seen = {one.casefold() for vm in vms for one in filter(None, (vm.name, vm.id))}
        unseen = [one.name or one.id for one in targets or () if (one.id or one.name).casefold() not in seen]
        if unseen:
            raise not_listed(self.about.get("user"), unseen)
        if targets is None:
            self._warnings.append(f"{not_listed(self.about.get('user')).message} Other VMs may exist.")

    def _lost_files(self, found):
        """Return the keys of the disk files that do not exist: Get-VHD also fails for other reasons."""
        unknown = [path for path in found.unread() if path not in self._exists]
        if unknown:
            (result,) = self.send([Chain("lost", (file_command("Test-Path", unknown, show=properties("Length")),))])
            self._exists.update(zip(unknown, result.answers[0].objects))
        return frozenset(key_of(path) for path, exists in self._exists.items() if not exists)

    def _media_of(self, found):
        """Return the known media with those of the DVD drives that were prepared without the prompt of Windows."""
        new = [path for path in found.media_paths() if NO_PROMPT in path.lower() and key_of(path) not in self._media]
        if not new:
            return self._media
        # Few VMs have such an image.
        from ..._media.windows.medium import media_behind

        behind = media_behind(self, new)
        return {**self._media, **{key_of(path): behind.get(path, path) for path in new}}

    def _read_controllers(self, vms):
        """Add {"Controllers": numbers of its SCSI controllers} to raw VMs; None: they could not be read."""
        results = self.send([controllers_chain(raw["Id"]) for raw in vms]) if vms else ()
        for raw, result in zip(vms, results):
            numbers = [one["ControllerNumber"] for one in result.answers[-1].objects]
            raw["Controllers"] = None if result.error else numbers

    def _unmerged(self, found):
        """Return the ids of VMs with files of deleted checkpoints for which no merge has begun in time."""
        idle = {one for one, raw in found.vms.items() if found.has_unmerged_files(raw) and not _is_working(raw)}
        now = self.windows.clock.now()
        self._idle_since = {one: self._idle_since.get(one, now) for one in idle}
        return frozenset(one for one, since in self._idle_since.items() if now - since >= _MERGE_BEGINS)

    def read(self, targets=None):
        """Read the VMs now, and return them as Found: all, or those of ``targets``."""
        earlier = {}
        for _try in range(_TRIES):
            chains = [*([] if self.host else [host_chain()]), *self.chains_of(targets, self.expected_calls(targets))]
            results = self.send(chains, about=not self.host)
            if not self.host:
                self.host = _host(results.pop(0), self.about)
            self.take_expected(results[0].answers[PARTS:] if targets is not None else ())
            found = self.found_by(results)
            if found.is_complete():
                self._warn_of_deleted(raw for vm_id, raw in earlier.items() if vm_id not in found.vms)
                return found
            earlier = found.vms
        raise Unavailable("VMs were deleted each time they were read.", "not_responding", "Run the task again.")

    def chains_of(self, targets, then=()):
        """Return the chains that read VMs: all, or those of ``targets``. ``then`` are added to the first chain."""
        keys = [key for key in self._native_keys if "." in key]
        describes = set(NATIVE) <= set(keys)
        native, more = native_properties([*keys, *(NOT_SET if describes else ())]), DESCRIBED if describes else None
        chains = enumerate(_conditions_of(targets).items())
        return [vms_chain(name, where, native, () if index else then, more) for index, (name, where) in chains]

    def expected_calls(self, targets):
        """Return calls to send together with those that read ``targets``; the driver overrides this."""
        return ()

    def take_expected(self, answers):
        """Receive the answers to ``expected_calls``; those of calls that were not carried out are missing."""

    def found_by(self, results):
        """Return the answers to ``chains_of`` as Found."""
        found = Found(switches=self.host.switches, machine=self.host.machine) if self.host else Found()
        for result in results:
            answers = result.answers if result.name == _ALL else result.answers[:PARTS]
            self._check(answers[0])
            check_parts(answers)
            self._warn_of_deleted(one for one in answers[1].objects if is_gone(one))
            found.add(*read_vms(answers))
        return found

    def _warn_of_deleted(self, vms):
        self._warnings += [f"{one.get('Name', one.get('Id'))}: the VM was deleted while it was read." for one in vms]

    def send(self, chains, about=False):
        """Send chains of calls, and return their Results. Raises Unavailable."""
        try:
            return self.windows.call(chains, modules=[MODULE], about=about)
        except Unavailable as error:
            remedy = _NO_ROLE if error.why == "missing" else error.remedy
            raise Unavailable(error.message, error.why, remedy) from error

    def host_facts(self):
        """Return further keys of ``host`` for the info module."""
        about = (self.windows.about if self._windows else None) or {}
        build = about.get("build")
        return {"version": f"10.0.{build}" if build else None}

    def _check(self, answer):
        if answer.error is not None:
            raise cannot_be_read(answer.error)

    def _observe_power(self, targets):
        ids = {target.id.lower(): target.id for target in targets}
        vms = []
        for raw in self.read_power(targets):
            if is_gone(raw):
                continue
            vm_id = ids[raw["Id"].lower()]
            name = next((one.name for one in targets if one.id == vm_id and one.name), raw["Name"])
            vms.append(power_of_vm(raw, name, vm_id, self._settings.of(vm_id)))
        return Observation(vms=vms, known=self.found.names())

    def read_power(self, targets):
        """Return raw VMs with what can change while the task waits; all targets have an id."""
        (result,) = self.send([power_chain([target.id for target in targets])])
        self._check(result.answers[0])
        return result.answers[1].objects

    def _select(self, found, targets, with_unfinished):
        """Yield (raw VM, name, id or None) of the VMs to report. Name and id are as the task writes them."""
        named = spellings(targets, str.casefold)
        named_by_id = {target.id.lower(): target for target in targets or () if target.id}
        unfinished = {temporary_name(name): name for names in named.values() for name in names}
        for raw in found.vms.values():
            name, target = raw["Name"], named_by_id.get(raw["Id"].lower())
            vm_id = target.id if target else None
            if is_temporary(name):
                name = unfinished.get(name) or (mark_of(raw) or {}).get("name") or name
                if not with_unfinished or (targets is not None and raw["Name"] not in unfinished):
                    continue
            elif targets is not None and target is None and name.casefold() not in named:
                continue
            yield from ((raw, one, vm_id) for one in self._as_written(name, named, target))

    @staticmethod
    def _as_written(name, named, target):
        if target is not None and target.name and target.name.casefold() == name.casefold():
            return [target.name]
        return named.get(name.casefold(), [name])


def _to_describe(vm, raw, found):
    """Return the VM with what no option sets, and with the values in native that a new VM does not have."""
    native = described_native(vm.config["native"], raw.get("Path"))
    networks = without_dynamic_macs(raw, vm.config.get("networks"))
    config = {**vm.config, "native": native, **networks}
    return vm.having(config=config, not_modelled=lambda: _not_modelled(vm, raw, found))


def _not_modelled(vm, raw, found):
    nested = vm.config.get("nested_virtualization")
    described = {**undescribed_nics(raw, nested), **undescribed_disks(raw), **undescribed(raw, found.vms.values())}
    return {**described, **found.undescribed_files(raw)}


def _is_working(raw):
    return bool(state_of(raw["State"], raw.get("OperationalStatus")).busy)


def _conditions_of(targets):
    """Return {name of a chain: conditions that its VMs meet, or None for all VMs}."""
    if targets is None:
        return {_ALL: None}
    names = [target.name for target in targets if target.name and not target.id]
    ids = [target.id for target in targets if target.id]
    by_name = {"names": {"Name": [*names, *map(temporary_name, names)]}} if names else {}
    return {**by_name, **({"ids": {"Id": ids}} if ids else {})} or {"none": {"Id": [""]}}


def _host(result, about):
    for answer in result.answers[:2]:
        if answer.error is not None:
            raise cannot_be_read(answer.error)
    host, switches, machine = result.answers
    about_host = host.objects[0] if host.objects else {}
    return Host(
        disk_folder=about_host.get("VirtualHardDiskPath") or "",
        cpus=about_host.get("LogicalProcessorCount"),
        memory=about_host.get("MemoryCapacity"),
        switches=switches.objects,
        build=about.get("build"),
        computer=about.get("computer") or "",
        machine=(machine.objects[0]["MachineGuid"] if machine.objects else "").lower(),
    )


def check_parts(answers):
    """Raise the first error that leaves settings unknown. Single disks may be unreadable: this is no error."""
    for answer in answers[1:]:
        # NothingKept: there are no VMs of this kind, such as of generation 1.
        if answer.error is not None and answer.error.id != "NothingKept":
            raise answer.error
    for answer in answers[1 : PARTS - 3]:  # The others are about disks.
        for error in answer.errors:
            if error.category != "ObjectNotFound":  # That means that a VM was deleted meanwhile.
                raise error


def strays_chain(folders):
    """Calls that list the disk files in directories and below them, and read those disks; ``disk_files_in`` reads the
    answers. The roots of drives and shares are listed without what is below them."""
    known, calls = {key_of(one): one for one in folders}.values(), []
    for name, below in (("flat", {}), ("deep", {"Recurse": True, "Depth": _LEVELS})):
        listed = sorted(one for one in known if is_root(one) == (name == "flat"))
        if listed:
            how = {"keep": name, "show": properties("FullName", "Length"), "partial": True, "go_on": True}
            calls.append(file_command("Get-ChildItem", listed, {"Filter": "*vhd*", **below}, **how))
            calls.append(pick(name, f"{name}_paths", path=["FullName"], one=False))
            calls.append(vhd_call(Ref(f"{name}_paths"), NEEDED))
    return Chain("strays", tuple(calls))


def disk_files_in(result):
    """Return (raw disks, paths of disk files, directories that cannot be listed) from the answers to a search."""
    names, missed, disks = [], [], []
    for listing, _paths, reading in zip(*[iter(result.answers)] * 3):
        names += [one["FullName"] for one in listing.objects if "Length" in one]
        errors = [*listing.errors, *filter(None, [listing.error])]
        missed += [str(error.target or error) for error in errors if error.category != "ObjectNotFound"]
        disks += reading.objects
    return disks, [name for name in names if name.lower().endswith(DISK_FILES)], missed


def all_disks(answers):
    """Return all VMs with their disks as Found, from the answers to ``disks_chain``."""
    if answers[0].error is not None:
        raise cannot_be_read(answers[0].error)
    check_parts(answers[:2])  # Single disks may be unreadable.
    vms, snapshots, disks = read_disks(answers)
    found = Found()
    found.add([(raw["Id"], raw["Name"]) for raw in vms], vms, snapshots, disks)
    return found
