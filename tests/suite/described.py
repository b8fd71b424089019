# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs described as tasks (``describe: true``): such a task as an entry of ``machines``, and what a result reports."""

from __future__ import annotations

#: Keys of a result that are settings of the VM, and those that are lists of entries with the name of their key.
_SETTINGS = ("state", "cpus", "memory_mib", "description", "tags", "fleet", "autostart", "iso")
_LISTS = {"disks": "slot", "port_forwards": "name", "shared_folders": "name"}


def entry_of(task):
    """A described task as the options of the platform's own module."""
    shared = {name: value for name, value in task.items() if name not in ("platform", "options")}
    return {**shared, **task.get("options", {})}


def settings_of(vm):
    """{path as in a diff: value} of all settings that a result reports."""
    paths = {}
    for name, value in {**{key: vm[key] for key in _SETTINGS}, **vm["settings"], "native": vm["native"]}.items():
        paths.update(_flat(name.removesuffix("_mib"), value))
    for name in ("disks", "networks"):
        paths.update(_flat(name, vm[name]))
    return {path: value for path, value in paths.items() if value is not None}


def _flat(name, value):
    if name == "networks":
        value = {str(place): entry for place, entry in enumerate(value)}
    elif name in _LISTS:
        key = _LISTS[name]
        value = {one[key]: {part: two for part, two in one.items() if part != key} for one in value}
    if not isinstance(value, dict) or name.count(".") == 2:
        return {name: value}
    return {path: one for key, part in value.items() for path, one in _flat(f"{name}.{key}", part).items()}
