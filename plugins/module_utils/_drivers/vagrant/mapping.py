# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary's words in those of a Vagrantfile's description (_tools/vagrantfile), and back."""

from __future__ import annotations

from ..._lifecycle.model import EMPTY, Secret
from ..._lifecycle.units import MIB

#: The one disk that comes with a box. Vagrant's own name for it.
PRIMARY = "primary"
#: The card that Vagrant itself reaches a machine by; it is there without being described.
FIRST_NIC = "0"
#: Words that both sides share.
_PLAIN = (
    "provider", "box", "box_version", "box_url", "box_checksum", "os_type", "hostname", "cpus", "gui", "linked_clone",
    "description", "native",
)  # fmt: skip
_NIC_TYPES = {"hostonly": "private", "bridged": "public"}
_NIC_TYPE_OF = {word: kind for kind, word in _NIC_TYPES.items()}
#: What is kept about a machine, and no part of what it runs with.
DESCRIPTIVE = ("description", "tags", "os_type", "box_url", "box_checksum")


def machine_of(name, config):
    """A machine's description from its settings."""
    size = ((config.get("disks") or {}).get(PRIMARY) or {}).get("size")
    machine = {
        "name": name,
        **{word: config.get(word) for word in _PLAIN},
        "tags": list(config.get("tags") or ()),
        "memory": config["memory"] // MIB if config.get("memory") else None,
        "disk": size // MIB if size else None,
        "networks": [_described_nic(entry) for place, entry in _in_order(config.get("networks")) if place != FIRST_NIC],
        "port_forwards": _named(config.get("port_forwards")),
        "shared_folders": _named(config.get("shared_folders")),
        "provisioners": list(config.get("provisioners") or ()),
    }
    return {key: value for key, value in machine.items() if value not in (None, [], {})}


def config_of(machine, environment=EMPTY):
    """A machine's settings from its description; ``environment`` is its project's."""
    size, memory = machine.get("disk"), machine.get("memory")
    cards = {str(number): _nic_of(one) for number, one in enumerate(machine.get("networks") or (), 1)}
    return {
        **{word: machine.get(word) for word in _PLAIN},
        "native": dict(machine.get("native") or {}),
        "description": machine.get("description", ""),
        "tags": tuple(machine.get("tags") or ()),
        "memory": memory * MIB if memory else None,
        "disks": {PRIMARY: {"size": size * MIB} if size else {}},
        "networks": {FIRST_NIC: {"type": "nat"}, **cards},
        "port_forwards": _by_name(machine.get("port_forwards")),
        "shared_folders": _by_name(machine.get("shared_folders")),
        "provisioners": tuple(_provisioner_of(one) for one in machine.get("provisioners") or ()),
        "environment": _variables(environment),
    }


def _provisioner_of(described):
    return {**described, **({"env": _variables(described["env"])} if "env" in described else {})}


def _variables(described):
    """What they hold is nobody's to see."""
    return {name: Secret(value) for name, value in described.items()}


def _in_order(networks):
    return sorted((networks or {}).items(), key=lambda item: int(item[0]))


def _described_nic(entry):
    told = {"type": _NIC_TYPES[entry["type"]], "address": entry.get("address"), "mac": entry.get("mac")}
    return {**told, "bridge": entry.get("source")}


def _nic_of(network):
    told = {"type": _NIC_TYPE_OF[network["type"]], "address": network.get("address"), "mac": network.get("mac")}
    return {key: value for key, value in {**told, "source": network.get("bridge")}.items() if value is not None}


def _named(entries):
    return [{"name": name, **entry} for name, entry in sorted((entries or {}).items())]


def _by_name(entries):
    return {one["name"]: {key: value for key, value in one.items() if key != "name"} for one in entries or ()}


def note_of_ssh(told):
    """A forwarded port is told by the provider; any other is the guest's own, and the box's to say."""
    port = {} if told.host.startswith("127.") else {"port": told.port}
    return {"user": told.user, "key_file": told.key_file, **port}
