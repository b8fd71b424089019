# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: files with options of a VM, which are merged with the options of the user. Pure."""

from __future__ import annotations

from ..tasks.registry import PLATFORMS

_KEYS = {"title": str, "platform": str, "distribution": str, "vm": dict}


class InvalidPreset(Exception):
    """A preset is invalid; the message names the file and the key."""


def checked(document, source):
    """Return ``document``. Raises InvalidPreset if it is not a preset. ``source`` is its path (for messages)."""
    if not isinstance(document, dict):
        raise InvalidPreset(f"{source}: must be a mapping.")
    for key, kind in _KEYS.items():
        if not isinstance(document.get(key), kind):
            raise InvalidPreset(f"{source}: '{key}' must be a {kind.__name__}.")
    unknown = sorted(set(document) - set(_KEYS))
    if unknown:
        raise InvalidPreset(f"{source}: unknown key '{unknown[0]}' (known: {', '.join(_KEYS)}).")
    if document["platform"] not in PLATFORMS:
        raise InvalidPreset(f"{source}: platform '{document['platform']}' is unknown (known: {', '.join(PLATFORMS)}).")
    return document


def vm_from_preset(preset, overrides):
    """Return an entry of ``machines`` of the module ``vm``. Mappings are merged, other values are replaced."""
    return merged({"platform": preset["platform"], **preset["vm"]}, overrides)


def merged(first, second):
    """Return ``first`` updated with ``second``; a null in ``second`` removes the key."""
    result = {key: value for key, value in first.items() if second.get(key, value) is not None}
    for key, value in second.items():
        if isinstance(value, dict) and isinstance(first.get(key), dict):
            result[key] = merged(first[key], value)
        elif value is not None:
            result[key] = value
    return result
