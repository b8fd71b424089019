# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses ``showvminfo --machinereadable`` and ``snapshot list --machinereadable``. Pure: text in, values out.

In values and quoted keys, only backslashes and quotes are escaped (by a backslash); line breaks are printed as they
are. Names and descriptions of snapshots are not escaped at all.

"Machine" is VirtualBox's own term for a VM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._core.frozen import Frozen, field
from .._core.pattern import Pattern

_KEY = Pattern(r'"(?P<quoted>[^\n]+?)(?<!\\)"=|(?P<plain>[^"=\n]+)=')
# Ends with the first unescaped quote at the end of a line: 6.1 does not escape quotes in some names.
_VALUE = Pattern(r'"((?:[^"\\]|\\.|"(?!\n|\Z))*)"(?=\n|\Z)', re.DOTALL)
# Values that continue after the quote: VideoMode="640,480,32"@0,0 1 and BandwidthGroup0="bw1",Network,1250000.
_VALUE_AND_MORE = Pattern(r'"(?:[^"\\\n]|\\.)*"[@,][^\n]*[^"\n](?=\n|\Z)')
_ESCAPED = Pattern(r'\\([\\"])')
_OF_NIC = Pattern(
    r"(nic|natnet|bridgeadapter|intnet|hostonlyadapter|hostonly-network|nat-network|generic|macaddress"
    r"|cableconnected|nictype|nicspeed)(\d+)\Z"
)
# Keys without the number of their NIC, which is the NIC before them.
_OF_LAST_NIC = Pattern(r"(mtu|sockSnd|sockRcv|tcpWndSnd|tcpWndRcv|localhostReachable|forwardBroadcast|enableTFTP)\Z")
_FORWARD = Pattern(r"Forwarding\(\d+\)\Z")
_OF_CONTROLLER = Pattern(r"storagecontroller(name|type|instance|maxportcount|portcount|bootable)(\d+)\Z")
_OF_SLOT = Pattern(r"-(?:(?P<name>[A-Za-z][A-Za-z-]*)-)?(?P<port>\d+)-(?P<device>\d+)\Z")
_OF_FOLDER = Pattern(r"SharedFolder(Name|Path)(Machine|Transient|Global)Mapping(\d+)\Z")

_SNAPSHOT = Pattern(
    r'^SnapshotName(?P<place>(?:-\d+)*)="(?P<name>.*?)"\nSnapshotUUID(?P=place)="(?P<uuid>[0-9a-f-]{36})"(?:\n|\Z)',
    re.DOTALL | re.MULTILINE,
)
_CURRENT = Pattern(r'^CurrentSnapshotName=".*?"\nCurrentSnapshotUUID="([0-9a-f-]{36})"\n', re.DOTALL | re.MULTILINE)
_DESCRIPTION = Pattern(r'\ASnapshotDescription[-\d]*="(.*)"\n?\Z', re.DOTALL)
# The first key after the snapshots; it is always printed.
_AFTER_SNAPSHOTS = "\nGuestMemoryBalloon="


class Controller(Frozen):
    name: str
    values: Mapping


class Slot(Frozen):
    """A slot of a controller; ``medium`` is a path, ``none`` or ``emptydrive``."""

    controller: str
    port: int
    device: int
    medium: str
    values: Mapping = field(default_factory=dict)


class Forward(Frozen):
    name: str
    protocol: str
    host_address: str
    host_port: int
    guest_address: str
    guest_port: int


class Nic(Frozen):
    """A NIC; the keys of ``values`` are those of VirtualBox, without the NIC's number."""

    number: int
    type: str
    values: Mapping
    forwards: tuple


class SharedFolder(Frozen):
    """The last three fields are only in ``list --long vms``; None: not reported."""

    name: str
    path: str
    transient: bool
    read_only: bool | None = None
    auto_mount: bool | None = None
    mount_point: str | None = None


class Snapshot(Frozen):
    uuid: str
    name: str
    description: str
    parent: str | None
    is_current: bool


class Machine(Frozen):
    """``values``: all keys without a field of their own; of keys that are repeated for each screen, the first one."""

    values: Mapping
    controllers: tuple
    slots: tuple
    nics: tuple
    shared_folders: tuple
    snapshots: tuple


def machine(text):
    """The Machine of ``showvminfo --machinereadable``."""
    settings, snapshot_text = _without_snapshots(text)
    controllers, rest = _controllers([(key, value) for position, key, value in _entries_with_positions(settings)])
    slots, rest = _slots(rest, [controller.name for controller in controllers])
    nics, rest = _nics(rest)
    folders, rest = _shared_folders(rest)
    values = {}
    for key, value in rest:
        values.setdefault(key, value)
    return Machine(values, controllers, slots, nics, folders, snapshots(snapshot_text))


def snapshots(text):
    """The snapshots of ``snapshot list --machinereadable``, parents before their children.

    The key contains the position in the tree: SnapshotName-1-2 is the second child of the first child of the root.
    """
    heads = list(_SNAPSHOT.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    tails = [text[head.end() : end] for head, end in zip(heads, ends)]
    current = {found[1] for found in map(_CURRENT.search, tails) if found}
    uuids = {head["place"]: head["uuid"] for head in heads}
    return tuple(
        Snapshot(
            uuid=head["uuid"],
            name=head["name"],
            description=_description(tail),
            # The root has no number: the parent of -1 is the root, the parent of -1-2 is -1.
            parent=uuids.get(head["place"].rpartition("-")[0]) if head["place"] else None,
            is_current=head["uuid"] in current,
        )
        for head, tail in zip(heads, tails)
    )


def _description(tail):
    before = _CURRENT.split(tail)[0]
    found = _DESCRIPTION.match(before)
    return found[1] if found else ""


def _without_snapshots(text):
    """(text without its snapshots, text of the snapshots).

    The text before the snapshots is parsed to find their start, because a description can contain the same line.
    """
    start = next((position for position, key, value in _entries_with_positions(text) if key == "SnapshotName"), None)
    if start is None:
        return text, ""
    end = text.rfind(_AFTER_SNAPSHOTS) + 1 or len(text)
    return text[:start] + text[end:], text[start:end]


def _entries_with_positions(text):
    """(position, key, value) of each entry; lines without a key, such as `` rec_screen0``, are skipped."""
    position = 0
    while position < len(text):
        key = _KEY.match(text, position)
        start = key.end() if key else position
        end = _end_of_value(text, start)
        if key:
            yield position, _unescaped(key["quoted"] or key["plain"]), _value(text[start:end])
        position = end + 1


def _end_of_value(text, start):
    end_of_line = text.find("\n", start)
    end_of_line = len(text) if end_of_line < 0 else end_of_line
    if _VALUE_AND_MORE.match(text, start):
        return end_of_line
    quoted = _VALUE.match(text, start)
    return quoted.end() if quoted else end_of_line


def _value(text):
    quoted = _VALUE.fullmatch(text)
    return _unescaped(quoted[1]) if quoted and not _VALUE_AND_MORE.match(text) else text


def _unescaped(text):
    return _ESCAPED.sub(r"\1", text)


def _controllers(entries):
    """(controllers, all other entries)."""
    found, rest = {}, []
    for key, value in entries:
        match = _OF_CONTROLLER.match(key)
        if match:
            found.setdefault(int(match[2]), {})[match[1]] = value
        else:
            rest.append((key, value))
    return tuple(Controller(values.get("name", ""), values) for number, values in sorted(found.items())), rest


def _slots(entries, controllers):
    """(slots, all other entries). In 6.1, keys without a slot, such as ``IDE-IsEjected``, belong to the slot before."""
    found, rest, last = {}, [], None
    for key, value in entries:
        parts = _parts_of_slot_key(key, controllers)
        if parts is None:
            rest.append((key, value))
            continue
        controller, name, port_and_device = parts
        slot = last if port_and_device is None else (controller, *port_and_device)
        found.setdefault(slot, {})[name] = value
        last = slot
    return tuple(
        Slot(*slot, values.pop("medium", "none"), values) for slot, values in found.items() if slot is not None
    ), rest


def _parts_of_slot_key(key, controllers):
    """(controller, name of the value, (port, device) or None) of a key about a slot; None for other keys."""
    for controller in controllers:
        rest = key[len(controller) :] if key.startswith(controller) else ""
        match = _OF_SLOT.match(rest)
        if match:
            return controller, match["name"] or "medium", (int(match["port"]), int(match["device"]))
        if rest in ("-IsEjected", "-tempeject"):
            return controller, rest[1:], None
    return None


def _nics(entries):
    """(NICs, all other entries). Forwarding rules and details follow their NIC, without its number."""
    found, rest, last = {}, [], None
    for key, value in entries:
        own = _OF_NIC.match(key)
        if own:
            last = found.setdefault(int(own[2]), ({}, []))
            last[0][own[1]] = value
        elif last and _FORWARD.match(key):
            last[1].append(_forward(value))
        elif last and _OF_LAST_NIC.match(key):
            last[0][key] = value
        else:
            rest.append((key, value))
    return tuple(
        Nic(number, values.get("nic", "none"), values, tuple(forwards))
        for number, (values, forwards) in sorted(found.items())
    ), rest


def _forward(text):
    """The rule ``ssh,tcp,127.0.0.1,2222,,22``. A name can contain commas, so the text is split from the end."""
    name, protocol, host_address, host_port, guest_address, guest_port = text.rsplit(",", 5)
    return Forward(name, protocol, host_address, int(host_port), guest_address, int(guest_port))


def _shared_folders(entries):
    """(shared folders, all other entries)."""
    found, rest = {}, []
    for key, value in entries:
        match = _OF_FOLDER.match(key)
        if match:
            found.setdefault((match[2], int(match[3])), {})[match[1]] = value
        else:
            rest.append((key, value))
    return tuple(
        SharedFolder(values.get("Name", ""), values.get("Path", ""), kind == "Transient")
        for (kind, number), values in found.items()
    ), rest
