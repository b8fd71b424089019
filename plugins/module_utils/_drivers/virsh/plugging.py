# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting devices into machines that run."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ..._lifecycle.errors import CommandFailed

_NO_PLACE = "No more available PCI slots"


def attach(driver, vm, element):
    """Plug a device into what runs. Raises CommandFailed, with a remedy where the machine has no free place."""
    try:
        driver.virsh.run("attach-device", vm.id, "/dev/stdin", "--live", stdin=ET.tostring(element, encoding="unicode"))
    except CommandFailed as error:
        if _NO_PLACE not in error.stderr:
            raise
        raise CommandFailed(
            error.argv,
            error.rc,
            error.stderr,
            message=f"{vm.name}: it runs with no free PCI slot, so no {element.tag} can be plugged in.",
            remedy="Stop it and run the task again: when it is off, libvirt makes room for what is added.",
        ) from error
