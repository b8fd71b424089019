# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a machine: what runs first, then the definition, so that what the definition says was really done."""

from __future__ import annotations

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.model import LIVE, PAUSED, RUNNING
from ..._ports import files
from ..._tools.virsh import ConnectionLost
from . import cards, devices
from .definition import Definition, empty_mark, target_of
from .firmware import FIRMWARE_FIELDS, nvram_of, place_nvram
from .making import format_of_source, make_disk
from .plugging import attach
from .settings import SETTINGS, write_setting
from .slots import bus_of

#: Changes that are no part of the XML.
_OUTSIDE = ("autostart", "disks.size")


def configure(driver, vm, changes):
    """Make ``changes`` to one machine; those that cost LIVE also to what runs."""
    definition = driver.definition(vm.id)
    if driver.is_stored(vm, changes, definition):
        return
    running = Definition(driver.virsh.run("dumpxml", vm.id)) if vm.power in (RUNNING, PAUSED) else None
    made, nvram = [], nvram_of(definition)
    for change in sorted(changes, key=_last_cards_first):
        live = running is not None and change.cost == LIVE
        _CHANGES.get(change.kind, _set_field)(driver, vm, definition, running if live else None, change, made)
    # A file of the kind of firmware it had before goes with the machine, not with the change.
    nvram = [nvram, _placed_nvram(driver, vm, definition)] if _turns_firmware(changes) else []
    if made or nvram or any(change.kind == "tags" for change in changes):
        definition.set_mark(_updated_mark(vm, definition.mark, changes, made, [path for path in nvram if path]))
    if any(change.kind not in _OUTSIDE for change in changes):
        driver.define(definition)


def _placed_nvram(driver, vm, definition):
    driver.storage.open_folder()
    return place_nvram(definition, driver.storage, vm.name)


def _turns_firmware(changes):
    return any(change.field in FIRMWARE_FIELDS for change in changes)


def _last_cards_first(change):
    """Cards are known by their place: taking one away moves those behind it, so the last goes first."""
    return (1, -int(change.key)) if change.kind == "networks.remove" else (0, 0)


def _set_field(driver, vm, definition, running, change, made):
    """A field of the definition alone."""
    if change.field in SETTINGS:
        setting = SETTINGS[change.field]
        if running is not None and setting.plug is not None:
            setting.plug(driver, vm, running, change)
        write_setting(driver, definition, change)
    elif change.kind == "description":
        definition.set("description", change.new)
    elif change.kind == "native":
        definition.set_native(change.key, change.new)


def _set_autostart(driver, vm, definition, running, change, made):
    driver.virsh.run("autostart", vm.id, *([] if change.new else ["--disable"]))


def _set_iso(driver, vm, definition, running, change, made):
    own_files = frozenset((vm.mark or {}).get("files", ()))
    drive = devices.iso_drive(running, own_files) if running is not None else None
    if drive is not None:
        _change_medium(driver, vm, drive, change.new)
    devices.set_iso(definition, own_files, change.new)


def _change_medium(driver, vm, drive, path):
    holds = devices.source_of(drive)
    if holds == path:
        return
    action = (path, "--update" if holds else "--insert") if path else ("--eject",)
    driver.virsh.run("change-media", vm.id, target_of(drive), *action, "--live")


def _add_disk(driver, vm, definition, running, change, made):
    slot, entry, new = change.key, change.new, []
    attached = [disk for disk in running.drives("disk") if target_of(disk) == slot] if running is not None else []
    if attached:
        # A run that was cut off had it plugged in already; only the definition lacks it.
        path, image_format = devices.file_of(attached[0]), attached[0].find("driver").get("type")
        if not entry.get("source"):
            made.append(path)
    elif entry.get("source"):
        path = entry["source"]
        image_format = format_of_source(driver, entry)
    else:
        path, image_format = make_disk(driver, vm.name, slot, entry, None, new)
        made.append(path)
    element = devices.disk_element(slot, path, image_format, bus_of(slot, entry))
    if running is not None and not attached:
        _plug_in(driver, vm, element, new)
    devices.add_disk(definition, element)


def _plug_in(driver, vm, element, new):
    try:
        attach(driver, vm, element)
    except CommandFailed as error:
        # Without an answer it may be plugged in: then the file is in use.
        if not isinstance(error, ConnectionLost):
            for path in new:
                files.remove(path)
        raise


def _remove_disk(driver, vm, definition, running, change, made):
    if running is not None and any(target_of(disk) == change.key for disk in running.drives("disk", "lun")):
        driver.virsh.run("detach-disk", vm.id, change.key, "--live")
    devices.remove_disk(definition, change.key)


def _grow_disk(driver, vm, definition, running, change, made):
    """The planner has compared: blockresize itself would shrink without a word."""
    if running is not None:
        driver.virsh.run("blockresize", vm.id, change.key, f"{change.new}B")
        return
    disk = vm.config["disks"][change.key]
    driver.storage.qemu_img.grow(disk["source"], disk["format"], change.new)


_CHANGES = {
    "autostart": _set_autostart,
    "iso": _set_iso,
    "disks.add": _add_disk,
    "disks.remove": _remove_disk,
    "disks.size": _grow_disk,
    "networks.add": cards.add_card,
    "networks.remove": cards.remove_card,
    "networks.type": cards.set_card,
    "networks.source": cards.set_card,
    "networks.mac": cards.set_card,
    "networks.model": cards.set_card,
}


def _updated_mark(vm, mark, changes, made, nvram):
    """Our mark with new disks and tags; a foreign one is replaced, for it speaks of another machine's files."""
    own = next((dict(one) for one in (mark, vm.mark) if one and one.get("id") == vm.id), empty_mark(vm.id))
    own["disks"] = list(dict.fromkeys([*own.get("disks", ()), *made]))
    if nvram:
        own["nvram"] = list(dict.fromkeys([*own.get("nvram", ()), *nvram]))
    for change in changes:
        if change.kind == "tags":
            own["tags"] = list(change.new)
    return own
