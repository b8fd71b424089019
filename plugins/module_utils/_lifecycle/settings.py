# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings as a table of a driver: how each is read and written. New VMs get theirs by the same functions as others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional


@dataclass(frozen=True)
class Setting:
    """One setting. What its functions are given besides is the platform's matter, the same for all its settings.

    ``read(found)`` gives the value in the vocabulary's form, ``write`` makes one change to what is stored, and
    ``write_live`` to what runs. ``on_host(driver, found, change)`` gives the change to be written, where that depends
    on what the host has.
    """

    read: Callable
    write: Callable
    write_live: Optional[Callable] = None
    on_host: Optional[Callable] = None


def read_all(settings, found):
    """The values of all settings of a table by kind: those of a record (display.type) in one mapping."""
    config = {}
    for kind, setting in settings.items():
        field, _dot, attribute = kind.partition(".")
        if attribute:
            config.setdefault(field, {})[attribute] = setting.read(found)
        else:
            config[field] = setting.read(found)
    return config


def in_order(settings, changes):
    """(setting, change) of those changes that the table has, in the order of the table."""
    return [(setting, change) for kind, setting in settings.items() for change in changes if change.kind == kind]
