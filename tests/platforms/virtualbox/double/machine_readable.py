# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of ``showvminfo --machinereadable``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from .registry import ON, folder_of
from .settings import BACKENDS, NUMBERS, SECTIONS

_NAT = ("mtu=0", "sockSnd=64", "sockRcv=64", "tcpWndSnd=64", "tcpWndRcv=64", "localhostReachable={reachable}",
        "forwardBroadcast=0", "enableTFTP=0")  # fmt: skip
_NOT_IN_6 = {"iommu"}


def moment(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000"


def machine_readable(registry, machine, os_type):
    """All lines of ``showvminfo --machinereadable``."""
    config, is_on = machine["config"], machine["state"] in ON
    is_old = registry.version < (7, 0)
    lines = _head(machine, os_type, is_old)
    lines += _section(0, machine, is_old)
    lines += [f'VMState="{machine["state"]}"', f'VMStateChangeTime="{moment(machine["since"])}"']
    if machine.get("state_file"):
        lines.append(f'VMStateFile="{machine["state_file"]}"')
    lines += _section(1, machine, is_old) + _storage(registry, config, is_old)
    for number, nic in config["nics"].items():
        lines += _nic(registry, number, nic)
    lines += _section(2, machine, is_old)
    if is_on:
        lines += ['SessionName="headless"', 'VideoMode="720,400,0"@0,0 1']
    lines += _section(3, machine, is_old)
    lines += _folders(config["folders"])
    if is_on:
        lines += ['VRDEActiveConnection="off"', "VRDEClients==0"]
    lines += _section(4, machine, is_old)
    if machine["config"]["values"].get("description"):
        lines.append(f'description="{escaped(machine["config"]["values"]["description"])}"')
    lines += [*snapshot_lines(machine), "GuestMemoryBalloon=0"]
    if is_on:
        additions = machine.get("properties", {}).get("/VirtualBox/GuestAdd/Version")
        lines += [f'GuestOSType="{os_type["id"]}"', f"GuestAdditionsRunLevel={2 if additions else 0}"]
    return lines


def _head(machine, os_type, is_old):
    folder = folder_of(machine)
    lines = [f'name="{escaped(machine["name"])}"']
    lines += [] if is_old else ['encryption="disabled"']
    lines.append(f'groups="{machine["groups"]}"')
    architecture = machine["config"]["values"].get("platformArchitecture", "x86")
    lines += [] if is_old else [f'platformArchitecture="{architecture}"']
    return [
        *lines,
        f'ostype="{os_type["description"]}"',
        f'UUID="{machine["uuid"]}"',
        f'CfgFile="{escaped(machine["file"])}"',
        f'SnapFldr="{escaped(folder)}/Snapshots"',
        f'LogFldr="{escaped(folder)}/Logs"',
        f'hardwareuuid="{machine["uuid"]}"',
    ]


def _section(number, machine, is_old):
    lines, base = [], machine["file"].removesuffix(".vbox")
    for key in SECTIONS[number]:
        value = machine["config"]["values"][key]
        if key == "rec_screen0":
            lines.append(" rec_screen0")
        elif key == "NvramFile":
            name = "BIOS NVRAM File" if is_old else key
            lines.append(f'{name}="{escaped(str(nvram_of(machine)))}"')
            lines += [f'SecureBoot="{secure_boot_of(machine)}"'] if secure_boot_of(machine) else []
        elif key == "rec_screen_dest_filename":
            lines.append(f'{key}="{escaped(base)}-screen0.webm"')
        elif not (is_old and key in _NOT_IN_6):
            lines.append(f"{key}={value}" if key in NUMBERS else f'{key}="{escaped(value)}"')
            lines += _serial_port(machine["config"]["values"], key, value, is_old)
    return lines


def _serial_port(values, key, value, is_old):
    """The lines after a serial port that is not off; the type exists since 7.0."""
    if not key.startswith("uart") or value == "off":
        return []
    number = key.removeprefix("uart")
    mode = values.get(f"uartmode{number}", "disconnected")
    return [f'uartmode{number}="{escaped(mode)}"', *([] if is_old else [f'uarttype{number}="16550A"'])]


def _storage(registry, config, is_old):
    lines = []
    for number, controller in enumerate(config["controllers"]):
        name = controller["name"] if is_old else escaped(controller["name"])
        for key in ("name", "type", "instance", "maxportcount", "portcount", "bootable"):
            lines.append(f'storagecontroller{key}{number}="{name if key == "name" else controller[key]}"')
    for controller in config["controllers"]:
        for port in range(int(controller["portcount"])):
            for device in range(controller["devices"]):
                lines += _slot(registry, config, controller, f"{port}-{device}", is_old)
    return lines


def _slot(registry, config, controller, place, is_old):
    name = controller["name"] if is_old else escaped(controller["name"])
    slot = config["slots"][controller["name"]].get(place)
    if slot is None:
        return [f'"{name}-{place}"="none"']
    if slot["medium"] == "emptydrive":
        where = "" if is_old else f"-{place}"
        return [f'"{name}-{place}"="emptydrive"', f'"{name}-IsEjected{where}"="off"']
    medium = registry.media[slot["medium"]]
    path = medium["location"] if is_old else escaped(medium["location"])
    lines = [f'"{name}-{place}"="{path}"', f'"{name}-ImageUUID-{place}"="{medium["uuid"]}"']
    if slot["kind"] == "dvddrive":
        where = "" if is_old else f"-{place}"
        lines += [f'"{name}-{what}{where}"="off"' for what in ("tempeject", "IsEjected")]
    more = ("hot-pluggable",) if controller["type"] == "IntelAhci" else ()
    flags = (*more, "nonrotational", "discard")
    return lines + [f'"{name}-{what}-{place}"="{slot.get(what, "off")}"' for what in flags]


def _nic(registry, number, nic):
    if nic["type"] == "none":
        return [f'nic{number}="none"']
    lines = []
    if nic["type"] == "nat":
        lines.append(f'natnet{number}="{nic["natnet"]}"')
    elif nic["type"] in BACKENDS:
        key = BACKENDS[nic["type"]]
        lines.append(f'{key}{number}="{escaped(nic["other"].get(key, ""))}"')
    lines += [
        f'macaddress{number}="{nic["mac"]}"',
        f'cableconnected{number}="{nic["connected"]}"',
        f'nic{number}="{nic["type"]}"',
        f'nictype{number}="{nic["model"]}"',
        f'nicspeed{number}="0"',
    ]
    if nic["type"] == "nat":
        reachable = int(nic["other"].get("natlocalhostreachable") == "on")
        lines += [f'{key}="{value.format(reachable=reachable)}"' for key, value in (item.split("=") for item in _NAT)]
        rules = sorted(nic["forwards"].items())
        # A bug of 7.0.0, only in this output: it shows no rules if there are several.
        is_faulty = registry.data["version"].startswith("7.0.0r") and len(rules) > 1
        for index, (name, rule) in enumerate([] if is_faulty else rules):
            lines.append(f'Forwarding({index})="{escaped(name)},{",".join(map(str, rule))}"')
    return lines


def _folders(folders):
    lines = []
    for kind, is_transient in (("Machine", False), ("Transient", True)):
        for number, folder in enumerate((one for one in folders if one[3] == is_transient), 1):
            lines.append(f'SharedFolderName{kind}Mapping{number}="{escaped(folder[0])}"')
            lines.append(f'SharedFolderPath{kind}Mapping{number}="{escaped(folder[1])}"')
    return lines


def snapshot_lines(machine):
    """The lines of all snapshots, parents first; names and descriptions are not escaped."""
    return _below(machine, None, "")


def _below(machine, parent, place):
    lines = []
    for number, snapshot in enumerate((one for one in machine["snapshots"] if one["parent"] == parent), 1):
        here = f"{place}-{number}" if parent else ""
        lines += [f'SnapshotName{here}="{snapshot["name"]}"', f'SnapshotUUID{here}="{snapshot["uuid"]}"']
        if snapshot["description"]:
            lines.append(f'SnapshotDescription{here}="{snapshot["description"]}"')
        if snapshot["uuid"] == machine["current"]:
            lines.append(f'CurrentSnapshotName="{snapshot["name"]}"')
            lines.append(f'CurrentSnapshotUUID="{snapshot["uuid"]}"')
            lines.append(f'CurrentSnapshotNode="SnapshotName{here}"')
        lines += _below(machine, snapshot["uuid"], here)
    return lines


def escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


def nvram_of(machine):
    """The file with the variables of the firmware; a snapshot has its own."""
    return Path(machine.get("nvram") or f"{machine['file'].removesuffix('.vbox')}.nvram")


def secure_boot_of(machine):
    """on or off; None if there is no file with variables, or the firmware does not use it."""
    values = machine["config"]["values"]
    return values.get("SecureBoot") if nvram_of(machine).exists() and values["firmware"] != "BIOS" else None
