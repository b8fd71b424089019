# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver's table of settings: how each is read and written. The same functions configure new and existing VMs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional


@dataclass(frozen=True)
class Setting:
    """One setting. Each platform passes further arguments to the functions, the same ones for all its settings.

    ``read(found)`` returns the value in the form of ``Vm.config``. ``write`` makes one change to the stored settings,
    ``write_live`` to the running VM. ``on_host(driver, found, change)`` returns the change to write, if that depends
    on the host.
    """

    read: Callable
    write: Callable
    write_live: Optional[Callable] = None
    on_host: Optional[Callable] = None


def read_all(settings, found):
    """Return {field: value} of all settings of a table; attributes of a record (display.type) are in one mapping."""
    config = {}
    for kind, setting in settings.items():
        field, _dot, attribute = kind.partition(".")
        if attribute:
            config.setdefault(field, {})[attribute] = setting.read(found)
        else:
            config[field] = setting.read(found)
    return config


def in_order(settings, changes):
    """Return (setting, change) for each change that has a setting in the table, in the order of the table."""
    return [(setting, change) for kind, setting in settings.items() for change in changes if change.kind == kind]
