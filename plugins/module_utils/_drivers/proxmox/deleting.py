# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which volumes go with a machine. The server removes all that are its own, and none that is another's."""

from __future__ import annotations

from ..._lifecycle.model import File
from ..._tools import proxmox_values as values
from .sight import media_of, volumes_of


def files_of(tool, sight, names):
    """The volumes of one machine, each with who else needs it; ``names`` are those of all machines by id."""
    users = _users(tool, sight, names) if sight.stored.get("template") == "1" else {}
    files = [_file(sight, volume, users, names) for volume in volumes_of(sight.stored).values()]
    return (*files, *(File(medium, "medium") for medium in media_of(sight.stored).values()))


def _file(sight, volume, users, names):
    owner = values.owner_of(volume)
    if owner != sight.vmid:
        return File(volume, "disk", used_by=(names.get(owner, f"VM {owner}"),) if owner else ())
    return File(volume, "disk", ours=True, used_by=users.get(volume, ()), bound=True)


def _users(tool, sight, names):
    """{volume of a template: names of the machines that stand on it}."""
    found = {}
    for storage in sorted({volume.partition(":")[0] for volume in volumes_of(sight.stored).values()}):
        for one in tool.get(f"/nodes/{sight.node}/storage/{storage}/content", content="images"):
            if one.get("parent"):
                base = one["parent"].partition("@")[0]
                volume = base if ":" in base else f"{storage}:{base}"
                vmid = str(one.get("vmid") or values.owner_of(one["volid"]))
                found.setdefault(volume, set()).add(names.get(vmid, f"VM {vmid}"))
    return {volume: tuple(sorted(users)) for volume, users in found.items()}
