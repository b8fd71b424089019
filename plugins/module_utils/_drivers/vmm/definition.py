# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM as vm.conf defines it, in the vocabulary's terms and in vmd's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Optional

from ..._lifecycle.mark import marked_settings
from ..._lifecycle.units import MIB
from .marked_block import printed, quoted

#: What a VM has that says nothing else, from vmd's sources.
_DEFAULT_MEMORY = 512 * MIB
_CPUS = 1
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([BKMGTPE]?)", re.IGNORECASE | re.ASCII)
LOCAL, SWITCH = "nat", "network"
NATIVE_FLAGS = ("sev", "seves")
NATIVE = (*NATIVE_FLAGS, "allow")


def slot_name(number):
    return f"disk{number}"


@dataclass(frozen=True)
class Nic:
    """A network interface: ``switch`` None is a local one. ``device`` and ``rest`` have no option here."""

    switch: Optional[str] = None
    mac: Optional[str] = None
    device: str = ""
    rest: str = ""

    def printed(self):
        words = [f"switch {quoted(self.switch)}"] if self.switch else []
        words += [f"lladdr {self.mac}"] if self.mac else []
        words += [self.rest] if self.rest else []
        options = f" {{ {' '.join(words)} }}" if words else ""
        device = f" {self.device}" if self.device else ""
        return f"{'local ' if self.switch is None else ''}interface{device}{options}"


@dataclass(frozen=True)
class Definition:
    """``memory`` is in bytes; ``disks`` are (path, format), format None if vmd is to detect it."""

    name: str
    parent: Optional[str] = None
    enabled: bool = True
    memory: Optional[int] = None
    disks: Sequence = ()
    cdrom: str = ""
    boot: str = ""
    boot_device: str = ""
    nics: Sequence[Nic] = ()
    owner: str = ""
    native: Mapping = ()

    def statements(self):
        """[(keyword, text)] of all that it says."""
        found = [] if self.enabled else [("disable", "disable")]
        found += [("memory", f"memory {self.memory // MIB}M")] if self.memory else []
        for path, kind in self.disks:
            found.append(("disk", f"disk {quoted(path)}{f' format {kind}' if kind else ''}"))
        found += [("cdrom", f"cdrom {quoted(self.cdrom)}")] if self.cdrom else []
        found += [("boot", f"boot {quoted(self.boot)}")] if self.boot else []
        found += [("boot device", f"boot device {self.boot_device}")] if self.boot_device else []
        found += [("interface", nic.printed()) for nic in self.nics]
        found += [("owner", f"owner {self.owner}")] if self.owner else []
        native = dict(self.native)
        found += [("allow", f"allow instance {{ {', '.join(native['allow'])} }}")] if native.get("allow") else []
        return found + [(flag, flag) for flag in NATIVE_FLAGS if native.get(flag)]

    def printed(self):
        return printed(self.name, self.parent, self.statements())


def definition_of(block, blocks):
    """The Definition in a block of vm.conf; what an instance does not say is its parent's."""
    own = Definition(
        name=block.name,
        parent=block.parent,
        enabled=block.is_enabled,
        memory=_memory(block.last("memory")),
        disks=tuple(block.all("disk")),
        cdrom=block.last("cdrom", ""),
        boot=block.last("boot", ""),
        boot_device=block.last("boot device", ""),
        nics=_nics(block),
        owner=block.last("owner", ""),
        native=_native(block),
    )
    parent = blocks.get(block.parent) if block.parent != block.name else None
    return _inheriting(own, definition_of(parent, {**blocks, block.name: None})) if parent else own


def _inheriting(own, parent):
    """An instance has disks and a kernel of its own, and the rest of its parent's interfaces."""
    return replace(
        own,
        memory=own.memory or parent.memory,
        cdrom=own.cdrom or parent.cdrom,
        nics=(*own.nics, *parent.nics[len(own.nics) :]),
    )


def _memory(text):
    """vmd reads a number with a unit, of which it drops what is less than a MiB."""
    match = _MEMORY.fullmatch((text or "").strip())
    if not match:
        return None
    size = int(Fraction(match[1]) * 1024 ** "BKMGTPE".index((match[2] or "B").upper()))
    return size // MIB * MIB


def _nics(block):
    nics = tuple(
        Nic(
            None if one["local"] else one.get("switch", ""),
            one.get("lladdr") if isinstance(one.get("lladdr"), str) else None,
            one.get("device", ""),
            " ".join(_rest(one)),
        )
        for one in block.all("interface")
    )
    missing = max(map(int, filter(str.isdigit, block.all("interfaces"))), default=0) - len(nics)
    return (*nics, *[Nic("")] * max(0, missing))


def _rest(nic):
    for word in ("locked", "up", "down"):
        if nic.get(word) is True:
            yield word
    for word in ("group", "rdomain"):
        if nic.get(word):
            yield f"{word} {nic[word]}"


def _native(block):
    allowed = block.last("allow")
    flags = {flag: True for flag in NATIVE_FLAGS if block.last(flag)}
    return {**({"allow": tuple(allowed)} if allowed else {}), **flags}


# The vocabulary -------------------------------------------------------------------------------------------------------


def config_of(definition, mark, sizes, native_keys=()):
    """The configuration of a VM. ``sizes`` returns (size, format) of a disk image; seeds are no disks of the user."""
    seeds = set((mark or {}).get("files", ()))
    disks = [disk for disk in definition.disks if disk[0] not in seeds]
    return {
        "cpus": _CPUS,
        "memory": definition.memory or _DEFAULT_MEMORY,
        "description": (mark or {}).get("description", ""),
        **marked_settings(mark, definition.name),
        "autostart": definition.enabled,
        "iso": definition.cdrom,
        "disks": {slot_name(number): _disk(disk, sizes) for number, disk in enumerate(disks)},
        "networks": {str(number): _network(nic) for number, nic in enumerate(definition.nics)},
        "boot": definition.boot,
        "boot_device": definition.boot_device or "default",
        "owner": definition.owner,
        "native": {key: _native_value(dict(definition.native), key) for key in native_keys},
    }


def _native_value(native, key):
    return native.get(key, () if key == "allow" else False)


def _disk(disk, sizes):
    path, kind = disk
    size, found = sizes(path)
    entry = {"source": path, "format": kind or found, "size": size}
    return {name: value for name, value in entry.items() if value is not None}


def _network(nic):
    entry = {"type": LOCAL} if nic.switch is None else {"type": SWITCH, "source": nic.switch}
    return {**entry, "mac": nic.mac.lower()} if nic.mac else entry


def described(definition, config, disks, seeds):
    """``definition`` with the settings in ``config``; ``disks`` are (path, format) in order, ``seeds`` come last."""
    nics = []
    networks = config.get("networks") or {}
    for number, place in enumerate(sorted(networks, key=int)):
        former = definition.nics[number] if number < len(definition.nics) else Nic()
        entry = networks[place]
        switch = entry.get("source", "") if entry.get("type") == SWITCH else None
        nics.append(replace(former, switch=switch, mac=entry.get("mac")))
    device = config.get("boot_device") or "default"
    return replace(
        definition,
        enabled=bool(config.get("autostart")),
        memory=config["memory"],
        disks=(*disks, *((path, "raw") for path in seeds)),
        cdrom=config.get("iso") or "",
        boot=config.get("boot") or "",
        boot_device="" if device == "default" else device,
        nics=tuple(nics),
        owner=config.get("owner") or "",
        native={**dict(definition.native), **(config.get("native") or {})},
    )


def fixed_mac(name, place):
    """A MAC address in vmd's own range that is always the same: vmd would choose another one at each reload."""
    import hashlib

    digest = hashlib.sha256(f"{name}/{place}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"fe:e1:bb:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"
