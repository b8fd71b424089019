# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The display: how a machine's screen is seen, and the video card behind it.

A display of the type that is asked for stays as it is, with its password, its port and the address it listens on.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ..._lifecycle.errors import Refused
from ..._lifecycle.units import KIB

#: Draws for another display and shows nothing itself.
_HELPER = "egl-headless"
_SPICE_CHANNELS = ("spicevmc", "spiceport")
#: Every guest has a driver for it, and its memory can be set.
_MODEL = "vga"
#: Cards that take no notice of a memory size.
MODELS_WITHOUT_MEMORY = ("virtio", "cirrus", "ramfb")


def read_display(definition):
    shown = _displays(definition)
    display = {"type": shown[0].get("type") if shown else "none"}
    model = definition.root.find("devices/video/model")
    if model is not None and model.get("vram"):
        display["video_memory"] = int(model.get("vram")) * KIB
    return display


def _displays(definition):
    return [one for one in definition.root.findall("devices/graphics") if one.get("type") != _HELPER]


def write_display(definition, change):
    if change.attribute == "video_memory":
        _video_model(definition).set("vram", str(change.new // KIB))
    else:
        _show_as(definition, change.new)


def _show_as(definition, kind):
    devices = definition.devices
    for display in _displays(definition):
        if display.get("type") != kind:
            devices.remove(display)
    if kind != "spice":
        for device in [one for one in devices if _needs_spice(one)]:
            devices.remove(device)
    if kind == "none":
        return
    if not _displays(definition):
        display = ET.SubElement(devices, "graphics", {"type": kind, "autoport": "yes"})
        ET.SubElement(display, "listen", {"type": "address", "address": "127.0.0.1"})
    _video_model(definition)


def _needs_spice(device):
    """libvirt refuses these in a machine without SPICE."""
    return device.get("type") in _SPICE_CHANNELS or (device.tag == "audio" and device.get("type") == "spice")


def _video_model(definition):
    """The model of the first video card, which is added where there is none."""
    model = definition.root.find("devices/video/model")
    if model is not None and model.get("type") != "none":
        return model
    for video in definition.root.findall("devices/video"):
        definition.devices.remove(video)
    return ET.SubElement(ET.SubElement(definition.devices, "video"), "model", {"type": _MODEL})


def settled_display(vm, display):
    """``display`` as libvirt stores it; memory without a display to show it on is refused."""
    size = display.get("video_memory")
    if size is None:
        return display
    kind = display.get("type") or (vm.config.get("display") or {}).get("type") or "none"
    if kind == "none":
        raise Refused(
            f"{vm.name}: display.video_memory is given for a machine without a display.",
            "Ask for display.type vnc or spice too, or leave video_memory out.",
        )
    # libvirt rounds up to a power of two.
    return {**display, "video_memory": (1 << (-(-size // KIB) - 1).bit_length()) * KIB}
