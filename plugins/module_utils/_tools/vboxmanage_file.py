# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses a VM's settings file, which VirtualBox writes at each change.

It contains what the lists of VBoxManage lack: the type of each drive, when a snapshot was created and whether the VM
was running, where a description ends. Extra data can be read from it without one process for each VM. Default values
are omitted.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime, timezone

from .._core.errors import PolyvirtError
from .._core.frozen import Frozen
from .._ports import files

_SPACE = {"v": "http://www.virtualbox.org/"}


class TakenSnapshot(Frozen):
    """``online``: the snapshot includes the memory of a running VM; ``created`` is in seconds since 1970."""

    uuid: str
    online: bool
    created: int | None
    description: str


class SerialPort(Frozen):
    """An enabled serial port. ``use``: what it is connected with, and its resources; ``is_usual``: those of a PC's
    first port, which is written to a file or not connected.
    """

    path: str
    use: str
    is_usual: bool


class SettingsFile(Frozen):
    """The settings file of one VM; ``machine`` is its element Machine, or the element of a snapshot."""

    machine: ET.Element

    @property
    def uuid(self):
        return _bare(self.machine.get("uuid"))

    @property
    def os_type(self):
        return self.machine.get("OSType")

    @property
    def description(self):
        return self.machine.findtext("v:Description", "", _SPACE)

    @property
    def extra_data(self):
        items = self.machine.findall("v:ExtraData/v:ExtraDataItem", _SPACE)
        return {item.get("name"): item.get("value") for item in items}

    @property
    def state_file(self):
        """The file of the saved memory, relative to the directory of the VM if it is in that; empty without one."""
        return self.machine.get("stateFile") or ""

    @property
    def state_files(self):
        """The same of the VM and of each of its snapshots."""
        return [one.get("stateFile") or "" for one in (self.machine, *self._snapshots())]

    @property
    def drives(self):
        """{(controller, port, device): HardDisk, DVD or Floppy} of the attached devices."""
        # Below Hardware since 7.0, beside it before.
        found = self.machine.find("v:Hardware/v:StorageControllers", _SPACE)
        controllers = self.machine.find("v:StorageControllers", _SPACE) if found is None else found
        return {
            (controller.get("name"), int(device.get("port")), int(device.get("device"))): device.get("type")
            for controller in (() if controllers is None else controllers)
            for device in controller.iterfind("v:AttachedDevice", _SPACE)
        }

    @property
    def has_disks(self):
        """Whether the VM, or a snapshot of it, has a hard disk."""
        return any(one.get("type") == "HardDisk" for one in self.machine.iter(f"{{{_SPACE['v']}}}AttachedDevice"))

    @property
    def serial_files(self):
        """{number of a serial port: file to which it is written}, the first port first."""
        written = {_number(one): one.get("path") for one in self._serial_ports() if one.get("hostMode") == "RawFile"}
        return {number: written[number] for number in sorted(written) if written[number]}

    @property
    def first_serial_files(self):
        """The files to which the first serial port is written, of the VM and in its snapshots."""
        return {one.serial_files.get(1) for one in (self, *map(SettingsFile, self._snapshots()))}

    @property
    def serial_ports(self):
        """{number: SerialPort} of the enabled ones."""
        return {_number(one): _serial_port(one) for one in self._serial_ports()}

    @property
    def trace_files(self):
        """{number of a NIC: file to which its packets are written}, which VirtualBox empties at each start."""
        adapters = self.machine.iterfind("v:Hardware/v:Network/v:Adapter", _SPACE)
        traced = {_number(one): one.get("tracefile") or "" for one in adapters if one.get("trace") == "true"}
        return dict(sorted(traced.items()))

    @property
    def ways_out(self):
        """[(what leads out of the VM, file, socket or device of the host, arguments of modifyvm that close it)]."""
        serial = {_number(one): one for one in self._serial_ports() if one.get("hostMode") != "Disconnected"}
        parallel = self.machine.findall("v:Hardware/v:LPT/v:Port", _SPACE)
        lpt = {_number(one): one.get("path") or "" for one in parallel if one.get("enabled") == "true"}
        return [
            *(
                (f"serial port {number}", serial[number].get("path") or "", [f"--uartmode{number}", "disconnected"])
                for number in sorted(serial)
            ),
            *((f"parallel port {number}", path, [f"--lpt{number}", "off"]) for number, path in sorted(lpt.items())),
            *(
                (f"trace of NIC {number}", path, [f"--nictrace{number}", "off", f"--nictracefile{number}", ""])
                for number, path in self.trace_files.items()
            ),
        ]

    def _serial_ports(self):
        ports = self.machine.findall("v:Hardware/v:UART/v:Port", _SPACE)
        return [one for one in ports if one.get("enabled") == "true"]

    @property
    def snapshots(self):
        """{UUID: TakenSnapshot}."""
        return {one.uuid: one for one in map(_taken, self._snapshots())}

    def taken(self, uuid):
        """The settings of a snapshot, as a SettingsFile; None if there is no such snapshot."""
        return next((SettingsFile(one) for one in self._snapshots() if _bare(one.get("uuid")) == uuid), None)

    def _snapshots(self):
        return self.machine.iter(f"{{{_SPACE['v']}}}Snapshot")

    def attribute(self, path):
        """An attribute by a path such as ``Hardware/TrustedPlatformModule@type``; None if it has its default value."""
        elements, _at, attribute = path.rpartition("@")
        element = self.machine
        if elements:
            element = self.machine.find("/".join(f"v:{part}" for part in elements.split("/")), _SPACE)
        return None if element is None else element.get(attribute)


def settings_in(path):
    """The SettingsFile at ``path``, or None if it cannot be read.

    VirtualBox writes a new file, removes the old one and renames the new one (seen on 7.2.22:
    if a VM is changed all the time, one read in a thousand finds no file).
    """
    try:
        return settings_file(files.read_replaced(path, f"{path}-tmp").decode("utf-8", "replace"))
    except PolyvirtError:
        return None


def descriptions_in(uuid, path):
    """(description of the VM, descriptions of its snapshots with several lines), or None if they cannot be read."""
    file = settings_in(path)
    if file is None or file.uuid != uuid:
        return None
    return (file.description, *(one.description for one in file.snapshots.values() if "\n" in one.description))


def settings_file(text):
    """The SettingsFile from its text, or None if it cannot be parsed."""
    try:
        machine = ET.fromstring(text).find("v:Machine", _SPACE)
    except ET.ParseError:
        return None
    return None if machine is None else SettingsFile(machine)


def _taken(element):
    return TakenSnapshot(
        uuid=_bare(element.get("uuid")),
        online=element.get("stateFile") is not None,
        created=_time(element.get("timeStamp")),
        description=element.findtext("v:Description", "", _SPACE),
    )


def _number(port):
    return int(port.get("slot")) + 1


def _serial_port(element):
    base, irq, mode = element.get("IOAddress") or element.get("IOBase"), element.get("IRQ"), element.get("hostMode")
    return SerialPort(
        path=element.get("path") or "",
        use=f"{mode}, I/O address {base}, IRQ {irq}",
        is_usual=_is_first_of_pc(base, irq) and mode in ("RawFile", "Disconnected"),
    )


def _is_first_of_pc(base, irq):
    try:
        return (int(base, 0), int(irq)) == (0x3F8, 4)
    except (TypeError, ValueError):
        return False


def _bare(uuid):
    return (uuid or "").strip("{}")


def _time(text):
    try:
        return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp())
    except (TypeError, ValueError):
        return None
