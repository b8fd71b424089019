# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the observed VMs an info module reports. Pure."""

from __future__ import annotations

from .fleet import is_of

#: Filters by what is a part of the settings.
_OF_SETTINGS = ("tags", "fleet", "owned")


def facets_for(filters):
    """What must be observed to decide, besides the power."""
    is_needed = any((filters or {}).get(name) is not None for name in _OF_SETTINGS)
    return frozenset({"config"} if is_needed else ())


def matches(vm, filters):
    """Whether a VM has all that ``filters`` name; those that are None count as not given."""
    given = {name: value for name, value in (filters or {}).items() if value is not None}
    return all(_MATCHES[name](vm, value) for name, value in given.items())


def _has_tags(vm, tags):
    return set(tags) <= set(vm.config.get("tags") or ())


_MATCHES = {
    "state": lambda vm, states: vm.power in states,
    "tags": _has_tags,
    "fleet": is_of,
    "owned": lambda vm, owned: vm.owned is owned,
}
