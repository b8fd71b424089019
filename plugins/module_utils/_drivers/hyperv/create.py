# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating VMs: the whole VM in one request, which gives it its name at the end.

Until then it has a temporary name, and its notes have the names of its new files: if the task is killed, the next one
recognizes it and removes it. Copies of disks take long: they run in the background, and a second request completes the
VM.
"""

from __future__ import annotations

from ..._lifecycle.errors import PolyvirtError, Refused, Timeout
from ..._lifecycle.mark import empty_mark, with_settings
from ..._ports.windows import CallFailed
from ..._ports.windows_request import Ref, call, in_background, pick, properties, repeated, write
from ..._tools.hyperv import VM, hyperv, the_vm
from ..._tools.windows_files import key_of
from .configure import first_boot_call, notes_call
from .delete import remove_unfinished
from .mark import notes_of, temporary_name
from .settings.disks import (
    FORMATS,
    attach_call,
    file_name,
    folder_of,
    grow_call,
    iso_calls,
    linked_disk_call,
    new_disk_call,
    path_in,
    seed_call,
)
from .settings.networks import add_nic_calls, spoofing_calls
from .settings.seed import seed_of
from .settings.table import bios_order_call, service_calls, setting_calls, tpm_calls

#: Seconds that a request waits for a copy, so that no lost connection ends it.
_COPYING, _WATCHING = 5, 20


def create(driver, vm, step):
    image = step.arguments["creation"].get("image")
    first = min(step.arguments["config"].get("disks") or {}, default=None)
    content = {first: (image["source"], image["linked"])} if image else {}
    yield from create_vm(driver, vm, step, content, {"image": image["source"]} if image else {})


def create_vm(driver, vm, step, content, inputs):
    """Create a VM; ``content`` is {slot: (file, linked)} of disks that are not empty."""
    if vm.name in driver.created:
        return
    for raw in driver.found.vms.values():
        if raw["Name"] == temporary_name(vm.name):
            yield from remove_unfinished(driver, raw)
    seed = seed_of(driver, vm.name, step.arguments)
    plan = _Creation(driver, vm.name, step.arguments["config"], content, inputs, seed)
    yield from plan.carry_out()
    driver.created[vm.name] = plan.vm_id


class _Creation:
    """One new VM: its files, and the calls that create it."""

    def __init__(self, driver, name, config, content, inputs, seed):
        self.driver, self.name, self.config, self.content, self.seed = driver, name, config, content, seed
        self.disks = dict(sorted((config.get("disks") or {}).items()))
        folder, self.paths, self.vm_id = folder_of(driver), {}, None
        for slot, disk in self.disks.items():
            if not disk.get("source"):
                self.paths[slot] = path_in(folder, file_name(name, slot, self._format(slot)))
        self.mark = {**empty_mark(None), "new": True, "name": name, "inputs": inputs, "files": list(seed)}
        self._created = []

    def _format(self, slot):
        source, linked = self.content.get(slot, ("", False))
        own = self.disks[slot].get("format") or "vhdx"
        return ("vhd" if source.lower().endswith(".vhd") else "vhdx") if linked else own

    def carry_out(self):
        copies = {slot: source for slot, (source, linked) in self.content.items() if not linked}
        calls, rest = [*self._begin(), *self._disks(), *self._copies(copies)], self._complete()
        try:
            if not copies and not self.config.get("integration_services"):
                yield from self._sent([*calls, *rest])
                return
            yield from self._sent(calls)
            yield from self._wait_for_copies(copies)
            services = service_calls(self.vm_id, self.config.get("integration_services") or {})
            yield from self._sent([the_vm(self.vm_id), *services, *rest])
        except CallFailed as error:
            yield from self._undo()
            raise self._explained(error) from error
        except Timeout:
            yield from self._undo()
            raise

    def _sent(self, calls):
        try:
            result = yield calls
        except CallFailed as error:
            self._note(calls, error.result.answers)
            self._failed = calls[len(error.result.answers) - 1]
            raise
        self._note(calls, result.answers)

    def _note(self, calls, answers):
        """What was created, so that it can be undone."""
        for one, answer in zip(calls, answers):
            name = one.get("command", "").rpartition("\\")[2]
            if answer.error is None and name == "New-VM":
                self.vm_id = answer.objects[0]["Id"]
            if answer.error is None and name in ("New-VHD", "Convert-VHD"):
                given = one["with"]
                self._created.append((given.get("DestinationPath") or given["Path"][0])[1:])
            if answer.error is None and one["op"] == "write":
                self._created.append(one["path"][1:])

    def _undo(self):
        if self.vm_id is None:
            return
        raw = {"Id": self.vm_id, "Notes": notes_of_creation({**self.mark, "making": self._created})}
        try:
            yield from remove_unfinished(self.driver, raw)
        except PolyvirtError:
            return  # The next task recognizes what is left.

    def _explained(self, error):
        if not (error.id == "NotOne" and self._failed.get("keep") == "only"):
            return error
        return Refused(
            f"{self.name}: another task created a VM with this name at the same time.",
            "Run the task again to apply its options to that VM.",
        )

    # Calls ------------------------------------------------------------------------------------------------------------

    def _begin(self):
        config, temporary = self.config, temporary_name(self.name)
        new = {
            "Name": temporary,
            "Generation": 1 if config.get("firmware") == "bios" else 2,
            "MemoryStartupBytes": config["memory"],
            "NoVHD": True,
        }
        mark = {**self.mark, "making": [*self.paths.values(), *self.seed]}
        return [
            hyperv("New-VM", new, keep="vm", show=properties("Id")),
            notes_call(config.get("description") or "", mark),
            # Names are not unique: whoever is second finds the first one.
            hyperv("Get-VM", keep="all"),
            pick("all", "only", conditions={"Name": [temporary, self.name]}),
            # New-VM gives each VM one NIC.
            pick("vm", "given", path=["NetworkAdapters"]),
            hyperv("Remove-VMNetworkAdapter", {"VMNetworkAdapter": Ref("given")}),
            *setting_calls({"automatic_checkpoints": False, **_values(config)}),
            *(tpm_calls(True) if config.get("tpm") else ()),
        ]

    def _disks(self):
        calls = [write(path, content) for path, content in self.seed.items()]
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
            calls.append(in_background(hyperv("Convert-VHD", copy), _COPYING))
        return calls

    def _wait_for_copies(self, copies):
        """A disk that is still written cannot be read."""
        deadline = self.driver.windows.clock.now() + self.driver.call_timeout
        for slot in copies:
            path = self.paths[slot]
            read = call("Hyper-V\\Get-VHD", {"Path": [path]}, show=properties("Path"), partial=True)
            while True:
                result = yield [repeated(read, [{"VhdFormat": ["VHD", "VHDX"]}], _WATCHING)]
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
                calls.append(grow_call(path, self.disks[slot]["size"]))
            calls.append(attach_call(slot, path, keep=f"disk{number}"))
        generation = 1 if config.get("firmware") == "bios" else 2
        # A generation 1 VM has a DVD drive from the start.
        if generation == 1 and config.get("iso"):
            calls += [
                pick("vm", "dvd", path=["DVDDrives"]),
                hyperv("Set-VMDvdDrive", {"VMDvdDrive": Ref("dvd"), "Path": config["iso"]}),
            ]
        elif config.get("iso"):
            calls += iso_calls(None, config["iso"])
        calls += [seed_call(path, generation == 1) for path in self.seed]
        networks = sorted((config.get("networks") or {}).items(), key=lambda one: int(one[0]))
        for place, entry in networks:
            calls += add_nic_calls(place, entry, self.driver.host.switches)
        if config.get("nested_virtualization"):
            calls += spoofing_calls([place for place, _entry in networks])
        calls += self._boot(generation)
        mark = with_settings({**self.mark, "disks": list(self.paths.values())}, config)
        notes = notes_of_creation({key: one for key, one in mark.items() if key != "name"}, config)
        return [*calls, hyperv("Set-VM", {"VM": VM, "NewVMName": self.name, "Notes": notes})]

    def _has_to_grow(self, slot):
        source, _linked = self.content.get(slot, (None, False))
        known = self.driver.found.disks.get(key_of(source)) or {} if source else {}
        return bool(source) and self.disks[slot].get("size") not in (None, known.get("Size"))

    def _boot(self, generation):
        """The order of devices, from the last to the first: each becomes the first one."""
        if generation == 1:
            return [bios_order_call(self.config["boot_order"])] if self.config.get("boot_order") else []
        kept = {
            "disk": [f"disk{number}" for number in range(len(self.disks))],
            "cdrom": ["dvd"] if self.config.get("iso") else [],
            "network": [f"nic{place}" for place in range(len(self.config.get("networks") or {}))],
        }
        order = self.config.get("boot_order") or ("disk",)
        devices = [name for kind in order for name in (kept[kind][:1] if order == ("disk",) else kept[kind])]
        return [first_boot_call(name) for name in reversed(devices)]


def notes_of_creation(mark, config=None):
    return notes_of((config or {}).get("description") or "", mark)


def _values(config):
    """The single values of a new VM."""
    values = {name: value for name, value in config.items() if value is not None}
    if config.get("firmware") == "bios":
        values = {name: value for name, value in values.items() if name not in ("secure_boot", "secure_boot_template")}
    return values
