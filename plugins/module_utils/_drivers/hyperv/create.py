# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: create a VM in one request, which renames it to its final name at the end.

Until then the VM has a temporary name, and its notes contain the names of its new files: if the task is interrupted,
the next task recognizes the VM and removes it. Disks are copied in the background, because that takes long; a second
request then completes the VM.
"""

from __future__ import annotations

from ..._core.errors import CreatedMeanwhile, Refused, Timeout
from ..._core.planner.contents import contents_of
from ..._core.planner.plan_create import find_snapshot
from ..._core.record.answer_media import recorded_media
from ..._core.record.mark import HOST, empty_mark, finished_mark, inputs_of, unfinished_mark, with_settings
from ..._kit.creation import undone_in_rounds
from ..._kit.in_rounds import Last
from ..._ports import permits
from ..._ports.windows import CallFailed, ConnectionLost
from ..._ports.windows_request import Ref, call, in_background, pick, properties, repeated, write
from ..._tools.hyperv import VM, hyperv, the_vm
from ..._tools.windows_files import key_of
from .delete import remove_unfinished
from .mark import notes_call, notes_of, notes_on_host, temporary_name
from .settings.actions import service_calls
from .settings.cdroms import add_call, new_drives_calls, seed_slot
from .settings.disks import (
    AS_PLANNED,
    FORMATS,
    attach_call,
    drive_slot,
    folder_of,
    grow_call,
    linked_disk_call,
    new_disk_call,
    path_of_new,
    size_calls,
)
from .settings.firmware import bios_order_call, first_boot_call, tpm_calls
from .settings.native import has_automatic_checkpoints
from .settings.networks import add_nic_calls
from .settings.seed import build_seed
from .settings.table import setting_calls

#: Seconds that requests wait after the start of a copy, and for its end: short, so that a lost connection does not end
#: the copy.
_AFTER_START, _WAIT_PER_REQUEST = 5, 20
#: Who may read a seed ISO, which may have passwords: SYSTEM, Administrators, its owner, and the processes of VMs.
_RIGHTS_OF_SEED = ("*S-1-5-18:F", "*S-1-5-32-544:F", "*S-1-3-4:F", "*S-1-5-83-0:R")


def create(driver, vm, step):
    first = min(step.arguments["config"].get("disks") or {}, default=None)
    contents = contents_of(step.arguments["creation"], first)
    yield from _create_vm(
        driver, vm, step, {slot: (image["source"], image["linked"]) for slot, image in contents.items()}
    )


def clone(driver, vm, step):
    source, requested = step.arguments["source"], step.arguments["creation"]["clone"]
    files = source_files(driver, source, requested.get("snapshot"))
    content = {slot: (path, requested["linked"]) for slot, path in files.items()}
    yield from _create_vm(driver, vm, step, content)


def source_files(driver, source, snapshot=None):
    """Return {slot: file} of the disks to copy: those of the source, or of one of its checkpoints.

    The parents of a file need not be listed: Convert-VHD copies their content too.
    """
    checkpoint = find_snapshot(source, snapshot)
    raw = driver.found.raw(source.id)
    if checkpoint is not None:
        raw = next(one for one in driver.found.snapshots[source.id.lower()] if one["Id"] == checkpoint.id)
    return {drive_slot(drive): drive["Path"] for drive in raw.get("HardDrives") or () if drive.get("Path")}


def _create_vm(driver, vm, step, content):
    """Create a VM. ``content`` is {slot: (source file, whether linked)} of disks that are not empty."""
    if driver.creations.is_complete(vm.name, bool):
        return
    for raw in driver.found.vms.values():
        if raw["Name"] == temporary_name(vm.name):
            yield from _remove_leftover(vm.name, raw)
    seed = build_seed(driver, vm.name, step.arguments)
    creation = _Creation(driver, vm.name, step.arguments, content, seed)
    yield from creation.run()
    driver.creations.record(vm.name, creation.vm_id)


def _remove_leftover(name, raw):
    """Remove the VM that an interrupted task has left, unless it is complete now, because that task goes on."""
    try:
        yield from remove_unfinished(raw)
    except CallFailed as error:
        if error.id != "NotOne":
            raise
        raise CreatedMeanwhile(name) from error


class _Creation:
    """One new VM: its files, and the calls that create it."""

    def __init__(self, driver, name, arguments, content, seed):
        self.driver, self.name, self.content, self.seed = driver, name, content, seed
        self.config = arguments["config"]
        # The VM starts from the first one.
        disks = self.config.get("disks") or {}
        self.disks = {slot: disks[slot] for slot in sorted(disks, key=lambda slot: (slot not in content, slot))}
        folder, self.paths, self.vm_id = folder_of(driver), {}, None
        for slot, disk in self.disks.items():
            if not disk.get("source"):
                self.paths[slot] = path_of_new(folder, name, slot, {**disk, "format": self._format(slot)})
        recorded = {"files": list(seed), **recorded_media(arguments["creation"], seed)}
        self.host = {HOST: driver.host.machine}
        self.mark = {**empty_mark(None), **self.host, "name": name, "inputs": inputs_of(arguments), **recorded}
        #: Paths of the files that were created.
        self._created_files = []

    def _format(self, slot):
        source, linked = self.content.get(slot, ("", False))
        own = self.disks[slot].get("format") or "vhdx"
        return ("vhd" if source.lower().endswith(".vhd") else "vhdx") if linked else own

    def run(self):
        yield from undone_in_rounds(self._create(), self._undo, ConnectionLost)

    def _create(self):
        copies = {slot: source for slot, (source, linked) in self.content.items() if not linked}
        calls, rest = [*self._begin(), *self._disks(), *self._copies(copies)], self._complete()
        if not copies and not self.config.get("integration_services"):
            yield from self._send(Last([*calls, *rest]))
            return
        yield from self._send(calls)
        yield from self._wait_for_copies(copies)
        services = service_calls(self.vm_id, self.config.get("integration_services") or {})
        yield from self._send(Last([the_vm(self.vm_id), *services, *rest]))

    def _send(self, calls):
        try:
            result = yield calls
        except CallFailed as error:
            answers = error.result.answers
            self._record_created(calls, answers)
            if error.id == "NotOne" and calls[len(answers) - 1].get("keep") == "only":
                raise CreatedMeanwhile(self.name) from error
            if error.id == "NotOne" and calls[len(answers) - 1].get("keep") == AS_PLANNED:
                message = f"{self.name}: the size of the disk that it is created from was changed meanwhile."
                raise Refused(message, "Run the task again.") from error
            raise
        self._record_created(calls, result.answers)

    def _record_created(self, calls, answers):
        """Store the id of the VM and the files that were created, so that ``_undo`` can remove them.

        Texts of a request begin with "=".
        """
        for call_sent, answer in zip(calls, answers):
            name = call_sent.get("command", "").rpartition("\\")[2]
            if answer.error is None and name == "New-VM":
                self.vm_id = answer.objects[0]["Id"]
            if answer.error is None and name in ("New-VHD", "Convert-VHD"):
                arguments = call_sent["with"]
                self._created_files.append((arguments.get("DestinationPath") or arguments["Path"][0])[1:])
            if answer.error is None and call_sent["op"] == "write":
                self._created_files.append(call_sent["path"][1:])

    def _undo(self, _error):
        if self.vm_id is not None:
            notes = notes_of("", unfinished_mark(self.mark, self._created_files))
            raw = {"Id": self.vm_id, "Name": temporary_name(self.name), "Notes": notes}
            yield from remove_unfinished({**raw, **self.host})

    # Calls ------------------------------------------------------------------------------------------------------------

    def _begin(self):
        config, temporary = self.config, temporary_name(self.name)
        new = {
            "Name": temporary,
            "Generation": 1 if config.get("firmware") == "bios" else 2,
            "MemoryStartupBytes": config["memory"],
            "NoVHD": True,
        }
        mark = unfinished_mark(self.mark, [*self.paths.values(), *self.seed])
        return [
            hyperv("New-VM", new, keep="vm", show=properties("Id")),
            notes_call(config.get("description") or "", mark),
            # Hyper-V allows several VMs of one name; of two tasks, the second one finds the VM of the first, and fails.
            hyperv("Get-VM", keep="all"),
            pick("all", "only", conditions={"Name": [temporary, self.name]}),
            # New-VM creates each VM with one NIC.
            pick("vm", "default_nic", path=["NetworkAdapters"]),
            hyperv("Remove-VMNetworkAdapter", {"VMNetworkAdapter": Ref("default_nic")}),
            *setting_calls(_values(config, self.driver.host.build)),
            *(tpm_calls(True) if config.get("tpm") else ()),
        ]

    def _disks(self):
        calls = [write(path, content, _RIGHTS_OF_SEED, is_new=True) for path, content in self.seed.items()]
        for slot, path in self.paths.items():
            source, linked = self.content.get(slot, (None, False))
            if linked:
                calls.append(linked_disk_call(path, source))
            elif not source:
                calls.append(new_disk_call(path, self.disks[slot]))
        return calls

    def _copies(self, copies):
        calls = []
        for slot, source in copies.items():
            type_ = FORMATS[self._format(slot)][1]
            copy = {"Path": source, "DestinationPath": self.paths[slot], "VHDType": type_}
            calls.append(in_background(hyperv("Convert-VHD", copy), _AFTER_START))
        return calls

    def _wait_for_copies(self, copies):
        """Wait until the copies can be read: Get-VHD does not return a disk that is still being written."""
        deadline = self.driver.windows.clock.now() + self.driver.call_timeout
        for slot in copies:
            path = self.paths[slot]
            read = call("Hyper-V\\Get-VHD", {"Path": [path]}, show=properties("Path"), partial=True)
            while True:
                result = yield [repeated(read, [{"VhdFormat": ["VHD", "VHDX"]}], _WAIT_PER_REQUEST)]
                if result.answers[0].details.get("met"):
                    break
                if self.driver.windows.clock.now() >= deadline:
                    seconds = self.driver.call_timeout
                    raise Timeout(f"{self.name}: {path} was not copied in {seconds} s.", seconds, "Raise call_timeout.")

    def _complete(self):
        config, calls = self.config, []
        for number, slot in enumerate(self.disks):
            path = self.paths.get(slot) or self.disks[slot]["source"]
            if self._has_to_grow(slot):
                before = self.driver.found.disks[key_of(self.content[slot][0])]["Size"]
                with permits.also([path]):  # An earlier call has created it.
                    calls += [*size_calls(path, before), grow_call(path, self.disks[slot]["size"])]
            shared = self.driver.is_shared(self.disks[slot].get("source"), slot)
            calls.append(attach_call(slot, path, self.disks[slot], f"disk{number}", shared))
        generation = 1 if config.get("firmware") == "bios" else 2
        calls += new_drives_calls(self.driver, config)
        calls += [add_call(seed_slot(config), path) for path in self.seed]
        networks = sorted((config.get("networks") or {}).items(), key=lambda item: int(item[0]))
        for index, entry in networks:
            calls += add_nic_calls(index, entry, self.driver.host.switches)
        calls += self._boot_calls(generation)
        mark = with_settings({**self.mark, "disks": list(self.paths.values())}, config)
        notes = notes_on_host(config.get("description") or "", finished_mark(mark, "name"), Ref("id"))
        rename = hyperv("Set-VM", {"VM": VM, "NewVMName": self.name, "Notes": notes})
        return [*calls, pick("vm", "id", path=["Id"]), rename]

    def _has_to_grow(self, slot):
        source, _linked = self.content.get(slot, (None, False))
        known = self.driver.found.disks.get(key_of(source)) or {} if source else {}
        return bool(source) and self.disks[slot].get("size") not in (None, known.get("Size"))

    def _boot_calls(self, generation):
        """Return the calls that set the boot order: each moves a device to the front, beginning with the last one."""
        if generation == 1:
            return [bios_order_call(self.config["boot_order"])] if self.config.get("boot_order") else []
        refs = {
            "disk": [f"disk{number}" for number in range(len(self.disks))],
            "cdrom": [f"dvd{number}" for number in range(len(self.config.get("cdroms") or ()))],
            "network": [f"nic{index}" for index in range(len(self.config.get("networks") or {}))],
        }
        order = self.config.get("boot_order") or ("disk",)
        devices = [ref for kind in order for ref in (refs[kind][:1] if order == ("disk",) else refs[kind])]
        return [first_boot_call(ref) for ref in reversed(devices)]


def _values(config, build):
    """Return the settings of a new VM that have a value; a generation 1 VM has no Secure Boot."""
    values = {"automatic_checkpoints": False, **{name: value for name, value in config.items() if value is not None}}
    absent = {"secure_boot", "secure_boot_template"} if config.get("firmware") == "bios" else set()
    absent |= set() if has_automatic_checkpoints(build) else {"automatic_checkpoints"}
    return {name: value for name, value in values.items() if name not in absent}
