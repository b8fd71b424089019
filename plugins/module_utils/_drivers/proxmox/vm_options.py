# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of one VM as Proxmox VE stores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from ..._tools import proxmox_values as values
from . import mark


@dataclass(frozen=True)
class VmOptions:
    """``stored`` are its options at its next start, ``running`` those of now; ``digest`` changes with them."""

    vmid: str
    node: str
    stored: Mapping
    running: Mapping
    digest: Optional[str] = None
    pool: Optional[str] = None

    @classmethod
    def read(cls, tool, vmid, node, pool=None):
        stored, running, digest = {}, {}, None
        for entry in tool.get(f"/nodes/{node}/qemu/{vmid}/pending"):
            key = entry["key"]
            if key == "digest":
                digest = entry.get("value")
                continue
            if "value" in entry:
                running[key] = str(entry["value"])
            if "pending" in entry:
                stored[key] = str(entry["pending"])
            elif "value" in entry and not entry.get("delete"):
                stored[key] = str(entry["value"])
        return cls(str(vmid), node, _with_true_sizes(stored, running), running, digest, pool)

    @property
    def path(self):
        return f"/nodes/{self.node}/qemu/{self.vmid}"

    @property
    def mark(self):
        return mark.split(self.stored.get("description"))[1]

    @property
    def is_unfinished(self):
        return mark.is_unfinished(self.vmid, self.mark)


def _with_true_sizes(stored, running):
    """A disk grows at once; what waits for the next start still has the size that it had."""
    sized = dict(stored)
    for key in [key for key in stored if values.bus_of(key) and stored[key] != running.get(key)]:
        waiting, present = (values.parse(key, text) for text in (stored[key], running.get(key, "")))
        if waiting.get("file") == present.get("file") and "size" in present:
            sized[key] = values.printed(key, {**waiting, "size": present["size"]})
    return sized
