# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of a running guest: what its agent says, else what cloud-init was told."""

from __future__ import annotations

from ..._lifecycle.errors import ApiError, Refused
from ..._lifecycle.model import Address
from ..._tools import proxmox_values as values
from .sight import cards_of

_NOT_OURS = ("127.", "169.254.", "::1", "fe80:")
_SSH = 22
#: Seconds after a start in which no guest has an agent: a question to it would take the server three.
_NO_AGENT_YET = 4


def with_addresses(tool, vm, sight, uptime):
    """The running machine ``vm`` with its addresses."""
    by_agent = _told_by_agent(tool, sight) if uptime >= _NO_AGENT_YET else ()
    found = by_agent or _told_to_guest(sight)
    cards = [card.get("macaddr", "").lower() for card in cards_of(sight.running).values()]
    # A guest has bridges and tunnels of its own, at whose addresses others answer, or the task's own host.
    reached = [one for one in found if one.mac in cards] or found
    places = {mac: place for place, mac in enumerate(cards)}
    addresses = tuple(sorted(reached, key=lambda one: (":" in one.address, places.get(one.mac, 0), one.address)))
    return vm.having(addresses=addresses, ssh=_ssh(addresses, sight))


def _told_by_agent(tool, sight):
    if values.parse("agent", sight.running.get("agent", "0")).get("enabled") != "1":
        return []
    try:
        answer = tool.get(f"{sight.path}/agent/network-get-interfaces")
    except (ApiError, Refused):
        # Without the privilege for it, what cloud-init was told is all that is known.
        return []
    cards = answer.get("result") if isinstance(answer, dict) else None
    return list(_of_cards(cards)) if isinstance(cards, list) else []


def _of_cards(cards):
    for card in cards:
        for one in card.get("ip-addresses") or ():
            if not one["ip-address"].startswith(_NOT_OURS):
                yield Address(one["ip-address"], "agent", (card.get("hardware-address") or "").lower() or None)


def _told_to_guest(sight):
    found = []
    for key, text in sorted(sight.running.items()):
        if values.stem(key) != "ipconfig":
            continue
        card = values.parse("net0", sight.running.get(f"net{key.removeprefix('ipconfig')}", ""))
        told = values.parse(key, text)
        fixed = [told[name] for name in ("ip", "ip6") if told.get(name) not in (None, "dhcp", "auto", "manual")]
        found += [Address(one.partition("/")[0], "ipconfig", card.get("macaddr", "").lower() or None) for one in fixed]
    return found


def _ssh(addresses, sight):
    if not addresses:
        return None
    user = sight.stored.get("ciuser") or None
    return {"host": addresses[0].address, "port": _SSH, "user": user, "scope": "network"}
