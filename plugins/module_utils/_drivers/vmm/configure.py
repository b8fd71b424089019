# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing settings. vmd reads them when the VM is off; while it is on, they wait in vm.conf for its next start."""

from __future__ import annotations

from ..._lifecycle.errors import Stale
from ..._lifecycle.mark import with_settings
from ..._lifecycle.model import STOPPED
from ..._lifecycle.simulate import changed_config
from ..._lifecycle.units import human_size
from .definition import config_of, described
from .observe import image_of
from .settings.disks import disk_path, grow_disk, make_disks, with_macs
from .traits import UNREAD


def configure(driver, vm, step):
    edit = driver.edit
    edit.check_unchanged(vm.name)
    definition = edit.found.definition(vm.name)
    if definition is None:
        raise Stale(f"{vm.name}: its block in vm.conf was removed meanwhile.")
    mark = _marked(edit.mark(vm.name), step.changes)
    former = config_of(definition, mark, image_of, ("allow", "sev", "seves"))
    config = changed_config(former, step.changes)
    if all(change.kind in UNREAD for change in step.changes):
        is_switched = config["autostart"] != former["autostart"]
        edit.annotate(vm.name, mark, _as_stored(driver, vm, step, definition, config, mark) if is_switched else None)
        return
    for change in step.changes:
        if change.kind == "disks.size":
            _grow(driver, vm, former["disks"][change.key], change.new)
    made = make_disks(driver, vm, step)
    mark = {**mark, "disks": [*(path for path in mark["disks"] if path not in made), *made]}
    edit.define(_as_stored(driver, vm, step, definition, config, mark), mark, vm.power)


def _as_stored(driver, vm, step, definition, config, mark):
    """The Definition with ``config``; what no change is about stays as it is written."""
    kinds = dict(definition.disks)
    disks = []
    for slot, disk in sorted(config["disks"].items()):
        path = disk.get("source") or disk_path(driver, vm.name, slot, disk.get("format"))
        disks.append((path, kinds[path] if path in kinds else disk.get("format")))
    added = {change.key for change in step.changes if change.kind == "networks.add"}
    new = with_macs(vm.name, {place: entry for place, entry in config["networks"].items() if place in added})
    return described(definition, {**config, "networks": {**config["networks"], **new}}, disks, mark["files"])


def _marked(mark, changes):
    """The mark with those settings that vm.conf has no place for."""
    values = {change.kind: change.new for change in changes}
    mark = with_settings(mark, values)
    return {**mark, "description": values["description"]} if "description" in values else mark


def _grow(driver, vm, disk, size):
    if vm.power != STOPPED:
        raise Stale(f"{vm.name}: it was started meanwhile, so {disk['source']} cannot become {human_size(size)}.")
    if disk["size"] < size:
        grow_disk(driver, disk, size)
        driver.edit.lasting.add(vm.name)
