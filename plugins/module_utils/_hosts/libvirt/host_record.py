# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what the role libvirt_host added to a host: a JSON file on the host, which only root can read.

It is written before each change, so that an interrupted run loses nothing: packages are recorded by the list of those
that were installed before.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from ..._core.errors import PolyvirtError

PATH = "/var/lib/polyvirt/libvirt_host.json"
_FORMAT = 1


@dataclass(frozen=True)
class Record:
    """What was added. ``packages_before``: while packages are being installed, the names of those that existed.

    ``units``: enabled units of systemd; ``started``: daemons were started. ``nested``: the file of modprobe was
    written. ``folders``: directories of libvirt that did not exist. ``forwarding``: that of IPv4 and IPv6 before the
    first change, as text. ``stopped``: a removal has stopped the daemons, so the host has no VMs.
    """

    packages_before: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    started: bool = False
    users: tuple[str, ...] = ()
    nested: bool = False
    networks: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    forwarding: tuple[str, ...] = ()
    stopped: bool = False

    def after_installation(self, installed):
        """Return the record with the packages that an installation has added to ``installed``."""
        if not self.packages_before:
            return self
        added = installed - set(self.packages_before) | set(self.packages)
        return replace(self, packages_before=(), packages=tuple(sorted(added)))


def parse(data):
    """Return the record in the content of the file (bytes); None without a file. Raises PolyvirtError."""
    if data is None:
        return None
    try:
        values = json.loads(data)
        if values.pop("format") != _FORMAT:
            raise ValueError("unknown format")
        return Record(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PolyvirtError(
            f"{PATH} cannot be read: {error}.",
            "It lists what this collection added to the host. Restore it from a backup, or delete it and remove "
            "packages and settings by hand.",
        ) from error


def dump(record):
    """Return the content of the file."""
    return json.dumps({"format": _FORMAT, **asdict(record)}, indent=1, sort_keys=True).encode() + b"\n"
