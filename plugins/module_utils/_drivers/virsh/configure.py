# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a VM: first the running VM, then its stored definition.

If a change of the running VM fails, nothing is stored, so the next run finds the same differences and tries again.
"""

from __future__ import annotations

from ..._core.mark import IN_MARK, mark_for, with_settings
from ..._core.model import LIVE, PAUSED, RUNNING
from .definition import Definition
from .settings.addresses import RESERVATIONS, Following, recorded, to_record, update, with_reservations
from .settings.disks import add_disk, grow_disk, insert_disk, remove_disk, set_iso
from .settings.firmware import FIRMWARE, nvram_of
from .settings.networks import add_nic, read_nic, remove_nic, set_nic
from .settings.nvram import NVRAM, place_new_nvram, read_format
from .settings.table import SETTINGS, write_setting

#: Kinds of changes that do not change the XML.
_NOT_IN_XML = ("autostart", "disks.size")


def configure(driver, vm, step):
    """Apply the changes to one VM; changes of cost LIVE are also applied to the running VM."""
    changes = step.changes
    definition = driver.definition(vm.id)
    reserved = recorded(definition.mark, vm.id)
    if not driver.is_already_stored(vm, changes, definition):
        _store(driver, vm, changes, definition, reserved)
    _reserve(driver, recorded(vm.mark, vm.id) | reserved, recorded(definition.mark, vm.id))


def _reserve(driver, before, after):
    """Also if nothing is to be stored: an earlier attempt may have ended between the definition and the networks."""
    if before or after:
        update(driver, before, after)


def _store(driver, vm, changes, definition, reserved):
    """Make the changes to the running VM and the definition, and store the latter."""
    running = Definition(driver.virsh.run("dumpxml", vm.id)) if vm.power in (RUNNING, PAUSED) else None
    created, nvram = [], (nvram_of(definition), read_format(definition))
    addresses = Following(definition, reserved, read_nic)
    for change in sorted(changes, key=_last_nics_first):
        live = running is not None and change.cost == LIVE
        _CHANGES.get(change.kind, _set_field)(driver, vm, definition, running if live else None, change, created)
        addresses.follow(change)
    # The mark keeps the NVRAM file of the previous firmware too, so that it is deleted with the VM.
    nvram = [nvram[0], place_new_nvram(driver, vm, definition, changes, nvram)] if _changes_firmware(changes) else []
    wanted = addresses.reservations()
    if created or nvram or wanted != reserved or any(change.kind in IN_MARK for change in changes):
        mark = _updated_mark(vm, definition.mark, changes, created, [path for path in nvram if path])
        texts = to_record(driver, wanted, reserved) if wanted != reserved else mark.get(RESERVATIONS, ())
        definition.set_mark(with_reservations(mark, texts))
    if any(change.kind not in _NOT_IN_XML for change in changes):
        driver.define(definition)


def rehearse(vm, definition, changes, new_disk):
    """Make the changes to ``definition`` in the order of a run, without any effect on the VM or its host.

    ``new_disk(slot, entry)`` is the element of a disk that may not exist yet.
    """
    for change in sorted(changes, key=_last_nics_first):
        if change.kind == "disks.add":
            insert_disk(definition, new_disk(change.key, change.new))
        elif change.kind not in _NOT_IN_XML:
            _CHANGES.get(change.kind, _set_field)(None, vm, definition, None, change, [])


def _changes_firmware(changes):
    return any(change.field in {*FIRMWARE, *NVRAM} for change in changes)


def _last_nics_first(change):
    """Sort key: NICs are removed last, from the highest position down, because a removal shifts those behind it."""
    return (1, -int(change.key)) if change.kind == "networks.remove" else (0, 0)


def _set_field(driver, vm, definition, running, change, created):
    setting = SETTINGS[change.field]
    if running is not None and setting.write_live is not None:
        setting.write_live(driver, vm, running, change)
    if setting.write is not None:
        write_setting(driver, definition, change)


def _set_autostart(driver, vm, definition, running, change, created):
    driver.virsh.run("autostart", vm.id, *([] if change.new else ["--disable"]))


def _skip(driver, vm, definition, running, change, created):
    """The address is not in the definition; see settings/addresses.py."""


#: Functions for kinds of changes; the others are made by _set_field. ``running`` is the definition of the running VM if
#: it must be changed too, else None. Paths of new files are added to ``created``.
_CHANGES = {
    "autostart": _set_autostart,
    "iso": set_iso,
    "disks.add": add_disk,
    "disks.remove": remove_disk,
    "disks.size": grow_disk,
    "networks.add": add_nic,
    "networks.remove": remove_nic,
    "networks.type": set_nic,
    "networks.source": set_nic,
    "networks.mac": set_nic,
    "networks.model": set_nic,
    "networks.address": _skip,
}


def _updated_mark(vm, mark, changes, created, nvram):
    """The VM's mark with the new files and settings."""
    own = mark_for(vm.id, mark if mark and mark.get("id") == vm.id else vm.mark)
    own["disks"] = list(dict.fromkeys([*own.get("disks", ()), *created]))
    if nvram:
        own["nvram"] = list(dict.fromkeys([*own.get("nvram", ()), *nvram]))
    return with_settings(own, {change.kind: change.new for change in changes})
