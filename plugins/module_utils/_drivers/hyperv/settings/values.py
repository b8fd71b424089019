# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: rows of settings with a single value (those with the same command are one call), and a cost of devices."""

from __future__ import annotations

from functools import partial

from ...._core.model import FAILED, POWER_OFF, SUSPENDED
from ...._kit.settings import Setting

#: The least cost of changing devices: a VM with saved memory, or one that failed, has to be off.
WHILE_SAVED = {SUSPENDED: POWER_OFF, FAILED: POWER_OFF}


class ValueSetting(Setting):
    """``read(raw, found)`` returns the value of a raw VM; ``write(value)`` returns arguments of ``command``."""

    command: str = ""


def value(command, parameter, object_="VM", property_="", names=None, absent=None, **more):
    """Return the row of a setting that is read from one property of Hyper-V and written with one parameter.

    ``object_`` is the object that has the property: the VM itself, or such as its Firmware. ``property_`` is empty if
    it has the name of the parameter. ``names`` is {value of the option: value in Hyper-V}, if they differ. ``absent``
    is the value of the option where this release of Hyper-V lacks the property.
    """
    options = {name: option for option, name in (names or {}).items()}
    read, write = partial(_read, object_, property_ or parameter, options, absent), partial(_write, parameter, names)
    keys = (f"{object_}.{property_ or parameter}", f"{command.partition('-VM')[2] or 'VM'}.{parameter}")
    return ValueSetting(read=read, write=write, command=command, native=keys, **more)


def part(raw, object_):
    return raw if object_ == "VM" else raw.get(object_) or {}


def _read(object_, property_, options, absent, raw, _found):
    found = part(raw, object_).get(property_, absent)
    return options.get(found, found)


def _write(parameter, names, new):
    return {parameter: names[new] if names else new}
