# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the output of VBoxManage without the collection's parsers, which are under test."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)

from platforms.leases import lease_in

#: VirtualBox's name of each power state.
STATES = {RUNNING: "running", STOPPED: "poweroff", PAUSED: "paused", SUSPENDED: "saved", FAILED: "gurumeditation"}
_POWERS = {**{state: power for power, state in STATES.items()}, "aborted": STOPPED, "aborted-saved": SUSPENDED}
_LISTED = re.compile(r'^"(.*?)" \{([0-9a-f-]{36})\}$', re.M | re.S)
_MEDIUM = re.compile(r"^UUID: +(\S+)\nParent UUID: +(\S+)\n.*?^Location: +(.*?)\n", re.M | re.S)
#: Lines about the state of a VM, not about its configuration. localhostReachable changes when VirtualBox reads a
#: settings file of an older format again. SecureBoot="off" is reported after the NVRAM file of a started VM was read
#: again, which happens if the daemon ends between two calls, as it does on a busy host.
_NOT_CONFIGURATION = re.compile(
    r"(VMState|VMStateChangeTime|VMStateFile|SessionName|VideoMode|VRDE\w*|vrdeport|GuestOSType|GuestMemoryBalloon"
    r'|localhostReachable|SecureBoot(?=="off")|GuestAdditions.*|(Current)?Snapshot\w+[-\d]*|"[^\n]*-ImageUUID-[-\d]+")='
)
_SLOT = re.compile(r'^"(.+)-(\d+)-(\d+)"="(.*)"$', re.M)
_IN_DRIVE = re.compile(r"emptydrive|.*\.(iso|viso)", re.I)
_NICS = {"intnet": "internal", "natnetwork": "network"}
#: The rule of the option ssh_forward, which does not belong to port_forwards.
_SSH_RULE = "polyvirt-ssh"
_NAMESPACE = "{http://www.virtualbox.org/}"


def listed(text):
    """{name: UUID} from ``list vms``."""
    return dict(_LISTED.findall(text))


def parents(text):
    """{file: its backing file, or None} from ``list hdds``."""
    found = {uuid: (parent, location) for uuid, parent, location in _MEDIUM.findall(text)}
    return {location: found.get(parent, (None, None))[1] for parent, location in found.values()}


def below(file, parent_of):
    """The backing files of ``file``, nearest first."""
    while parent_of.get(file):
        file = parent_of[file]
        yield file


def bases(text):
    """{file: its lowest backing file}: a snapshot attaches a new file, but the disk is still the same."""
    parent_of = parents(text)
    return {file: (list(below(file, parent_of)) or [file])[-1] for file in parent_of}


def leaves_first(text):
    """UUIDs of all registered disks, each before its backing disk."""
    found = {uuid: parent for uuid, parent, _location in _MEDIUM.findall(text)}

    def depth(uuid):
        return 1 + depth(found[uuid]) if found.get(uuid) in found else 0

    return sorted(found, key=depth, reverse=True)


def value(text, key):
    """One value of ``showvminfo --machinereadable``, without quotes, or None if it is not reported."""
    found = re.search(rf'^{re.escape(key)}=(?:"(.*)"|(.*))$', text, re.M)
    return None if found is None else found[1] if found[1] is not None else found[2]


def power(state):
    return _POWERS.get(state, state)


def has_snapshot_files(output):
    """Whether files that snapshots created are attached to a VM."""
    return "/Snapshots/{" in output


def vm_state(uuid, output, base_of):
    """The state of a VM, without data that differs from call to call. ``base_of`` is from ``bases``."""
    lines = [line for line in output.split("\n") if not _NOT_CONFIGURATION.match(line)]
    stored = "\n".join(lines)
    for file, base in base_of.items():
        stored = stored.replace(f'"{file}"', f'"{base}"')
    now = power(value(output, "VMState"))
    slots = {(controller, int(port), int(device)): path for controller, port, device, path in _SLOT.findall(output)
             if path.startswith("/") or path == "emptydrive"}  # fmt: skip
    return {
        "id": uuid,
        "power": now,
        "stored": stored,
        "running": stored if now in (RUNNING, PAUSED) else None,
        "autostart": value(output, "autostart-enabled") == "on",
        "snapshots": re.findall(r"^(?:Current)?SnapshotUUID.*$", output, re.M),
        "disks": {_slot(*place): path for place, path in slots.items() if not _IN_DRIVE.fullmatch(path)},
        "media": {_slot(*place): path for place, path in sorted(slots.items()) if _IN_DRIVE.fullmatch(path)},
        **_in_file(Path(value(output, "CfgFile"))),
    }


def _slot(controller, port, device):
    return f"{controller} {port}:{device}" if device else f"{controller} {port}"


def _in_file(file):
    """Values of the settings file that VBoxManage does not report, or only in one more call for each VM."""
    try:
        machine = ET.parse(file).find(f"{_NAMESPACE}Machine")
    except ET.ParseError:
        return {"mark": "{}", "tags": [], "fleet": "", **lease_in({}), "tpm": False}
    items = machine.findall(f"{_NAMESPACE}ExtraData/{_NAMESPACE}ExtraDataItem")
    extra = {item.get("name"): item.get("value") for item in items}
    mark = extra.get("polyvirt/mark", "{}")
    module = machine.find(f"{_NAMESPACE}Hardware/{_NAMESPACE}TrustedPlatformModule")
    return {
        "mark": mark,
        "tags": json.loads(mark).get("tags", []),
        "fleet": json.loads(mark).get("fleet", ""),
        **lease_in(json.loads(mark)),
        "tpm": module is not None and module.get("type") not in (None, "None"),
    }


def settings(machine):
    """A VM's settings by option name; ``machine`` is from ``vm_state``."""
    output = machine["stored"]
    boot = [value(output, f"boot{place}") for place in (1, 2, 3, 4)]
    nics = [kind for _number, kind in sorted(re.findall(r'^nic(\d+)="(\w+)"$', output, re.M)) if kind != "none"]
    drives = {slot: path for slot, path in machine["media"].items() if "seed" not in path}
    media = list(drives.values())
    rules = [rule.rsplit(",", 5) for rule in re.findall(r'^Forwarding\(\d+\)="(.*)"$', output, re.M)]
    return {
        "cpus": int(value(output, "cpus")),
        "memory": int(value(output, "memory")) << 20,
        "description": value(output, "description") or "",
        "tags": machine["tags"],
        "fleet": machine["fleet"],
        "owner": machine["owner"],
        "expires": machine["expires"],
        "autostart": machine["autostart"],
        "disks": sorted(machine["disks"]),
        "networks": [_NICS.get(kind, kind) for kind in nics],
        "iso": "" if media[:1] in ([], ["emptydrive"]) else media[0],
        "cdroms": list(drives),
        "firmware": "bios" if value(output, "firmware") == "BIOS" else "uefi",
        "tpm": machine["tpm"],
        "rtc": {"on": "utc", "off": "localtime"}[value(output, "rtcuseutc")],
        "os_type": value(output, "ostype"),
        "display": int(value(output, "vram")) << 20,
        "port_forwards": {rule[0]: (rule[1], int(rule[5])) for rule in rules if rule[0] != _SSH_RULE},
        "ssh_forward": any(rule[5] == "22" for rule in rules),
        "shared_folders": _folders(output),
        "groups": value(output, "groups").split(","),
        "graphics_controller": value(output, "graphicscontroller"),
        "boot_order": [device for device in boot if device != "none"],
        "native": value(output, "hpet"),
    }


def _folders(output):
    names, paths = (
        dict(re.findall(rf'^SharedFolder{what}MachineMapping(\d+)="(.*)"$', output, re.M)) for what in ("Name", "Path")
    )
    return {name: paths[number] for number, name in names.items()}


def macs(machine):
    """The MAC addresses of a VM's NICs."""
    return set(re.findall(r'^macaddress\d+="(.*)"$', machine["stored"], re.M))


def snapshots(file):
    """{name: {parent, state, description, current}} from a settings file; VBoxManage does not report the state."""
    machine = ET.parse(file).find(f"{_NAMESPACE}Machine")
    current = machine.get("currentSnapshot")
    return {name: {**one, "current": one["current"] == current} for name, one in _tree(machine, None)}


def _tree(node, parent):
    children = [*node.findall(f"{_NAMESPACE}Snapshot"), *node.findall(f"{_NAMESPACE}Snapshots/{_NAMESPACE}Snapshot")]
    for one in children:
        yield (
            one.get("name"),
            {
                "parent": parent,
                "state": RUNNING if one.get("stateFile") else STOPPED,
                "description": one.findtext(f"{_NAMESPACE}Description") or "",
                "current": one.get("uuid"),
            },
        )
        yield from _tree(one, one.get("name"))


def is_old_copy(path):
    """Whether a file is VirtualBox's copy of settings before a change, or before a conversion to a newer format."""
    copy = re.fullmatch(r"(.+)(\.vbox-prev|-\d+\.\d+-\w+\.vbox)", path.name)
    return copy is not None and path.with_name(f"{copy[1]}.vbox").exists()
