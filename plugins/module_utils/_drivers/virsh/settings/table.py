# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Table of the settings that are stored in the definition, with the functions that read and write them.

The same functions create and change a VM: the settings of a new VM are written one by one.
"""

from __future__ import annotations

from ...._kit.settings import Setting, read_all
from .disks import read_disks, read_iso
from .display import read_display, read_serial_log, write_display, write_serial_log
from .firmware import (
    read_boot_order,
    read_firmware,
    read_secure_boot,
    read_tpm,
    write_boot_order,
    write_firmware,
    write_secure_boot,
    write_tpm,
)
from .memory_cpus import (
    read_max_cpus,
    read_max_memory,
    read_nested,
    write_cpus,
    write_live_cpus,
    write_live_memory,
    write_max_cpus,
    write_max_memory,
    write_memory,
    write_nested,
)
from .networks import read_networks
from .port_forwards import read_forwards, write_forward
from .shared_folders import read_shares, with_share_driver, write_share

#: {field: Setting} with ``read(definition)``, ``write(definition, change)`` and, to change the running VM first,
#: ``write_live(driver, vm, running, change)`` with its running definition. A maximum comes after the value it limits.
SETTINGS = {
    "cpus": Setting(read=lambda definition: definition.cpus, write=write_cpus, write_live=write_live_cpus),
    "memory": Setting(read=lambda definition: definition.memory, write=write_memory, write_live=write_live_memory),
    "max_cpus": Setting(read=read_max_cpus, write=write_max_cpus),
    "max_memory": Setting(read=read_max_memory, write=write_max_memory),
    "firmware": Setting(read=read_firmware, write=write_firmware),
    "secure_boot": Setting(read=read_secure_boot, write=write_secure_boot),
    "tpm": Setting(read=read_tpm, write=write_tpm),
    "nested_virtualization": Setting(read=read_nested, write=write_nested),
    "display": Setting(read=read_display, write=write_display),
    "boot_order": Setting(read=read_boot_order, write=write_boot_order),
    "serial_log": Setting(read=read_serial_log, write=write_serial_log),
    "shared_folders": Setting(read=read_shares, write=write_share, on_host=with_share_driver),
    "port_forwards": Setting(read=read_forwards, write=write_forward),
}


def config_of(definition, sizes, own_files=frozenset(), native_keys=()):
    """The settings in a definition.

    ``sizes`` is {slot: bytes}. ``own_files`` are the cloud-init seed ISOs, which ``iso`` does not report.
    """
    config = {
        **read_all(SETTINGS, definition),
        "disks": read_disks(definition, sizes),
        "networks": read_networks(definition),
        "iso": read_iso(definition, own_files),
    }
    if native_keys:
        config["native"] = {key: definition.native(key) for key in native_keys}
    return config


def write_setting(driver, definition, change):
    """Apply one change to a definition."""
    setting = SETTINGS[change.field]
    setting.write(definition, setting.on_host(driver, definition, change) if setting.on_host else change)
