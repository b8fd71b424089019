# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of the first serial port: virtlogd writes what the guest says there to a file of the hypervisor."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

from ..._lifecycle.errors import NotFound, Refused
from ..._ports import files


def read_serial_log(definition):
    """Its path, or an empty text."""
    port = definition.root.find("devices/serial")
    log = port.find("log") if port is not None else None
    return log.get("file", "") if log is not None else ""


def write_serial_log(definition, change):
    """The console that libvirt shows beside the first port is the same port, and follows it."""
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


def check_serial_log(name, machine_id, path, definitions, local):
    """Refuse a file that another machine writes, and one that is no log: virtlogd, as root, would empty it."""
    real = os.path.realpath if local else os.path.normpath
    users = {one.name for one in definitions if one.uuid != machine_id and real(path) in map(real, _outputs(one))}
    if users:
        raise Refused(
            f"{name}: serial_log {path} is written by {', '.join(sorted(users))} too, and one file serves one machine.",
            "Name another file.",
        )
    owners = {one.name for one in definitions if real(path) in map(real, _images(one))}
    if owners:
        raise Refused(
            f"{name}: serial_log {path} is a disk or the NVRAM of {', '.join(sorted(owners))}.", "Name another file."
        )
    if not local:
        return
    folder = os.path.dirname(path)
    if not files.is_folder(folder):
        raise NotFound(f"{name}: serial_log: {folder} is no folder.", "Create it, or name another.")
    if files.exists(path) and not files.is_file(path):
        raise Refused(f"{name}: serial_log {path} is no file.", "Name a file.")
    if files.holds_zeroes(path):
        raise Refused(
            f"{name}: serial_log {path} exists and is no log, and virtlogd would empty it.", "Name another file."
        )


def _outputs(definition):
    """Files that anything in a machine writes its output to."""
    logs = [log.get("file") for log in definition.devices.iter("log")]
    ports = [source.get("path") for source in definition.root.findall("devices/*[@type='file']/source")]
    return [path for path in (*logs, *ports) if path]


def _images(definition):
    sources = [source.get("file") for source in definition.devices.iter("source")]
    return [path for path in (*sources, definition.get("os/nvram")) if path and os.path.isabs(path)]
