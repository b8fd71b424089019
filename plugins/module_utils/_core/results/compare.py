# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a snapshot with another snapshot of the same VM, or with the current VM."""

from __future__ import annotations

from ..errors import Refused, Unsupported
from ..planner.plan_snapshot import find_one_snapshot
from .vm_result import flat_config, plain


def points(vm, asked):
    """Return (before, after): the snapshots named in ``asked``; ``after`` is None for the current VM."""
    return find_one_snapshot(vm, asked.before), None if asked.after is None else find_one_snapshot(vm, asked.after)


def differences(vm, before, after):
    """Return [{path, before, after}] for each setting that differs; a value is None if the setting was not set."""
    old = flat_config(_settings(vm, before))
    new = flat_config(vm.config if after is None else _settings(vm, after))
    return [
        {"path": path, "before": plain(old.get(path)), "after": plain(new.get(path), old.get(path))}
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def _settings(vm, snapshot):
    if snapshot.config is None:
        raise Refused(
            f"{vm.name}: snapshot '{snapshot.name}' does not contain the settings of the VM.",
            "Compare another snapshot.",
        )
    return snapshot.config


def check_content(vm, traits):
    """Raise Unsupported if the platform cannot compare the files in a VM's disks."""
    if "snapshot.content" not in traits.fields:
        raise Unsupported(
            f"{vm.name}: {traits.platform} cannot compare the files on its disks here.",
            traits.instead.get("snapshot.content", "Omit content."),
        )
