# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network cards of machines that exist. Entry n is card n, of what is stored and of what runs alike.

A running machine is changed only where both have the same card at that place; else what is stored changes alone.
"""

from __future__ import annotations

import copy
import os
import xml.etree.ElementTree as ET

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.model import LIVE, NEXT_BOOT, PAUSED, Field
from . import devices
from .networks import is_bridge
from .plugging import attach

#: The range that QEMU's cards have; libvirt chooses in it too.
_MAC_PREFIX = "52:54:00"
#: What libvirt says when a guest keeps a card: it goes with the machine's next start.
_KEPT = ("rejected by the guest", "in the process of unplug")
#: What libvirt says of kinds of networks between which a running card cannot move.
_UNMOVABLE = ("Operation not supported", "unsupported configuration")

# Costs --------------------------------------------------------------------------------------------------------------


def _macs(config):
    cards = (config or {}).get("networks") or {}
    return [cards[key].get("mac") for key in sorted(cards, key=int)]


def _cost_of_adding(vm, change):
    stored, running = _macs(vm.config), _macs(vm.active)
    if vm.active is None or running[: len(stored)] != stored:
        return NEXT_BOOT
    # A run that was cut off may have plugged in this very card; what somebody else did is not taken for it.
    there = (vm.active.get("networks") or {}).get(change.key)
    return LIVE if there is None or change.new.items() <= there.items() else NEXT_BOOT


def _cost_of_removing(vm, change):
    """A guest lets a card go, which none does while it is paused."""
    if vm.active is None or vm.power == PAUSED:
        return NEXT_BOOT
    stored, running = _macs(vm.config), _macs(vm.active)
    # A run that was cut off may have taken it out of what runs already.
    return LIVE if _same_up_to(min(int(change.key), len(running) - 1), stored, running) else NEXT_BOOT


def _cost_of_moving(vm, change):
    """A running card can be put elsewhere, but never be made one of another kind."""
    if vm.active is None or not _same_up_to(int(change.key), _macs(vm.config), _macs(vm.active)):
        return NEXT_BOOT
    stored, running = (config["networks"][change.key].get("type") for config in (vm.config, vm.active))
    return LIVE if stored == running == change.beside.get("type", stored) else NEXT_BOOT


def _same_up_to(place, stored, running):
    return stored[: place + 1] == running[: place + 1]


FIELDS = {
    "networks.add": Field(cost=_cost_of_adding),
    "networks.remove": Field(cost=_cost_of_removing),
    "networks.source": Field(cost=_cost_of_moving),
    "networks.mac": Field(),
    "networks.model": Field(),
}

# Changes ------------------------------------------------------------------------------------------------------------


def add_card(driver, vm, definition, running, change, made):
    there = _running_card(vm, running, change.key)
    if there is not None:
        card = devices.card_element(devices.read_card(there), is_bridge)
    elif running is not None:
        # Chosen here, so that the card has it in what runs and in what is stored.
        card = devices.card_element({"mac": new_mac(), **change.new}, is_bridge)
        attach(driver, vm, card)
    else:
        card = devices.card_element(change.new, is_bridge)
    definition.devices.append(card)


def _running_card(vm, running, key):
    """The running card that had this place when the VM was observed, or that was plugged in at it since; or None.

    The change may have been sent before, as far as the running VM: then the cards behind it have other places now.
    """
    cards = running.interfaces() if running is not None else []
    found, place = _macs(vm.active), int(key)
    if place < len(found):
        same = [card for card in cards if _mac(card) == found[place]]
        # Two cards may have one MAC.
        before = found[:place].count(found[place])
        return same[before] if before < len(same) else None
    new = [card for card in cards if _mac(card) not in found]
    return new[place - len(found)] if place - len(found) < len(new) else None


def _mac(card):
    return devices.read_card(card).get("mac")


def new_mac():
    return ":".join([_MAC_PREFIX, *(f"{byte:02x}" for byte in os.urandom(3))])


def remove_card(driver, vm, definition, running, change, made):
    card = _running_card(vm, running, change.key)
    if card is not None:
        _run_on_card(driver, "detach-device", vm, card, _KEPT)
    definition.devices.remove(definition.devices.findall("interface")[int(change.key)])


def set_card(driver, vm, definition, running, change, made):
    devices.set_card(definition.interfaces()[int(change.key)], {change.attribute: change.new}, is_bridge)
    card = _running_card(vm, running, change.key)
    if card is not None and change.attribute == "source":
        _move(driver, vm, card, change.new)


def _move(driver, vm, card, source):
    """Put a running card on another network or bridge; what cannot be moved so waits for the next start."""
    kind = devices.read_card(card)["type"]
    if kind == "bridged" and (card.get("type") == "direct" or not is_bridge(source)):
        return
    moved = copy.deepcopy(card)
    devices.set_card(moved, {"type": kind, "source": source}, is_bridge)
    _run_on_card(driver, "update-device", vm, moved, _UNMOVABLE)


def _run_on_card(driver, command, vm, card, tolerated):
    """Its own XML names the card: two cards may have one MAC."""
    try:
        driver.virsh.run(command, vm.id, "/dev/stdin", "--live", stdin=ET.tostring(card, encoding="unicode"))
    except CommandFailed as error:
        if not any(text in error.stderr for text in tolerated):
            raise
