# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the output of ``VBoxManage``, and its power states. Pure: text in, values out.

VMs are parsed in vboxmanage_machine (one VM, machine-readable) and vboxmanage_long (all VMs, human-readable).
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import NamedTuple

from .._core.frozen import Frozen
from .._core.pattern import Pattern

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_VERSION = Pattern(r"^(\d+)\.(\d+)\.(\d+)\w*r\d+$", re.MULTILINE)
_MEDIUM = Pattern(r"^UUID: +\S+\n(?=(?:Parent UUID|State|Location): )", re.MULTILINE)
_USES = Pattern(r"^In use by VMs: +(.*?)(?=^Child UUIDs: |\Z)", re.DOTALL | re.MULTILINE)
_OTHER_UUID = Pattern(rf"UUID {{({_UUID})}} of the medium .* does not match the value ", re.DOTALL)
_NEXT_USE = Pattern(r"\n {16}(?=\S)")
_USE = Pattern(rf"\(UUID: ({_UUID})\)")
_NEW_PROPERTY = Pattern(r"^(?P<name>\S+) += '(?P<value>.*?)' +@ (?P<time>\S+Z)(?: (?P<flags>[A-Z, ]+))?$", re.M | re.S)
_OLD_PROPERTY = Pattern(
    r"^Name: (?P<name>.*?), value: (?P<value>.*?), timestamp: (?P<time>\d+), flags: (?P<flags>[A-Z, ]*)$", re.M | re.S
)
_VALUE = Pattern(r"\AValue: (.*?)\n\Z", re.DOTALL)


class OsType(Frozen):
    id: str
    description: str
    family: str


class Medium(Frozen):
    """A disk image; ``capacity`` is in MiB, rounded down. ``variant`` and ``users`` are only in the long list.

    ``kind`` is VirtualBox's type of the image: normal (base), normal (differencing), immutable ...

    ``users`` is {UUID of a VM that uses the image: UUIDs of its snapshots that use it}.
    """

    uuid: str
    parent: str | None
    state: str
    location: str
    format: str
    capacity: int | None
    variant: str | None
    users: dict
    children: tuple
    kind: str = ""
    #: Why VirtualBox cannot open an inaccessible image.
    error: str = ""

    @property
    def is_replaced(self):
        """Whether another image is in the place of the one that VirtualBox knows: the file has another UUID."""
        return self.uuid_in_file is not None

    @property
    def uuid_in_file(self):
        """The UUID in the file if it is not that of the image, else None."""
        found = _OTHER_UUID.match(self.error)
        return found and found[1]

    @property
    def is_never_written(self):
        """Whether VMs write only to differencing images on top of it, even without snapshots."""
        return self.kind in ("immutable", "multiattach")


class Property(Frozen):
    """A guest property; ``time`` is when it was set, in nanoseconds since 1970."""

    value: str
    time: int
    flags: frozenset


def without_warning(text):
    """The output without the warning that a distribution's script prints first if the kernel driver is missing."""
    if not text.startswith("WARNING: "):
        return text
    lines = text.split("\n")
    while lines and (lines[0].startswith(("WARNING: ", " ", "\t")) or (not lines[0] and len(lines) > 1)):
        del lines[0]
    return "\n".join(lines)


def version(text):
    """``--version``: ``7.2.22_Debianr175245`` as (7, 2, 22), or None."""
    match = _VERSION.search(text)
    return tuple(int(number) for number in match.groups()) if match else None


def ostypes(text):
    """``list ostypes`` of 6.1 (``ID:``, ``Description:``, ``Family ID:``) and of 7.x (``ID / Description:``)."""
    return [found for found in map(_ostype, blocks(text)) if found]


def _ostype(block):
    # 7.2: "Linux / Debian (Linux)": the family, its subtype and its description.
    family = block.get("Family ID") or re.split(r" / | \(", block.get("Family", ""))[0]
    if "ID" in block:
        return OsType(block["ID"], block.get("Description", ""), family)
    identifier, dashes, description = block.get("ID / Description", "").partition(" -- ")
    return OsType(identifier, description, family) if dashes else None


def media(text):
    """``list hdds`` with and without ``--long``, and ``showmediuminfo``.

    The names of the VMs that use an image are not escaped and can contain line breaks.
    """
    begins = [head.start() for head in _MEDIUM.finditer(text)]
    found = (_medium(text[begin:end]) for begin, end in zip(begins, [*begins[1:], len(text)]))
    return [medium for medium in found if medium]


def chain(by_id, medium):
    """Return [image, its base, the base of that, ...]; empty if ``medium`` is None. ``by_id``: all images by UUID."""
    found = [] if medium is None else [medium]
    while found and found[-1].parent in by_id:
        found.append(by_id[found[-1].parent])
    return found


def unused_below(by_id, medium):
    """The images that VirtualBox deletes with an image, because that is based on them: those that no VM uses.

    ``by_id`` are all images by their UUIDs. It deletes normal ones, up to the first on which several images are based
    (VERIFIED with 7.2.22; READ in Machine::i_detachAllMedia).
    """
    found, below = [], by_id.get(medium.parent)
    while below is not None and sum(one.parent == below.uuid for one in by_id.values()) == 1:
        found += [below] if not below.users and below.kind.startswith("normal") else []
        below = by_id.get(below.parent)
    return found


def _medium(text):
    block = dict(_pairs(_USES.sub("", text)))
    if "Location" not in block:
        return None
    in_use = _USES.search(text)
    uses = [_USE.findall(use) for use in _NEXT_USE.split(in_use[1])] if in_use else ()
    capacity = block.get("Capacity", "").split(" ")[0]
    return Medium(
        uuid=block["UUID"],
        parent=None if block.get("Parent UUID") == "base" else block.get("Parent UUID"),
        state=block.get("State", ""),
        location=block["Location"],
        format=block.get("Storage format", ""),
        capacity=int(capacity) if capacity.isdigit() and block.get("State") != "inaccessible" else None,
        variant=block.get("Format variant"),
        users={use[0]: tuple(use[1:]) for use in uses if use},
        children=tuple(block["Child UUIDs"].split("\n")) if "Child UUIDs" in block else (),
        kind=block.get("Type", ""),
        error=block.get("Access Error", ""),
    )


def properties(text):
    """``guestproperty enumerate`` as {name: Property}; 6.1 prints ``Name: K, value: V ...``, 7.x ``K = 'V' @ ...``."""
    pattern = _OLD_PROPERTY if text.startswith("Name: ") else _NEW_PROPERTY
    return {row["name"]: _property(row["value"], row["time"], row["flags"]) for row in pattern.finditer(text)}


def value(text):
    """``guestproperty get`` and ``getextradata`` of one key: the value, or None if it is not set."""
    match = _VALUE.match(text)
    return match[1] if match else None


def _property(value, time, flags):
    return Property(value, _nanoseconds(time), frozenset(filter(None, re.split(r"[, ]+", flags or ""))))


def _nanoseconds(time):
    """Nanoseconds since 1970 from ``1795174083445751000`` or ``2026-11-20T11:28:03.445Z``."""
    if time.isdigit():
        return int(time)
    date = datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return int(date.timestamp() * 1000) * 1_000_000


def networks(text):
    """``list hostonlyifs``, ``bridgedifs``, ``natnets`` and ``intnets``: a list with {key: value} of each network."""
    found = []
    for key, reported in _pairs(text):
        if key == "Name":
            found.append({})
        if found:
            found[-1].setdefault(key, reported)
    return found


def system_properties(text):
    """``list systemproperties`` as {key: value}; of a key that is repeated per chipset or platform, the first value."""
    found = {}
    for key, reported in _pairs(text):
        found.setdefault(key, reported)
    return found


def blocks(text):
    """A list with {key: value} of each paragraph of ``Key:   value`` lines; indented lines continue a value."""
    found = [dict(_pairs(paragraph)) for paragraph in re.split(r"\n{2,}", text)]
    return [block for block in found if block]


def _pairs(text):
    pairs = []
    for line in text.split("\n"):
        if line.startswith("   ") and pairs:
            key, before = pairs[-1]
            pairs[-1] = (key, f"{before}\n{line.strip()}")
            continue
        key, colon, reported = line.partition(":")
        if colon:
            pairs.append((key.strip(), reported.strip()))
    return pairs


#: VMState -> power state.
_POWERS = {
    "poweroff": "stopped", "aborted": "stopped", "teleported": "stopped", "saved": "suspended",
    "aborted-saved": "suspended", "running": "running", "paused": "paused", "gurumeditation": "failed",
}  # fmt: skip
#: VMState during an operation -> the power state to use in the meantime.
_TEMPORARY = {
    "starting": "running", "stopping": "running", "saving": "running", "restoring": "running",
    "livesnapshotting": "running", "onlinesnapshotting": "running", "deletingsnapshotlive": "running",
    "deletingsnapshotlivepaused": "paused", "teleporting": "running", "teleportingpausedvm": "paused",
    "teleportingin": "running", "snapshotting": "stopped", "restoringsnapshot": "stopped",
    "deletingsnapshot": "stopped", "settingup": "stopped",
}  # fmt: skip
#: States that are also reported as a reason.
_REASONS = ("aborted", "aborted-saved", "teleported", "gurumeditation")


class State(NamedTuple):
    """``power`` is a power state of the power table, or ``unknown``; ``busy`` names a temporary state."""

    power: str
    busy: str | None
    reason: str


def state(vm_state):
    """The State for VirtualBox's VMState."""
    if vm_state in _POWERS:
        return State(_POWERS[vm_state], None, vm_state if vm_state in _REASONS else "")
    if vm_state in _TEMPORARY:
        return State(_TEMPORARY[vm_state], vm_state, "")
    return State("unknown", None, f"VirtualBox reports {vm_state!r}")
