# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: change settings in vm.conf. If the VM is off, they are read now; if it is on, they apply at its next start."""

from __future__ import annotations

from ..._core.errors import Stale
from ..._core.model import STOPPED
from ..._core.planner.simulate import changed_config
from ..._core.record.mark import BIRTH, with_settings
from ..._core.sharing.file_checks import check_free
from ..._core.sharing.needed_files import ENLARGED
from ..._core.units import human_size
from ..._ports.locks import shared_as_whole
from .observe import image_of
from .settings.disks import create_disks, disk_path, grow_disk, with_macs
from .settings.table import config_of, with_config
from .traits import UNREAD


def configure(driver, vm, step):
    edit = driver.edit
    edit.check_unchanged(vm.name)
    definition = edit.found.definition(vm.name)
    if definition is None:
        raise Stale(f"{vm.name}: its block in vm.conf was removed meanwhile.")
    mark = _changed_mark(edit.mark(vm.name), step.changes)
    before = config_of(definition, mark, image_of, ("allow", "sev", "seves"), mark.get(BIRTH))
    after = changed_config(before, step.changes)
    if all(change.kind in UNREAD for change in step.changes):
        is_changed = after["autostart"] != before["autostart"]
        changed = _changed_definition(driver, vm, step, definition, (before, after), mark) if is_changed else None
        edit.annotate(vm.name, mark, changed)
        return
    for change in step.changes:
        if change.kind == "disks.size":
            _grow(driver, vm, before["disks"][change.key], change.new)
    created = create_disks(driver, vm, step)
    mark = {**mark, "disks": [*(path for path in mark["disks"] if path not in created), *created]}
    edit.define(_changed_definition(driver, vm, step, definition, (before, after), mark), mark, vm.power)


def _changed_definition(driver, vm, step, definition, configs, mark):
    """Return the Definition with the second of two configs, (before, after); what is equal stays as it is written."""
    (before, config), formats = configs, dict(definition.disks)
    disks = []
    for slot, disk in sorted(config["disks"].items()):
        path = disk.get("source") or disk_path(driver, vm.name, slot, disk.get("format"))
        disks.append((path, formats[path] if path in formats else disk.get("format")))
    # vmd rejects an instance if its NIC has another MAC address than the NIC of the template.
    added = {change.key for change in step.changes if change.kind == "networks.add" and not definition.parent}
    new = with_macs(vm.name, {index: entry for index, entry in config["networks"].items() if index in added})
    return with_config(definition, {**config, "networks": {**config["networks"], **new}}, disks, mark["files"], before)


def _changed_mark(mark, changes):
    """Return the mark with the changed settings that vm.conf cannot store."""
    values = {change.kind: change.new for change in changes}
    mark = with_settings(mark, values)
    return {**mark, "description": values["description"]} if "description" in values else mark


def _grow(driver, vm, disk, size):
    if vm.power != STOPPED:
        raise Stale(f"{vm.name}: it was started meanwhile, so {disk['source']} cannot become {human_size(size)}.")
    if disk["size"] < size:
        # vmd cannot start the VM until the larger copy is its disk: the guest would write to the former file.
        with shared_as_whole(disk["source"]) as is_free:
            check_free(vm.name, [("", disk["source"], ENLARGED)], lambda _path: not is_free)
            grow_disk(driver, disk, size)
        driver.edit.not_undoable.add(vm.name)
