# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a machine: everything of modifyvm in one call, which makes all of it or nothing.

What is done already is not done again: a segment may be sent twice.
"""

from __future__ import annotations

from ..._lifecycle.model import FAILED, PAUSED, RUNNING
from . import forwards, native, networks, sharing, storage
from .mark import own_mark, settled, write_mark
from .settings import SETTINGS
from .sight import config_of

_FORWARDS = ("port_forwards", "ssh_forward")


def configure(driver, vm, changes, sights=None, more=()):
    """Make ``changes`` to one machine as it is now, in ``sights`` if they are fresh; ``more`` are words to modifyvm."""
    sights = sights or driver.sights()
    sight = sights[vm.id]
    vm = _owning_what_was_made(driver, vm.having(mark=sight.mark), sight)
    if sight.state.power in (RUNNING, PAUSED, FAILED):
        _change_running(driver, sights, sight, changes)
    else:
        _change_stored(driver, sights, sight, changes, more)
    if any(change.field == "groups" for change in changes):
        sight = driver.sight(vm.id)  # The machine's folder has moved.
    _change_media(driver, vm, sight, changes)
    sharing.write(
        driver, sight, config_of(sight)["shared_folders"], [one for one in changes if one.field == "shared_folders"]
    )
    for change in changes:
        if change.field == "tags":
            write_mark(driver, vm.id, {**own_mark(driver.marked(vm)), "tags": list(change.new)})


def _owning_what_was_made(driver, vm, sight):
    """A run that was cut off may have attached what it had announced, and said no more."""
    mark = settled(vm.mark, sight.media.values()) if vm.owned and vm.mark.get("making") else vm.mark
    if mark != vm.mark:
        write_mark(driver, vm.id, mark)
    return vm.having(mark=mark)


def _change_stored(driver, sights, sight, changes, more):
    words = [*more]
    for kind, setting in SETTINGS.items():
        words += [word for change in changes if change.kind == kind for word in setting.words(change.new)]
    for change in changes:
        words += native.words(change.key, change.new) if change.field == "native" else []
    words += networks.words(sight, [change for change in changes if change.field == "networks"])
    words += forwards.words(sight, *_rules(driver, sights, sight, changes))
    if words and _needs_room(changes):
        # How many cards there can be is seen before the first word.
        driver.run(sight.uuid, "modifyvm", sight.uuid, *native.words("chipset", _chipset(changes)))
    if words:
        driver.run(sight.uuid, "modifyvm", sight.uuid, *words)


def _chipset(changes):
    return next((change.new for change in changes if change.path == "native.chipset"), None)


def _needs_room(changes):
    cards = [networks.number_of(change.key) for change in changes if change.field == "networks"]
    return _chipset(changes) is not None and max(cards, default=0) > min(networks.ROOM.values())


def _change_running(driver, sights, sight, changes):
    calls = [
        SETTINGS[change.kind].live(change.new) for change in changes if getattr(SETTINGS.get(change.kind), "live", None)
    ]
    calls += [native.live_words(change.key, change.new) for change in changes if change.field == "native"]
    calls += networks.live_words(sight, [change for change in changes if change.field == "networks"])
    calls += forwards.live_words(sight, *_rules(driver, sights, sight, changes))
    for words in calls:
        driver.run(sight.uuid, "controlvm", sight.uuid, *words)


def _rules(driver, sights, sight, changes):
    """(card, names to remove, rules to add)."""
    own = [change for change in changes if change.field in _FORWARDS]
    if not own:
        return None, [], []
    taken = forwards.taken_ports(sights.values())
    return (_nat_card(sight, changes), *forwards.wanted_rules(sight, own, taken, driver.ports))


def _nat_card(sight, changes):
    """The number of the first card of type nat, once the changes are made."""
    types = {nic.number: nic.type for nic in sight.machine.nics}
    for change in changes:
        if change.field == "networks" and change.attribute in (None, "type"):
            new = change.new if change.attribute else (change.new or {"type": "none"})["type"]
            types[networks.number_of(change.key)] = new
    return min((number for number, kind in types.items() if kind == "nat"), default=1)


def _change_media(driver, vm, sight, changes):
    disks = config_of(sight)["disks"]
    removed = [change.key for change in changes if change.kind == "disks.remove" and change.key in disks]
    for slot in removed:
        storage.remove_disk(driver, sight, slot)
    if removed:
        sight = driver.sight(vm.id)  # What comes may take the places that are free now.
    for change in changes:
        if change.kind == "disks.size":
            storage.grow_disk(driver, sight, change.key, change.new)
        elif change.kind == "disks.add" and change.key not in disks:
            mark = storage.add_disk(driver, vm, sight, change.key, change.new)
            if mark != vm.mark and not change.new.get("source"):
                write_mark(driver, vm.id, mark)
                vm = vm.having(mark=mark)
            sight = driver.sight(vm.id)
        elif change.kind == "iso":
            storage.set_iso(driver, sight, change.new)
