# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What info modules report: the VMs that match their filters, and how a snapshot differs from another one. Pure."""

from __future__ import annotations

from ..errors import Refused, Unsupported
from ..planner.drives import iso_slot, with_iso
from ..planner.fleet import belongs_to
from ..planner.plan_snapshot import find_one_snapshot
from ..record.leases import is_expired
from .vm_result import flat_config, plain


def points(vm, asked):
    """Return (before, after): the snapshots named in ``asked``; ``after`` is None for the current VM."""
    return find_one_snapshot(vm, asked.before), None if asked.after is None else find_one_snapshot(vm, asked.after)


def differences(vm, before, after):
    """Return [{path, before, after}] for each setting that differs; a value is None if the setting was not set."""
    configs = _settings(vm, before), vm.config if after is None else _settings(vm, after)
    old, new = (flat_config(with_iso(config, iso_slot(*configs))) for config in configs)
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


#: Filters that need the facet "config".
_NEED_CONFIG = ("tags", "fleet", "owner", "expired", "owned")


def facets_for(filters):
    """Return the facets that the filters need besides the power state."""
    is_needed = any((filters or {}).get(name) is not None for name in _NEED_CONFIG)
    return frozenset({"config"} if is_needed else ())


def matches(vm, filters, now=None):
    """Return whether a VM matches all ``filters``; filters that are None are ignored.

    ``now`` is the time of the controller in seconds since 1970.
    """
    active = {name: value for name, value in (filters or {}).items() if value is not None}
    if active.pop("expired", None) is (not is_expired(vm, now)):
        return False
    return all(_MATCHES[name](vm, value) for name, value in active.items())


_MATCHES = {
    "state": lambda vm, states: vm.power in states,
    "tags": lambda vm, tags: set(tags) <= set(vm.config.get("tags") or ()),
    "fleet": belongs_to,
    "owner": lambda vm, owner: vm.config.get("owner") == owner,
    "owned": lambda vm, owned: vm.owned is owned,
}
