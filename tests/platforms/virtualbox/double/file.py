# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's settings file: the XML elements that parsers of real files read, and all data that registervm needs."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from pathlib import Path

_SPACE = "http://www.virtualbox.org/"
_MODES = {"file": "RawFile", "server": "HostPipe", "client": "HostPipe"}
_KINDS = {"hdd": "HardDisk", "dvddrive": "DVD", "fdd": "Floppy"}
#: Settings that only the file contains: {option of modifyvm: (path of the element, attribute, {value of the option:
#: value in the file})}.
_IN_FILE = {
    "vm-execution-engine": ("", "executionEngine", {"interpreter": "Interpreter", "recompiler": "Recompiler"}),
    "tpm-type": ("Hardware/TrustedPlatformModule", "type", {"2.0": "v2_0", "1.2": "v1_2"}),
    "autostop-type": ("Autostart", "autostop", {"savestate": "SaveState", "poweroff": "PowerOff"}),
}


def write_file(machine):
    """Write the file if its content has changed."""
    path, text = Path(machine["file"]), _text(machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_existing(machines):
    """Write the files of all VMs, but none that was deleted or damaged."""
    for machine in machines:
        if is_readable(machine):
            write_file(machine)


def is_readable(machine):
    """Whether the settings file exists and is XML. If not, the VM is registered but inaccessible."""
    try:
        with open(machine["file"], encoding="utf-8") as file:
            return file.read(1) == "<"
    except OSError:
        return False


def read_file(path):
    return json.loads(ET.parse(path).getroot().findtext(f"{{{_SPACE}}}Played"))


def _text(machine):
    root = ET.Element("VirtualBox", {"xmlns": _SPACE})
    values = machine["config"]["values"]
    element = ET.SubElement(
        root, "Machine", {"uuid": f"{{{machine['uuid']}}}", "name": machine["name"], "OSType": values["ostype"]}
    )
    if machine.get("state_file"):
        folder = os.path.join(os.path.dirname(machine["file"]), "")
        element.set("stateFile", machine["state_file"].removeprefix(folder))
    if machine["current"]:
        element.set("currentSnapshot", f"{{{machine['current']}}}")
    if values.get("description"):
        ET.SubElement(element, "Description").text = values["description"]
    extra = ET.SubElement(element, "ExtraData")
    for name, value in machine["extra"].items():
        ET.SubElement(extra, "ExtraDataItem", {"name": name, "value": value})
    _add_snapshots(element, machine, None)
    hardware = ET.SubElement(element, "Hardware")
    _add_settings(element, values)
    _add_drives(hardware, machine["config"])
    _add_serial_ports(hardware, values)
    _add_nics(hardware, machine["config"])
    ET.SubElement(root, "Played").text = json.dumps(machine)
    return ET.tostring(root, encoding="unicode")


def _add_settings(element, values):
    for name, (path, attribute, words) in _IN_FILE.items():
        place = element
        for part in filter(None, path.split("/")):
            found = place.find(part)
            place = ET.SubElement(place, part) if found is None else found
        if values.get(name) in words:
            place.set(attribute, words[values[name]])


def _add_serial_ports(hardware, values):
    """As VirtualBox 7.2.22 writes them."""
    ports = ET.SubElement(hardware, "UART")
    for number in range(1, 5):
        base, _comma, irq = values.get(f"uart{number}", "off").partition(",")
        if base == "off":
            continue
        mode, _comma, path = values.get(f"uartmode{number}", "disconnected").partition(",")
        place = {"IOAddress": f"{int(base, 16):#x}", "IRQ": irq}
        port = ET.SubElement(ports, "Port", {"slot": str(number - 1), "enabled": "true", **place})
        if mode == "server":
            port.set("server", "true")
        if path:
            port.set("path", path)
        port.set("hostMode", _MODES.get(mode, "Disconnected"))


def _add_nics(hardware, config):
    """NICs with a setting of NAT, which VirtualBox 7.2.22 keeps for NICs of other types, too."""
    network = ET.SubElement(hardware, "Network")
    for number, nic in config["nics"].items():
        other = nic["other"]
        trace = {"trace": "true"} if other.get("nictrace") == "on" else {}
        trace.update({"tracefile": other["nictracefile"]} if other.get("nictracefile") else {})
        if trace or other.get("natlocalhostreachable") == "on":
            adapter = ET.SubElement(network, "Adapter", {"slot": str(int(number) - 1), **trace})
        if other.get("natlocalhostreachable") == "on":
            parent = adapter if nic["type"] == "nat" else ET.SubElement(adapter, "DisabledModes")
            ET.SubElement(parent, "NAT", {"localhost-reachable": "true"})


def _add_drives(hardware, config):
    controllers = ET.SubElement(hardware, "StorageControllers")
    for controller, slots in config["slots"].items():
        element = ET.SubElement(controllers, "StorageController", {"name": controller})
        for place, slot in slots.items():
            port, device = place.split("-")
            kind = _KINDS.get(slot["kind"], slot["kind"])
            ET.SubElement(element, "AttachedDevice", {"type": kind, "port": port, "device": device})


def _add_snapshots(element, machine, parent):
    for snapshot in (one for one in machine["snapshots"] if one["parent"] == parent):
        taken = datetime.fromtimestamp(snapshot.get("taken", 0), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        attributes = {"uuid": f"{{{snapshot['uuid']}}}", "name": snapshot["name"], "timeStamp": taken}
        attributes.update({"stateFile": "Snapshots/memory.sav"} if snapshot["is_online"] else {})
        below = ET.SubElement(element, "Snapshot", attributes)
        if snapshot["description"]:
            ET.SubElement(below, "Description").text = snapshot["description"]
        hardware = ET.SubElement(below, "Hardware")
        _add_settings(below, snapshot["config"]["values"])
        _add_drives(hardware, snapshot["config"])
        _add_serial_ports(hardware, snapshot["config"]["values"])
        _add_nics(hardware, snapshot["config"])
        _add_snapshots(ET.SubElement(below, "Snapshots"), machine, snapshot["uuid"])
