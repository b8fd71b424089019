# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the observed VMs that an info module reports. Pure."""

from __future__ import annotations

from ..planner.fleet import belongs_to
from ..record.leases import is_expired

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


def _has_tags(vm, tags):
    return set(tags) <= set(vm.config.get("tags") or ())


_MATCHES = {
    "state": lambda vm, states: vm.power in states,
    "tags": _has_tags,
    "fleet": belongs_to,
    "owner": lambda vm, owner: vm.config.get("owner") == owner,
    "owned": lambda vm, owned: vm.owned is owned,
}
