# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: versions of the volumes and files that plans use: was one replaced after its plan was approved?"""

from __future__ import annotations

from ..._core.errors import NotFound, PolyvirtError
from ..._core.planner.contents import files_of_appliance
from ..._ports import files
from ..._tools import proxmox_values as values
from .settings.hardware import AUTO
from .settings.iso import iso_name

#: The option of native with documents for cloud-init on a storage: user=local:snippets/x.yml,...
_DOCUMENTS = "cicustom"


class Versions:
    """Lists each storage of a node at most once, and only if a plan uses something on it."""

    def __init__(self, driver):
        self._driver = driver
        #: {(node, storage): {volume: entry}}.
        self._listed = {}

    def of(self, path, plan):
        """Return [size, time] of a volume, or of the file that becomes one; None if it cannot be seen."""
        if path in files_of_appliance(plan):
            return files.version(path)
        node, name = self._node_of(plan), iso_name(path)
        if name is None:
            return self._on_storage(node, path)
        try:
            storage = self._driver.resources.choose_storage("iso", node, "iso", self._driver.storage)
        except NotFound:
            return None
        return self._on_storage(node, f"{storage}:iso/{name}") or self._elsewhere(path)

    def _elsewhere(self, path):
        """Return the version of what is uploaded or downloaded. The checksum of the task is part of its digest."""
        if path.startswith("/"):
            return files.version(path)
        return [] if self._driver.iso_checksum else None

    def _node_of(self, plan):
        node = plan.after.config.get("node")
        return self._driver.resources.assigned.nodes.get(plan.after.name) if node in (None, AUTO) else node

    def _on_storage(self, node, volume):
        storage = volume.partition(":")[0]
        if (node, storage) not in self._listed:
            self._listed[node, storage] = self._volumes(node, storage)
        entry = self._listed[node, storage].get(volume)
        return [entry.get("size"), entry.get("ctime")] if entry else None

    def _volumes(self, node, storage):
        try:
            found = self._driver.tool.get(f"/nodes/{node}/storage/{storage}/content")
        except PolyvirtError:
            return {}
        return {entry["volid"]: entry for entry in found}


def documents_in(plan):
    """Return the volumes with documents for cloud-init that a plan sets (native: cicustom)."""
    native = plan.after.config.get("native") or {}
    is_set = any(_DOCUMENTS in _native_of(step) for step in plan.steps)
    return sorted(values.parse(_DOCUMENTS, native[_DOCUMENTS]).values()) if is_set else []


def _native_of(step):
    """Return the keys of native that a step sets."""
    changed = {change.key for change in step.changes if change.field == "native" and change.new}
    return {*changed, *((step.arguments.get("config") or {}).get("native") or ())}
