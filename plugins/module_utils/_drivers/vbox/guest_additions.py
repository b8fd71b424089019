# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Guest Additions report of themselves: by guest properties, and their run level by showvminfo."""

from __future__ import annotations

from ..._core.errors import PolyvirtError
from ..._tools import vboxmanage_machine

#: VirtualBox writes it at each start of a VM.
BOOTED = "/VirtualBox/HostInfo/VBoxVer"
_VERSIONS = ("/VirtualBox/GuestAdd/VersionExt", "/VirtualBox/GuestAdd/Version")
#: VirtualBox's numbers of the run levels, in order.
_RUN_LEVELS = ("none", "system", "userland", "desktop")


def is_of_this_boot(properties, one):
    """Whether the guest set a property since it booted: VirtualBox keeps older ones, such as after a suspend."""
    booted = properties.get(BOOTED)
    return booted is None or one.time >= booted.time


def reported(properties):
    """The state of the Guest Additions of a running VM.

    A guest without a version may still be starting, so it is not known whether they are installed.
    """
    version = next((properties[key] for key in _VERSIONS if key in properties and properties[key].value), None)
    return {
        "installed": True if version else None,
        "running": version is not None and is_of_this_boot(properties, version),
        "version": version.value if version else None,
        "run_level": None,
    }


def with_run_level(tool, vm):
    """The VM with the run level: one call more, so only if its Guest Additions run."""
    if not (vm.guest_tools and vm.guest_tools["running"]):
        return vm
    try:
        values = vboxmanage_machine.machine(tool.read("showvminfo", vm.id, "--machinereadable")).values
    except PolyvirtError:
        return vm  # It was stopped in the meantime.
    level = values.get("GuestAdditionsRunLevel", "")
    name = _RUN_LEVELS[min(int(level), len(_RUN_LEVELS) - 1)] if level.isdigit() else None
    return vm.having(guest_tools={**vm.guest_tools, "run_level": name})
