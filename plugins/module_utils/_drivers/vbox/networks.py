# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network cards: card n of the option is card n+1 of VirtualBox, whatever lies before it."""

from __future__ import annotations

from ..._lifecycle.errors import NotFound, Refused
from ..._tools import vboxmanage_output as output
from .sight import config_of
from .words import CARD_SYNONYMS, CARDS, NETWORKS, plain_mac

_DEFAULT_SOURCES = {"internal": "intnet"}
_NEED_SOURCE = {
    "bridged": "Name an interface of the host (VBoxManage list bridgedifs).",
    "hostonly": "Name a host-only interface (VBoxManage list hostonlyifs).",
    "network": "Name a NAT network (VBoxManage list natnets), or use the type nat.",
}
#: Where the names of what a card can be connected to are found.
#: Cards by chipset.
MOST_CARDS = 36
ROOM = {"piix3": 8}
_LISTS = {"bridged": "bridgedifs", "hostonly": "hostonlyifs", "network": "natnets"}


def number_of(place):
    return int(place) + 1


def settled(vm, asked):
    """The cards in VirtualBox's terms. Raises Refused where one is connected to nothing."""
    return {place: entry if entry is None else _settled(vm, place, entry) for place, entry in asked.items()}


def _settled(vm, place, entry):
    existing = (vm.config.get("networks") or {}).get(place)
    card = dict(entry)
    if card.get("type") == "user":
        card["type"] = "nat"
    if existing is None:
        card.setdefault("type", "nat")
    kind = card.get("type") or existing["type"]
    if kind == "nat" and card.get("source"):
        raise Refused(f"{vm.name}: networks: a card of type nat has no source.", "Leave the source out.")
    if not card.get("source") and (existing or {}).get("type") != kind:
        if kind in _NEED_SOURCE:
            raise Refused(f"{vm.name}: networks: a card of type {kind} needs a source.", _NEED_SOURCE[kind])
        if kind in _DEFAULT_SOURCES:
            card["source"] = _DEFAULT_SOURCES[kind]
    if card.get("model"):
        card["model"] = _model(card["model"])
    return card


def _model(word):
    known = {one.lower(): one for one in CARDS}
    return CARD_SYNONYMS.get(word.lower(), known.get(word.lower(), word))


def check_networks(driver, plan, chipset):
    """Refuse what a card cannot be connected to: VirtualBox takes any name, and then the machine does not start."""
    touched = _touched(plan)
    _check_room(plan, touched, chipset)
    for card in touched.values():
        kind, source = card.get("type"), card.get("source")
        if kind not in _LISTS or not source:
            continue
        known = [one["Name"] for one in output.networks(driver.tool.read("list", _LISTS[kind]))]
        if source not in known:
            raise NotFound(
                f"{plan.after.name}: networks: there is no '{source}' to connect a card of type {kind} to.",
                f"Known: {', '.join(known) or 'none'}.",
            )


def _check_room(plan, touched, chipset):
    """VirtualBox says that there is no such card, and stores all the rest."""
    chipset = (plan.after.config.get("native") or {}).get("chipset", chipset)
    room = ROOM.get(chipset, MOST_CARDS)
    beyond = [number_of(place) for place in touched if number_of(place) > room]
    if beyond:
        remedy = "" if room == MOST_CARDS else f" or set native: {{chipset: ich9}}, which has room for {MOST_CARDS}"
        raise Refused(
            f"{plan.after.name}: networks: it would have a card {max(beyond)}, and the chipset {chipset} has room for"
            f" {room}.",
            f"Have fewer cards{remedy}.",
        )


def _touched(plan):
    """{place: card} of those that come or change."""
    after = plan.after.config.get("networks") or {}
    if any(step.verb == "create" for step in plan.steps):
        return after
    places = {change.key for step in plan.steps for change in step.changes if change.field == "networks"}
    return {place: after[place] for place in sorted(places) if place in after}


def words(sight, changes):
    """modifyvm's words for all changes of cards."""
    result = []
    for place, wanted in _wanted(sight, changes).items():
        result += _words_of_card(number_of(place), wanted)
    return result


def live_words(sight, changes):
    """controlvm's words, one list for each card: only its other end can be changed while the machine runs."""
    result = []
    for place, wanted in _wanted(sight, changes).items():
        kind, source = wanted["type"], wanted.get("source")
        result.append([f"nic{number_of(place)}", NETWORKS[kind][0], *([source] if source else [])])
    return result


def _wanted(sight, changes):
    """{place: what is to be told of the card}; None takes it away."""
    wanted = {}
    for change in changes:
        if change.attribute is None:
            wanted[change.key] = change.new
        else:
            wanted.setdefault(change.key, {})[change.attribute] = change.new
    return {place: card if card is None else _with_its_type(sight, place, card) for place, card in wanted.items()}


def _with_its_type(sight, place, card):
    """Each type has an option of its own for its source, so a new source is written with the type."""
    if "type" not in card and "source" in card:
        return {"type": config_of(sight)["networks"][place]["type"], **card}
    return card


def _words_of_card(number, card):
    if card is None:
        return [f"--nic{number}", "none"]
    result = []
    if "type" in card:
        kind, backend = NETWORKS[card["type"]]
        result += [f"--nic{number}", kind]
        if card.get("source") and backend:
            result += [f"--{backend}{number}", card["source"]]
    if card.get("model"):
        result += [f"--nictype{number}", card["model"]]
    if card.get("mac"):
        result += [f"--macaddress{number}", plain_mac(card["mac"])]
    return result
