# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host that lead into the guest: rules of the first card of type nat, known by their names."""

from __future__ import annotations

import ipaddress

from ..._lifecycle.errors import Refused
from ..._ports import net
from ..._tools.vboxmanage_machine import Forward
from .sight import SSH_RULE

_LOCAL = "127.0.0.1"
_SSH = {"host_address": _LOCAL, "guest_port": 22}


def settled(vm, asked):
    """The rules in VirtualBox's terms: one for all addresses of the host has none."""
    found = vm.config.get("port_forwards") or {}
    return {name: entry and _settled(entry, found.get(name, {})) for name, entry in asked.items()}


def _settled(entry, found):
    if entry.get("host_address") != "":
        return entry
    others = {key: value for key, value in entry.items() if key != "host_address"}
    return {**others, "host_address": None} if found.get("host_address") else others


def check_form(vm, config):
    asked = {name: entry for name, entry in (config.get("port_forwards") or {}).items() if entry is not None}
    for name, entry in asked.items():
        reason = _why_not(name)
        if reason:
            raise Refused(f"{vm.name}: port_forwards: no rule can be named {name!r}: {reason}.", "Choose another name.")
        if entry.get("host_address"):
            _check_address(vm, name, entry["host_address"])
    if (asked or config.get("ssh_forward")) and "nat" not in _types(vm, config):
        option = "port_forwards" if asked else "ssh_forward"
        raise Refused(
            f"{vm.name}: {option}: no card of the machine is of type nat.",
            "Give it one in networks, or reach the guest by its address on its network.",
        )


def _why_not(name):
    """What forbids a rule's name, or None."""
    if name == SSH_RULE:
        return "it is the rule of ssh_forward"
    if "," in name:
        return "a comma ends it"
    if "%" in name:
        # Its list of all machines dies of '%n' or of a few '%s', whoever asks for it.
        return "VBoxManage takes what follows a percent sign for a format, and prints something else or crashes"
    if "\n" in name or "\r" in name:
        return "VBoxManage prints line breaks as they are, and they cannot be read back"
    return None


def _check_address(vm, name, address):
    try:
        ipaddress.IPv4Address(address)
    except ValueError as error:
        raise Refused(
            f"{vm.name}: port_forwards: host_address '{address}' of {name} is no IPv4 address.",
            "Write one such as 127.0.0.1, or leave it out for all.",
        ) from error


def _types(vm, config):
    """The types of its cards once the task is done."""
    if not vm.config and "networks" not in config:
        return {"nat"}  # What a new machine gets by default.
    found, asked = vm.config.get("networks") or {}, config.get("networks") or {}
    gone = {place for place, entry in asked.items() if entry is None}
    cards = {place: {**found.get(place, {}), **(asked.get(place) or {})} for place in {*found, *asked} - gone}
    return {card.get("type") for card in cards.values()}


def wanted_rules(sight, changes, taken, ports):
    """(names of rules to remove, rules to add) that make ``changes``; ``ports`` chooses none that is ``taken``."""
    removed, added = [], {}
    for change in changes:
        name = SSH_RULE if change.field == "ssh_forward" else change.key
        present = sight.rules.get(name)
        if present and name not in removed:
            removed.append(name)
        rule = added.get(name) or (present[1] if present else Forward(name, "tcp", "", 0, "", 0))
        asked = _asked(change)
        if asked is None:
            added.pop(name, None)
        else:
            added[name] = _changed(rule, asked)
    taken = taken | {rule.host_port for rule in added.values()}
    return removed, [_with_port(sight, rule, taken, ports) for rule in added.values()]


def is_ssh_free(sight):
    """Whether the port that leads to the SSH of a machine which is off is nobody else's in this moment."""
    if SSH_RULE not in sight.rules:
        return True  # The task has just taken away the card that had it.
    _card, rule = sight.rules[SSH_RULE]
    return net.is_free(rule.host_address, rule.host_port, rule.protocol)


def words_for_fresh_ssh(sights, sight, ports):
    """modifyvm's words that put the way to a machine's SSH on a port that nobody has."""
    card, _rule = sight.rules[SSH_RULE]
    taken = taken_ports(sights.values())
    rule = _with_port(sight, _changed(Forward(SSH_RULE, "tcp", "", 0, "", 0), _SSH), taken, ports)
    return words(sight, card, [SSH_RULE], [rule])


def _asked(change):
    if change.field == "ssh_forward":
        return _SSH if change.new else None
    if change.attribute is None:
        return change.new
    return {change.attribute: change.new}


def _changed(rule, asked):
    return Forward(
        rule.name,
        asked.get("protocol", rule.protocol),
        asked.get("host_address", rule.host_address) or "",
        asked.get("host_port", rule.host_port),
        rule.guest_address,
        asked.get("guest_port", rule.guest_port),
    )


def _with_port(sight, rule, taken, ports):
    if rule.host_port:
        return rule
    return Forward(rule.name, rule.protocol, rule.host_address, ports.choose(sight, rule, taken), "", rule.guest_port)


def text_of(rule):
    parts = (rule.name, rule.protocol, rule.host_address, rule.host_port, rule.guest_address, rule.guest_port)
    return ",".join(map(str, parts))


def words(sight, card, removed, added):
    """modifyvm's words; all removals come first, for no two rules may have a name or a port in common."""
    result = []
    for name in removed:
        result += [f"--natpf{sight.rules[name][0]}", "delete", name]
    for rule in added:
        result += [f"--natpf{card}", text_of(rule)]
    return result


def live_words(sight, card, removed, added):
    """controlvm's, one list for each call."""
    gone = [[f"natpf{sight.rules[name][0]}", "delete", name] for name in removed]
    return [*gone, *([f"natpf{card}", text_of(rule)] for rule in added)]


def taken_ports(sights, but=None):
    """The host ports of all machines, or of all but one: those that are off want theirs again."""
    return {rule.host_port for sight in sights if sight.uuid != but for _card, rule in sight.rules.values()}


def ssh_of(sight):
    """How to reach the guest's SSH through a rule, or None."""
    rules = [rule for _card, rule in sight.rules.values() if rule.guest_port == 22 and rule.protocol == "tcp"]
    if not rules:
        return None
    rule = next((one for one in rules if one.name == SSH_RULE), rules[0])
    everywhere = not rule.host_address or ipaddress.ip_address(rule.host_address).is_unspecified
    host = _LOCAL if everywhere else rule.host_address
    return {"host": host, "port": rule.host_port, "user": None, "scope": "host"}
