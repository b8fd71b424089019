# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that live in the definition alone: how each is read from it and written to it.

A machine is made by the same writing as it is changed: what a new one shall have are so many additions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional

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
    """

    read: Callable
    write: Callable
    plug: Optional[Callable] = None


#: By the vocabulary's name of the field.
SETTINGS = {
    "cpus": Setting(lambda definition: definition.cpus, lambda definition, change: definition.set_cpus(change.new)),
    "memory": Setting(
        lambda definition: definition.memory, lambda definition, change: definition.set_memory(change.new)
    ),
    "firmware": Setting(read_firmware, write_firmware),
    "secure_boot": Setting(read_secure_boot, write_secure_boot),
    "tpm": Setting(read_tpm, write_tpm),
    "nested_virtualization": Setting(read_nested, write_nested),
    "display": Setting(read_display, write_display),
    "boot_order": Setting(read_boot_order, write_boot_order),
    "serial_log": Setting(read_serial_log, write_serial_log),
}


def read_settings(definition: Definition):
    """{field: value} of all settings."""
    return {name: setting.read(definition) for name, setting in SETTINGS.items()}
