# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of the guest agent and of cloud-init."""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import unquote

from . import propertystring, vm_apply
from .config import digest
from .errors import ApiError
from .world import check_lock

_LOOPBACK = {
    "name": "lo",
    "hardware-address": "00:00:00:00:00:00",
    "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}],
}


def asked(call, machine):
    """The server waits for an agent's answer for up to three seconds."""
    agent = machine.config.current.get("agent", "0")
    rules = call.world.schema.properties_of("agent")
    if propertystring.parse(agent, rules).get("enabled") != "1":
        raise ApiError("No QEMU guest agent configured")
    if not machine.running:
        raise ApiError(f"VM {machine.vmid} is not running")
    if not machine.agent_answers(call.world.now):
        yield call.world.timing.agent_ping
        raise ApiError("QEMU guest agent is not running")
    if machine.guest.agent_error:
        return {"error": {"class": "GenericError", "desc": machine.guest.agent_error}}
    return None


def _answering(answer):
    """Create an endpoint of the agent; ``answer(call, machine)`` returns its result if the agent answers."""

    def method(call):
        machine = call.machine()
        refused = yield from asked(call, machine)
        return {"result": refused or answer(call, machine)}

    return method


def _interfaces(call, machine):
    """The guest's NICs: the first has addresses, the others have none."""
    found = [_LOOPBACK]
    options = machine.config.current
    for number, key in enumerate(key for key in (f"net{number}" for number in range(32)) if key in options):
        card = propertystring.parse(options[key], call.world.schema.properties_of(key))
        entry = {"name": f"eth{number}", "hardware-address": card["macaddr"].lower()}
        addresses = _addresses(call, machine) if number == 0 else ()
        if addresses:
            entry["ip-addresses"] = [_address(text) for text in addresses]
        found.append(entry)
    return found


def _addresses(call, machine):
    if machine.guest.addresses is not None:
        return machine.guest.addresses
    asked = machine.config.current.get("ipconfig0", "")
    configured = propertystring.parse(asked, call.world.schema.properties_of("ipconfig0")).get("ip", "dhcp")
    leased = f"198.51.100.{machine.vmid % 250 + 1}/24"
    return (leased if configured == "dhcp" else configured, f"fe80::{machine.vmid:x}/64")


def _address(text):
    interface = ipaddress.ip_interface(text)
    return {
        "ip-address": str(interface.ip),
        "ip-address-type": f"ipv{interface.version}",
        "prefix": interface.network.prefixlen,
    }


def _info(call, machine):
    if machine.guest.agent is None:
        return {"version": "7.2.0", "supported_commands": []}
    return machine.guest.agent.ask({"execute": "guest-info"})


ping = _answering(lambda call, machine: {})
interfaces = _answering(_interfaces)
os_info = _answering(lambda call, machine: {"id": "debian", "name": "Debian GNU/Linux", "version-id": "12"})
host_name = _answering(lambda call, machine: {"host-name": machine.config.current.get("name", "localhost")})
info = _answering(_info)
freeze_status = _answering(lambda call, machine: "frozen" if machine.frozen else "thawed")


def command(call):
    """POST agent with ``command``, which calls one of the endpoints above."""
    methods = {"ping": ping, "network-get-interfaces": interfaces, "get-osinfo": os_info, "info": info}
    if call.get("command") not in methods:
        raise ApiError(f"the agent's {call.get('command')!r} is not simulated", 501)
    return methods[call.get("command")](call)


def renew_cloudinit(call):
    """PUT cloudinit: create the cloud-init drive again."""
    machine = call.machine()
    check_lock(machine.config)
    yield call.world.timing.config
    vm_apply.renew_cloudinit(call.world, machine)


def dump_cloudinit(call):
    """The approximate content of the drive, to check that it was created from the options (the form is ASSUMED)."""
    options = call.machine().config.current
    if call.get("type") == "user":
        keys = [line for line in unquote(options.get("sshkeys", "")).split("\n") if line]
        lines = ["#cloud-config", f"hostname: {options.get('name', call.vmid)}"]
        lines += [f"user: {options['ciuser']}"] if "ciuser" in options else []
        lines += ["ssh_authorized_keys:", *(f"  - {key}" for key in keys)] if keys else []
        return "\n".join(lines) + "\n"
    if call.get("type") == "meta":
        return f"instance-id: {digest(json.dumps(options, sort_keys=True))}\n"
    return json.dumps({key: value for key, value in options.items() if key.startswith(("ipconfig", "net"))})
