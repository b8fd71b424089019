# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the VMs of a Hyper-V host hold: their disk files with all parents, and those of their checkpoints."""

from __future__ import annotations

from ..._core.claims import BASE, COPY, FILE, NEW, OWN, READ, SNAPSHOTS, WRITE, Claim, Held, HoldsClaims
from ..._tools.hyperv import state_of
from ..._tools.windows_files import key_of
from .mark import is_temporary, mark_of
from .settings.disks import drive_slot, file_name, folder_of, path_in, seed_name


class HyperVClaims(HoldsClaims):
    """The claims of all VMs of one host."""

    def __init__(self, driver):
        self._driver = driver

    def read_place(self):
        return self._driver.host.computer, "hyperv"

    def file_identity(self, path):
        return key_of(path)

    def chain(self, path):
        return self._driver.found.chain(path)[1:]

    def owner_id(self, own):
        return super().owner_id(own.casefold())  # Hyper-V ignores the case of names and ids.

    def held(self, wanted):
        if not any(map(self._concerns_others, wanted)):
            return []
        found = self._driver.all_disks()
        return [self._of_vm(found, raw) for raw in found.vms.values()]

    def _of_vm(self, found, raw):
        claims = [claim for drive in raw.get("HardDrives") or () for claim in self._of_drive(found, drive)]
        for snapshot in found.snapshots.get(raw["Id"].lower(), ()):
            for drive in snapshot.get("HardDrives") or ():
                claims += [self._claim(path, BASE, SNAPSHOTS) for path in found.chain(drive.get("Path"))]
        name, also = raw["Name"], None
        if is_temporary(name):  # A creation names its VM last.
            name = (mark_of(raw) or {}).get("name") or name
            also = self.owner_id(name)
        return Held(self.owner_id(raw["Id"]), name, state_of(raw.get("State") or "Off").power, tuple(claims), also)

    def _of_drive(self, found, drive):
        """A VM writes to the file of its last checkpoint, and a deletion of checkpoints to its disk below."""
        disk, mode = found.file_without_checkpoints(drive.get("Path")), WRITE
        for path in found.chain(drive.get("Path")):
            yield self._claim(path, mode, f"disks.{drive_slot(drive)}")
            mode = BASE if path == disk else mode

    def _claim(self, path, mode, option):
        return Claim(FILE, self.identity(path), mode, option, path)

    def step_files(self, plan, step):
        name, folder = plan.after.name, folder_of(self._driver)
        if step.verb in ("create", "clone"):
            disks = step.arguments["config"].get("disks") or {}
            if step.arguments["creation"].get("cloud_init") is not None:
                yield NEW, "cloud_init", path_in(folder, seed_name(name))
        else:
            disks = {change.key: change.new for change in step.changes if change.kind == "disks.add"}
        for slot, disk in disks.items():
            if disk and not disk.get("source"):
                yield NEW, f"disks.{slot}", path_in(folder, file_name(name, slot, disk.get("format") or "vhdx"))

    def _concerns_others(self, claim):
        """No other VM has a new file, and an image can be copied while no VM that is on has it."""
        if claim.kind != FILE or claim.is_new:
            return claim.kind == OWN
        return self._driver.host_files.is_attached(claim.text) if claim.mode == COPY else claim.mode != READ
