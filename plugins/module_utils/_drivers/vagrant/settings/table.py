# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a VM: how each is read from its description in the managed Vagrantfile, and written to it."""

from __future__ import annotations

from ...._core.model import EMPTY
from ...._core.units import MIB
from ...._kit.settings import Setting, read_all
from .disks import read_disks, write_disks
from .networks import read_networks, write_networks
from .provisioners import masked, read_provisioners

#: Settings with the same name and value in a description.
_PLAIN = (
    "provider", "box", "box_version", "box_url", "box_checksum", "os_type", "hostname", "cpus", "gui", "linked_clone",
)  # fmt: skip
#: Settings that only describe a VM and do not affect how it runs.
DESCRIPTIVE = ("description", "tags", "fleet", "os_type", "box_url", "box_checksum")
#: Settings with another name in a description.
_KEYS = {"disks": "disk"}


def _plain(name):
    return Setting(read=lambda described: described.get(name), write=lambda value: value)


def _by_name(key):
    """A setting that is {name: entry}, and a list of entries with the key ``name`` in a description."""
    return Setting(
        read=lambda described: {
            one["name"]: {part: value for part, value in one.items() if part != "name"}
            for one in described.get(key) or ()
        },
        write=lambda entries: [{"name": name, **entry} for name, entry in sorted((entries or {}).items())],
    )


def _read_memory(described):
    return described["memory"] * MIB if described.get("memory") else None


#: {option: Setting}. ``read(described)`` returns the value, ``write(value)`` the value in the description.
SETTINGS = {
    **{name: _plain(name) for name in _PLAIN},
    "description": Setting(read=lambda described: described.get("description", ""), write=lambda text: text),
    "native": Setting(read=lambda described: dict(described.get("native") or {}), write=lambda native: native),
    "tags": Setting(read=lambda described: tuple(described.get("tags") or ()), write=lambda tags: list(tags or ())),
    "fleet": Setting(read=lambda described: described.get("fleet", ""), write=lambda fleet: fleet or None),
    "memory": Setting(read=_read_memory, write=lambda size: size // MIB if size else None),
    "disks": Setting(read=read_disks, write=write_disks),
    "networks": Setting(read=read_networks, write=write_networks),
    "port_forwards": _by_name("port_forwards"),
    "shared_folders": _by_name("shared_folders"),
    "provisioners": Setting(read=read_provisioners, write=lambda entries: list(entries or ())),
}


def description_of(name, config):
    """A VM's description from its settings."""
    described = {_KEYS.get(field, field): setting.write(config.get(field)) for field, setting in SETTINGS.items()}
    return {"name": name, **{key: value for key, value in described.items() if value not in (None, [], {})}}


def config_of(described, environment=EMPTY):
    """A VM's settings from its description; ``environment`` is that of its project."""
    return {**read_all(SETTINGS, described), "environment": masked(environment)}
