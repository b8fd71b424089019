# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the table of all settings of a VM, and the settings in a definition.

The same functions create and change a VM: the settings of a new VM are written one by one. Rows have
``read(definition)``, ``write(definition, change)`` and, to change the running VM first, ``write_live(driver, vm,
running, change)`` with its running definition. Disks, the ISO image and NICs of an existing VM are changed by
configure.py, because that needs more than the definition.
"""

from __future__ import annotations

from ...._core.frozen import replace
from ...._core.model import FAILED, LIVE, NEXT_BOOT, SUSPENDED
from ...._core.record.mark import IN_MARK
from ...._kit.settings import Setting, read_all
from .addresses import ADDRESSES
from .architecture import ARCHITECTURE
from .cdroms import CDROMS, read_cdroms
from .devices import DEVICES
from .disks import DISKS, read_disks
from .display import DISPLAY
from .firmware import BOOT_ORDER, FIRMWARE
from .hardware import HARDWARE
from .memory_cpus import MEMORY_CPUS, NESTED
from .native import NATIVE, described_native
from .networks import NICS
from .nvram import NVRAM
from .port_forwards import FORWARDS
from .shared_folders import SHARES

_ROWS = {
    "description": Setting(
        cost=LIVE,
        write=lambda definition, change: definition.set("description", change.new),
        native=(r"description\b",),
    ),
    **dict.fromkeys(IN_MARK, Setting(cost=LIVE)),
    "autostart": Setting(cost=LIVE),
    **ARCHITECTURE,
    **MEMORY_CPUS,
    **FIRMWARE,
    **NVRAM,
    **HARDWARE,
    **NESTED,
    **DISKS,
    **CDROMS,
    **NICS,
    **DISPLAY,
    **BOOT_ORDER,
    **SHARES,
    **DEVICES,
    **FORWARDS,
    **NATIVE,
}
#: A suspended VM continues as it was saved, and a failed one must be restarted: nothing changes before its cold start.
#: Addresses are settings of the networks, which do not depend on the power state.
SETTINGS = {
    **{kind: replace(row, least={SUSPENDED: NEXT_BOOT, FAILED: NEXT_BOOT}) for kind, row in _ROWS.items()},
    **ADDRESSES,
}


def config_of(definition, sizes, own_files=frozenset(), native_keys=()):
    """The settings in a definition.

    ``sizes`` is {slot: bytes}. ``own_files`` are the cloud-init seed ISOs, which ``cdroms`` does not have. If
    ``native_keys`` is None, native has the values that a new VM does not have.
    """
    disks = read_disks(definition, sizes)
    config = {**read_all(SETTINGS, definition), "disks": disks, "cdroms": read_cdroms(definition, own_files)}
    if native_keys is None:
        config["native"] = described_native(definition)
    elif native_keys:
        config["native"] = {key: definition.native(key) for key in native_keys}
    return config


def write_setting(driver, definition, change):
    """Apply one change to a definition."""
    setting = SETTINGS[change.field]
    setting.write(definition, setting.on_host(driver, definition, change) if setting.on_host else change)
