# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the display with its video device, and the log of the first serial port."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ...._core.errors import Refused
from ...._core.units import KIB, MIB
from ...._kit.settings import Setting
from .architecture import row_in

#: This type only renders for another display, so it is not counted as a display.
_RENDERER = "egl-headless"
_SPICE_CHANNELS = ("spicevmc", "spiceport")
#: Models of video devices without a setting for their memory.
MODELS_WITHOUT_MEMORY = ("virtio", "cirrus", "ramfb")


def read_display(definition):
    displays = _displays(definition)
    display = {"type": displays[0].get("type") if displays else "none"}
    model = definition.root.find("devices/video/model")
    if displays and model is not None and model.get("vram"):
        display["video_memory"] = int(model.get("vram")) * KIB
    return display


def _displays(definition):
    return [one for one in definition.devices_named("graphics") if one.get("type") != _RENDERER]


def write_display(definition, change):
    if change.attribute == "video_memory":
        _video_model(definition).set("vram", str(change.new // KIB))
    else:
        _set_display_type(definition, change.new)


def _set_display_type(definition, kind):
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


def display_effects(changes):
    """Part of the ``side_effects`` of the traits: what is removed together with a SPICE display."""
    if any(change.path == "display.type" and change.old == "spice" for change in changes):
        return ("devices that need SPICE, such as USB redirection, are removed if there are any",)
    return ()


def _needs_spice(device):
    """Whether libvirt rejects this device in a VM without a SPICE display."""
    return device.get("type") in _SPICE_CHANNELS or (device.tag == "audio" and device.get("type") == "spice")


def _video_model(definition):
    """The ``model`` element of the first video device, which is added if there is none."""
    model = definition.root.find("devices/video/model")
    if model is not None and model.get("type") != "none":
        return model
    for video in definition.devices_named("video"):
        definition.devices.remove(video)
    return ET.SubElement(ET.SubElement(definition.devices, "video"), "model", {"type": row_in(definition).video})


def normalize_display(vm, display):
    """``display`` as libvirt stores it; video memory without a display is rejected."""
    size = display.get("video_memory")
    if size is None:
        return display
    kind = display.get("type") or (vm.config.get("display") or {}).get("type") or "none"
    if kind == "none":
        raise Refused(
            f"{vm.name}: display.video_memory needs a display, and the VM has none.",
            "Set display.type to vnc or spice, or omit video_memory.",
        )
    # libvirt rounds up to a power of two.
    return {**display, "video_memory": (1 << (-(-size // KIB) - 1).bit_length()) * KIB}


def read_serial_log(definition):
    """The path of the log, or an empty string."""
    port = definition.root.find("devices/serial")
    log = port.find("log") if port is not None else None
    return log.get("file", "") if log is not None else ""


def write_serial_log(definition, change):
    """Set or remove the log of the first serial port. libvirt lists the same port as a console too."""
    port = definition.root.find("devices/serial")
    if port is None:
        if not change.new:
            return
        port = ET.SubElement(definition.devices, "serial", {"type": "pty"})
    log = port.find("log")
    if not change.new:
        if log is not None:
            port.remove(log)
        return
    if log is None:
        log = ET.SubElement(port, "log", {"append": "off"})
    log.set("file", change.new)


#: The option ``display`` sets only a part of both elements; ``native`` can set the rest, such as an address.
DISPLAY = {
    "display": Setting(
        read=read_display,
        normalize=normalize_display,
        write=write_display,
        native=(r"devices/graphics(@type)?$", r"devices/video(/model@vram)?$"),
    ),
    "display.type": Setting(),
    "display.video_memory": Setting(minimum=MIB),
    "serial_log": Setting(read=read_serial_log, write=write_serial_log, native=(r"devices/(serial|console)/log\b",)),
}
