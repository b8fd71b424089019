# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of a running guest: those that its agent reports, else those that cloud-init was given."""

from __future__ import annotations

from ..._lifecycle.errors import ApiError, Refused
from ..._lifecycle.model import Address
from ..._tools import proxmox_values as values
from .settings.networks import nics_of

_NOT_OURS = ("127.", "169.254.", "::1", "fe80:")
_SSH = 22
#: Seconds after a start in which no guest has an agent: a question to it would take the server three.
_NO_AGENT_YET = 4


def with_addresses(tool, vm, vm_options, uptime):
    """The running VM ``vm`` with its addresses."""
    by_agent = _reported_by_agent(tool, vm_options) if uptime >= _NO_AGENT_YET else ()
    found = by_agent or _given_to_cloud_init(vm_options)
    nics = [nic.get("macaddr", "").lower() for nic in nics_of(vm_options.running).values()]
    # A guest has bridges and tunnels of its own, at whose addresses others answer, or the task's own host.
    reached = [one for one in found if one.mac in nics] or found
    places = {mac: place for place, mac in enumerate(nics)}
    addresses = tuple(sorted(reached, key=lambda one: (":" in one.address, places.get(one.mac, 0), one.address)))
    return vm.having(addresses=addresses, ssh=_ssh(addresses, vm_options))


def _reported_by_agent(tool, vm_options):
    if values.parse("agent", vm_options.running.get("agent", "0")).get("enabled") != "1":
        return []
    try:
        answer = tool.get(f"{vm_options.path}/agent/network-get-interfaces")
    except (ApiError, Refused):
        # Without the privilege for it, what cloud-init was told is all that is known.
        return []
    nics = answer.get("result") if isinstance(answer, dict) else None
    return list(_of_nics(nics)) if isinstance(nics, list) else []


def _of_nics(nics):
    for nic in nics:
        for one in nic.get("ip-addresses") or ():
            if not one["ip-address"].startswith(_NOT_OURS):
                yield Address(one["ip-address"], "agent", (nic.get("hardware-address") or "").lower() or None)


def _given_to_cloud_init(vm_options):
    found = []
    for key, text in sorted(vm_options.running.items()):
        if values.stem(key) != "ipconfig":
            continue
        nic = values.parse("net0", vm_options.running.get(f"net{key.removeprefix('ipconfig')}", ""))
        reported = values.parse(key, text)
        fixed = [reported[name] for name in ("ip", "ip6") if reported.get(name) not in (None, "dhcp", "auto", "manual")]
        found += [Address(one.partition("/")[0], "ipconfig", nic.get("macaddr", "").lower() or None) for one in fixed]
    return found


def _ssh(addresses, vm_options):
    if not addresses:
        return None
    user = vm_options.stored.get("ciuser") or None
    return {"host": addresses[0].address, "port": _SSH, "user": user, "scope": "network"}
