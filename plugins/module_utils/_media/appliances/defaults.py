# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: the settings of a new VM by what a descriptor says: defaults, which the options of the task replace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

from ..._core.errors import InvalidInput, Refused
from ..._core.frozen import Frozen, field
from ..._core.units import mac_address

#: The way in which properties reach every hypervisor: an ISO image in a drive.
_BY_ISO = "iso"
_NOT_STATED = "firmware (the descriptor does not state it, so it is bios; set firmware: uefi if the VM does not start)"
_NOT_ALLOWED = {chr(code) for code in range(32)} - {"\t", "\n", "\r"}


class Words(Frozen):
    """How a platform names what an appliance has.

    ``slot(bus, number, firmware)`` returns the slot of the disk with this number on a bus that the guest has a driver
    for. ``models`` are {model of a NIC in a descriptor: the platform's}; ``default_model`` None: NICs have no model.
    ``settings`` are those of every VM from an appliance, ``windows`` those of a VM with Windows.
    """

    slot: Callable
    models: Mapping
    default_model: Optional[str]
    settings: Mapping = field(default_factory=dict)
    windows: Mapping = field(default_factory={"rtc": "localtime"}.copy)


def settings_of(system, words, asked):
    """Return (settings without disks and NICs, what is not carried over). ``asked`` are the settings of the task."""
    found = {"cpus": system.cpus, "memory": system.memory, "firmware": system.firmware or "bios", **words.settings}
    found.update(words.windows if system.is_windows else {})
    known = {name: value for name, value in found.items() if value is not None}
    return known, [*system.lost, *([] if system.firmware or asked.get("firmware") else [_NOT_STATED])]


def placed_disks(system, first, firmware, words, option):
    """Return {slot: Disk}, in the order in which the firmware tries them; ``first`` is the name of the first one.

    ``firmware`` is that of the new VM.
    """
    names = [one.file.href if one.file else one.name for one in system.disks]
    chosen = [one for one, name in zip(system.disks, names) if first in (name, one.name)]
    if first and not chosen:
        raise Refused(f"{option}.boot_disk: the appliance has no disk '{first}'.", f"Its disks: {', '.join(names)}.")
    found = {}
    for one in (*chosen, *(disk for disk in system.disks if disk not in chosen)):
        numbers = range(len(system.disks))
        found[next(slot for slot in (words.slot(one.bus, at, firmware) for at in numbers) if slot not in found)] = one
    return found


def placed_nics(system, networks, words, option, keeps_macs=False):
    """Return {place: NIC}; ``networks`` are {network of the appliance: NIC} of the task."""
    names = list(dict.fromkeys(nic.network for nic in system.nics))
    unmapped = [name for name in names if name not in networks]
    if unmapped:
        example = f"{{name: {unmapped[0]}, type: nat}}"
        raise Refused(
            f"{option}.networks: the network '{unmapped[0]}' of the appliance is not mapped.",
            f"List it with the network that its NICs get, such as {example}, or set networks, the NICs of the VM.",
        )
    unknown = next((name for name in networks if name not in names), None)
    if unknown is not None:
        known = ", ".join(names) or "none"
        raise Refused(f"{option}.networks: the appliance has no network '{unknown}'.", f"Its networks: {known}.")
    macs = [{"mac": _mac(nic, option)} if keeps_macs else {} for nic in system.nics]
    return {
        str(place): {**_model(nic, words), **(networks[nic.network] or {}), **macs[place]}
        for place, nic in enumerate(system.nics)
    }


def _mac(nic, option):
    try:
        return mac_address(nic.mac, option)
    except InvalidInput:
        found = f"'{nic.mac[:40]}' for a NIC at the network '{nic.network}', which is not a valid one"
        raise Refused(f"{option}.keep_macs: the appliance has the MAC address {found}.", "Omit it.") from None


def _model(nic, words):
    model = next((words.models[one] for one in nic.models if one in words.models), words.default_model)
    return {"model": model} if model else {}


def check_license(system, is_accepted, option):
    if system.license and not is_accepted:
        raise Refused(
            f"{option}: the appliance has a license agreement: {system.license[:8000]}",
            "If you accept it, set appliance.accept_eula: true.",
        )


def environment(system, given, option):
    """Return ({key: value} of the properties or None, what is not carried over)."""
    known = {one.key: one for one in system.properties}
    unknown = next((key for key in given if key not in known), None)
    if unknown is not None:
        names = ", ".join(key for key, one in known.items() if one.is_users) or "none"
        raise Refused(f"{option}.properties: the appliance has no property '{unknown}'.", f"Its properties: {names}.")
    fixed = next((key for key in given if not known[key].is_users), None)
    if fixed is not None:
        raise Refused(f"{option}.properties: {fixed} cannot be set by users of the appliance.", "Omit it.")
    if known and _BY_ISO not in system.transport:
        ways = f"reads them by {' '.join(system.transport)}, which only VMware has"
        why = f"the appliance {ways if system.transport else 'does not state how it reads them'}"
        if given:
            raise Refused(f"{option}.properties: {why}.", "Omit them, and configure the VM in its console.")
        return None, [f"properties ({why})"]
    values = {key: _text(given.get(key, one.value), key, option) for key, one in known.items()}
    return values or None, []


def _text(value, key, option):
    if isinstance(value, (Mapping, list, tuple)):
        raise Refused(f"{option}.properties: {key} is a list or a mapping, not text.", "Set it as text, in quotes.")
    text = "" if value is None else str(value)
    text = text.lower() if isinstance(value, bool) else text  # As OVF writes them.
    if set(text) & _NOT_ALLOWED:
        raise Refused(f"{option}.properties: {key} contains a control character.", "Remove it.")
    return text
