# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the option native that the server would reject, or that could not start: checked before the first step."""

from __future__ import annotations

import re

from ..._lifecycle.errors import ApiError, Refused
from ..._tools import proxmox_schema as schema
from ..._tools import proxmox_values as values

_CUSTOM = "custom-"
_DEVICE = re.compile(r"(net|hostpci|usb)\d+")


def check_values(driver, label, node, keys, options):
    """``keys`` are those of native, ``options`` all options of the VM as they will be."""
    for key in keys:
        text = options.get(key) or ""
        found = schema.fault(key, text)
        if found and driver.release()[0] <= schema.NEWEST:
            raise Refused(f"{label}: native: {key}: '{found[0]}' is not valid.", f"Allowed: {found[1]}.")
        if key == "cpu":
            _check_model(driver, label, node, values.parse("cpu", text).get("cputype"))
        elif key == "boot":
            _check_order(label, values.parse("boot", text).get("order", ""), options)
        elif key == "bootdisk":
            _check_order(label, text, options)
        elif key == "vmstatestorage" and text:
            driver.places.choose_storage(label, node, "images", text)


def _check_model(driver, label, node, model):
    """Custom models are listed only for those who may see them, so an unknown one is left to the server."""
    if not model or model.startswith(_CUSTOM):
        return
    try:
        known = [one["name"] for one in driver.tool.get(f"/nodes/{node}/capabilities/qemu/cpu")]
    except (ApiError, Refused):
        return
    if known and model not in known:
        near = [name for name in known if name.lower().startswith(model[:3].lower())] or known
        raise Refused(
            f"{label}: native: cpu: node '{node}' has no CPU model '{model}'.",
            f"Models: {', '.join(sorted(near)[:12])}; custom ones begin with {_CUSTOM}.",
        )


def _check_order(label, order, options):
    for device in filter(None, re.split(r"[;, ]+", order)):
        if device not in options or not (values.bus_of(device) or _DEVICE.fullmatch(device)):
            bootable = sorted(key for key in options if values.bus_of(key) or _DEVICE.fullmatch(key))
            raise Refused(
                f"{label}: native: boot: the VM has no device '{device}'.", f"Its devices: {', '.join(bootable)}."
            )
