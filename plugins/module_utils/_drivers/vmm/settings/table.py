# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: the table of settings: what is supported, how each is read from the Definition of a VM, and written to it.

``write(value)`` returns the changed fields of the Definition.
"""

from __future__ import annotations

import re

from ...._core.errors import Refused
from ...._core.frozen import replace
from ...._core.model import LIVE, NEVER, POWER_OFF
from ...._core.pattern import Pattern
from ...._core.record.mark import IN_MARK, is_mark_of, marked_settings
from ...._core.units import GIB, MIB
from ...._kit.settings import Setting, options_of_native, read_all
from ...._tools.marked_block import cannot_be_quoted
from ..definition import DEFAULT_MEMORY, LOCAL, NATIVE, NATIVE_FLAGS, SWITCH, Nic, slot_name

_OWNER = Pattern(r"[\w.-]*(:[\w.-]+)?", re.ASCII)
_ALLOWED = Pattern(r"boot|cdrom|disk|instance|interface|memory|owner (?=.)[\w.-]*(:[\w.-]+)?", re.ASCII)


# Values -------------------------------------------------------------------------------------------------------------


def _check_quotable(vm, option, text):
    if cannot_be_quoted(text or ""):
        raise Refused(
            f"{vm.name}: {option}: vm.conf cannot contain {text!r}.", "Use characters other than quotes and \\."
        )


def _quotable(option):
    def normalize(vm, text):
        _check_quotable(vm, option, text)
        return text

    return normalize


def _owner(vm, owner):
    if owner and not _OWNER.fullmatch(owner):
        raise Refused(f"{vm.name}: vmd_owner: '{owner}' is not a user.", "Set user, user:group or :group.")
    return owner


def _native(vm, given):
    options = options_of_native(SETTINGS)
    for key in sorted(given.keys() & options.keys()):
        raise Refused(
            f"{vm.name}: native: '{key}' cannot be set through native.", f"Use the option {options[key]} instead."
        )
    unknown = sorted(set(given) - set(NATIVE))
    if unknown:
        raise Refused(f"{vm.name}: native: '{unknown[0]}' is not supported.", f"Supported keys: {', '.join(NATIVE)}.")
    for key in NATIVE_FLAGS:
        if not isinstance(given.get(key, False), bool):
            raise Refused(f"{vm.name}: native.{key}: '{given[key]}' is not a boolean.", "Set true or false.")
    allowed = given.get("allow", [])
    if not isinstance(allowed, list) or not all(_ALLOWED.fullmatch(str(word)) for word in allowed):
        raise Refused(
            f"{vm.name}: native.allow: '{allowed}' is not a list of settings.",
            "Supported: boot, cdrom, disk, instance, interface, memory, and 'owner USER[:GROUP]'.",
        )
    return {**given, **({"allow": tuple(map(str, allowed))} if "allow" in given else {})}


def _disks(vm, disks):
    for slot, disk in disks.items():
        _check_quotable(vm, f"disks.{slot}.source", (disk or {}).get("source"))
    return disks


def _networks(vm, networks):
    return {index: _network(vm, index, nic) for index, nic in networks.items()}


def _network(vm, index, entry):
    """Return a NIC with its type. Raises Refused: type network needs a switch, and type nat has none."""
    if entry is None:
        return None
    _check_quotable(vm, f"networks[{index}].source", entry.get("source"))
    current = (vm.config.get("networks") or {}).get(index) or {}
    kind = entry.get("type") or current.get("type") or LOCAL
    given = entry.get("source")
    source = given if given is not None else current.get("source")
    if kind == SWITCH and source is None:
        raise Refused(
            f"{vm.name}: networks[{index}].source is missing.",
            "Set the name of a switch of vm.conf, or an empty text for a NIC without a switch.",
        )
    if kind == LOCAL and given is not None:
        raise Refused(
            f"{vm.name}: networks[{index}].source: a NIC of type nat has no source.", "Omit it, or set type: network."
        )
    if kind == LOCAL and not current.get("source"):
        return {**entry, "type": kind}
    return {**entry, "type": kind, "source": source if kind == SWITCH else None}


# Reading ------------------------------------------------------------------------------------------------------------


def config_of(definition, mark, image_of, native_keys=(), birth=None):
    """Return {option: value} of a VM, without its cloud-init seed.

    ``image_of(path)`` returns the (size, format) of a disk image. If ``native_keys`` is None, native has all that the
    VM sets. ``birth`` is that of the VM; other settings than tags in the mark of another VM are not its own.
    """
    own = mark if is_mark_of(mark, definition.name, birth) else {}
    seeds = set(own.get("files", ()))
    disks = [disk for disk in definition.disks if disk[0] not in seeds]
    return {
        **read_all(SETTINGS, definition),
        "description": own.get("description", ""),
        **marked_settings(mark, definition.name, birth),
        "disks": {slot_name(number): _disk(disk, image_of) for number, disk in enumerate(disks)},
        "native": dict(definition.native)
        if native_keys is None
        else {key: dict(definition.native).get(key, () if key == "allow" else False) for key in native_keys},
    }


def not_modelled(definition):
    """Return {path: reason} of the parts of a block that no option sets."""
    nics = {
        number: " ".join(filter(None, (nic.device, "locked" if nic.locked else "", nic.rest)))
        for number, nic in enumerate(definition.nics)
    }
    return {f"interfaces.{number}": f"No option sets this part: {rest}." for number, rest in nics.items() if rest}


def config_inherited(template):
    """Return {option: value} that an instance of a template has without setting it."""
    config = config_of(template, None, lambda _path: (None, None))
    return {option: config[option] for option in ("memory", "iso", "vmd_owner", "networks")}


def _disk(disk, image_of):
    path, kind = disk
    size, detected = image_of(path)
    entry = {"source": path, "format": kind or detected, "size": size}
    return {name: value for name, value in entry.items() if value is not None}


def _nics(definition):
    return {str(number): _nic(nic) for number, nic in enumerate(definition.nics)}


def _nic(nic):
    entry = {"type": LOCAL} if nic.switch is None else {"type": SWITCH, "source": nic.switch}
    return {**entry, "mac": nic.mac.lower()} if nic.mac else entry


# Writing ------------------------------------------------------------------------------------------------------------


def with_config(definition, config, disks, seeds, current=None):
    """Return ``definition`` with the settings in ``config``. ``disks`` are (path, format) in order, then ``seeds``.

    What is equal in ``current``, the settings of ``definition``, stays as it is written or not written.
    """
    current, fields, nics = current or {}, {}, []
    networks = config.get("networks") or {}
    for number, key in enumerate(sorted(networks, key=int)):
        nics.append(_written(networks[key], definition.nics[number] if number < len(definition.nics) else Nic()))
    for kind, setting in SETTINGS.items():
        is_same = kind in current and current[kind] == config.get(kind)
        fields.update(setting.write(config.get(kind)) if setting.write and not is_same else {})
    return replace(
        definition,
        **fields,
        disks=(*disks, *((path, "raw") for path in seeds)),
        nics=tuple(nics),
        native={**dict(definition.native), **(config.get("native") or {})},
    )


def _written(entry, current):
    """Return ``current``, a Nic, with the values of ``entry`` that differ: a MAC address also keeps its letters."""
    known = _nic(current)
    switch = entry.get("source", "") if entry.get("type") == SWITCH else None
    mac = current.mac if entry.get("mac") == known.get("mac") else entry.get("mac")
    return replace(current, switch=switch, mac=mac)


SETTINGS = {
    "cpus": Setting(
        cost=POWER_OFF,
        maximum=1,
        default=1,
        instead="vmd gives each VM exactly one CPU. Set cpus: 1, or omit the option.",
        read=lambda definition: 1,
    ),
    "memory": Setting(
        minimum=MIB,
        maximum=128 * GIB,
        whole=MIB,
        default=GIB,
        read=lambda definition: definition.memory or DEFAULT_MEMORY,
        write=lambda size: {"memory": size},
        native=("memory",),
    ),
    "description": Setting(cost=LIVE),
    **dict.fromkeys(IN_MARK, Setting(cost=LIVE)),
    "autostart": Setting(
        cost=LIVE,
        default=False,
        read=lambda definition: definition.enabled,
        write=lambda value: {"enabled": bool(value)},
        native=("enable", "disable"),
    ),
    "iso": Setting(
        read=lambda definition: definition.cdrom,
        write=lambda path: {"cdrom": path or ""},
        normalize=_quotable("iso"),
        native=("cdrom",),
    ),
    "boot": Setting(
        read=lambda definition: definition.boot,
        write=lambda path: {"boot": path or ""},
        normalize=_quotable("boot"),
        native=("boot",),
    ),
    "boot_device": Setting(
        unset="default",
        read=lambda definition: definition.boot_device or "default",
        write=lambda device: {"boot_device": "" if device in (None, "default") else device},
        native=("boot device",),
    ),
    "vmd_owner": Setting(
        read=lambda definition: definition.owner,
        write=lambda owner: {"owner": owner or ""},
        normalize=_owner,
        native=("owner",),
    ),
    "native": Setting(normalize=_native),
    "disks": Setting(normalize=_disks, native=("disk",)),
    "disks.add": Setting(),
    "disks.remove": Setting(),
    "disks.size": Setting(
        cost=POWER_OFF, whole=MIB, instead="Make sure that its file exists, and is a raw or qcow2 image."
    ),
    "disks.format": Setting(cost=NEVER, choices=("raw", "qcow2")),
    "disks.source": Setting(cost=NEVER),
    "networks": Setting(read=_nics, normalize=_networks, native=("interface", "interfaces")),
    "networks.add": Setting(),
    "networks.remove": Setting(),
    "networks.type": Setting(choices=(LOCAL, SWITCH)),
    "networks.source": Setting(),
    "networks.mac": Setting(),
}
