# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that live in the definition alone: how each is read from it and written to it.

A machine is made by the same writing as it is changed: what a new one shall have are so many additions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

from . import forwarding, maxima, sharing
from .boot import read_boot_order, write_boot_order
from .definition import Definition
from .firmware import read_firmware, read_secure_boot, write_firmware, write_secure_boot
from .nested import read_nested, write_nested
from .screen import read_display, write_display
from .serial_log import read_serial_log, write_serial_log
from .tpm import read_tpm, write_tpm


@dataclass(frozen=True)
class Setting:
    """``read(definition)`` gives the value in the vocabulary's form; ``write(definition, change)`` makes one change.

    ``plug(driver, vm, running, change)`` makes a change that costs LIVE to what runs as well, before it is stored;
    ``running`` is the Definition of what runs.
    ``on_host(driver, definition, change)`` gives the change to be written, where that depends on what the host has.
    """

    read: Callable
    write: Callable
    plug: Optional[Callable] = None
    on_host: Optional[Callable] = None


#: By the vocabulary's name of the field. A maximum comes after what it leaves room for.
SETTINGS = {
    "cpus": Setting(lambda definition: definition.cpus, maxima.write_cpus, maxima.plug_cpus),
    "memory": Setting(lambda definition: definition.memory, maxima.write_memory, maxima.plug_memory),
    "max_cpus": Setting(maxima.read_max_cpus, maxima.write_max_cpus),
    "max_memory": Setting(maxima.read_max_memory, maxima.write_max_memory),
    "firmware": Setting(read_firmware, write_firmware),
    "secure_boot": Setting(read_secure_boot, write_secure_boot),
    "tpm": Setting(read_tpm, write_tpm),
    "nested_virtualization": Setting(read_nested, write_nested),
    "display": Setting(read_display, write_display),
    "boot_order": Setting(read_boot_order, write_boot_order),
    "serial_log": Setting(read_serial_log, write_serial_log),
    "shared_folders": Setting(sharing.read_shares, sharing.write_share, on_host=sharing.with_driver),
    "port_forwards": Setting(forwarding.read_forwards, forwarding.write_forward),
}


def read_settings(definition: Definition):
    """{field: value} of all settings."""
    return {name: setting.read(definition) for name, setting in SETTINGS.items()}


def write_setting(driver, definition, change):
    """Make one change in a definition."""
    setting = SETTINGS[change.field]
    setting.write(definition, setting.on_host(driver, definition, change) if setting.on_host else change)
