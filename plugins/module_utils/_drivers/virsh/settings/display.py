# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The display with its video card, and the log of the first serial port."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

from ...._lifecycle.errors import NotFound, Refused
from ...._lifecycle.units import KIB
from ...._ports import files

#: Renders for another display and shows nothing itself.
_HELPER = "egl-headless"
_SPICE_CHANNELS = ("spicevmc", "spiceport")
#: Every guest has a driver for it, and its memory can be set.
_MODEL = "vga"
#: Video cards whose memory size cannot be set.
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
    """libvirt refuses these in a VM without SPICE."""
    return device.get("type") in _SPICE_CHANNELS or (device.tag == "audio" and device.get("type") == "spice")


def _video_model(definition):
    """The model of the first video card, which is added where there is none."""
    model = definition.root.find("devices/video/model")
    if model is not None and model.get("type") != "none":
        return model
    for video in definition.root.findall("devices/video"):
        definition.devices.remove(video)
    return ET.SubElement(ET.SubElement(definition.devices, "video"), "model", {"type": _MODEL})


def normalized_display(vm, display):
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
    """Its path, or an empty text."""
    port = definition.root.find("devices/serial")
    log = port.find("log") if port is not None else None
    return log.get("file", "") if log is not None else ""


def write_serial_log(definition, change):
    """Set the log of the first serial port; the console that libvirt lists is the same port."""
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


def check_serial_log(name, vm_id, path, definitions, local):
    """Reject a file that another VM writes to, and one that is not a log: virtlogd, as root, would truncate it."""
    real = os.path.realpath if local else os.path.normpath
    users = {one.name for one in definitions if one.uuid != vm_id and real(path) in map(real, _outputs(one))}
    if users:
        raise Refused(
            f"{name}: serial_log: {path} is already written by {', '.join(sorted(users))}; each VM needs its own file.",
            "Use another file.",
        )
    owners = {one.name for one in definitions if real(path) in map(real, _images(one))}
    if owners:
        raise Refused(
            f"{name}: serial_log: {path} is a disk or the NVRAM of {', '.join(sorted(owners))}.", "Use another file."
        )
    if not local:
        return
    folder = os.path.dirname(path)
    if not files.is_folder(folder):
        raise NotFound(f"{name}: serial_log: {folder} is not a directory.", "Create it, or use another directory.")
    if files.exists(path) and not files.is_file(path):
        raise Refused(f"{name}: serial_log: {path} is not a file.", "Use the path of a file.")
    if files.holds_zeroes(path):
        raise Refused(
            f"{name}: serial_log: {path} already exists and is not a text file; virtlogd would truncate it.",
            "Use another file.",
        )


def _outputs(definition):
    """Files to which devices of a VM write output."""
    logs = [log.get("file") for log in definition.devices.iter("log")]
    ports = [source.get("path") for source in definition.root.findall("devices/*[@type='file']/source")]
    return [path for path in (*logs, *ports) if path]


def _images(definition):
    sources = [source.get("file") for source in definition.devices.iter("source")]
    return [path for path in (*sources, definition.get("os/nvram")) if path and os.path.isabs(path)]
