# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vagrant can do with its providers, as data."""

from __future__ import annotations

import ipaddress
import re
from functools import partial

from ..._lifecycle.errors import PolyvirtError, Refused, Unsupported
from ..._lifecycle.model import PAUSED, RUNNING, STOPPED, SUSPENDED, UNKNOWN, VERBS, Secret, Traits
from ..._lifecycle.units import MIB, human_size
from ..._tools.vagrant import is_locked
from ..._tools.vagrantfile_provider import PROVIDERS
from ..._tools.vboxmanage import is_locked as is_locked_in_virtualbox
from ..._tools.virsh import may_pass as may_pass_in_libvirt
from .fields import fields_of_machine, fields_of_snapshots
from .mapping import FIRST_NIC, PRIMARY
from .options import VAGRANT
from .project import Busy
from .settings import os_type

#: What `vagrant suspend` leads to.
_SUSPENDS_TO = {
    "libvirt": PAUSED,
    "hyperv": PAUSED,
    "virtualbox": SUSPENDED,
    "vmware_desktop": SUSPENDED,
}
#: What other providers of Vagrant make is no matter of these modules.
_NO_VMS = {
    "docker": "Docker runs containers; use the collection community.docker for them.",
    "wsl": "For the Windows Subsystem for Linux there is the module wsl_distro.",
}
#: Those with a tool that asks a guest to stop without cutting it off.
_ASKED = ("libvirt", "virtualbox")
_VERBS = {PAUSED: {"pause", "resume"}, SUSPENDED: {"suspend"}}
# It is a folder's name too, and a word on command lines, where what begins with a slash is a pattern.
_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_ADOPTED = "With managed: false machines are only driven; put it into your Vagrantfile."
_NO_SUCH = {
    **VAGRANT.lacks,
    "disks.add": "Name it in native, as vm.disk or storage.",
    "disks.remove": VAGRANT.lacks["disks.state=absent"],
    "disks": VAGRANT.lacks["disks.format"],
}


def suspended_as(provider):
    """The power that a machine gets which is suspended by Vagrant, or None."""
    return _SUSPENDS_TO.get(provider)


def vagrant_traits(providers, managed=True, default_provider="virtualbox", os_boxes=None, has_tools=True):
    """Traits for machines of these providers; ``managed``: in a file of this collection's own.

    ``has_tools``: the providers' own tools, where this collection uses any, are here and reach the machines.
    """
    kept = {suspended_as(provider) for provider in providers} - {None}
    asked = has_tools and all(provider in _ASKED for provider in providers)
    verbs = set(VERBS) - {"clone", "reset", "suspend", "pause", "resume"}
    snapshots = fields_of_snapshots(asked, "virtualbox" in providers)
    own = {"fields": {**fields_of_machine(), **snapshots}, "instead": _NO_SUCH}
    adopted = {"fields": snapshots, "instead": dict.fromkeys(fields_of_options(), _ADOPTED)}
    told = own if managed else adopted
    return Traits(
        platform=VAGRANT.name,
        powers=frozenset({STOPPED, RUNNING, *kept}),
        verbs=frozenset(verbs.union(*(_VERBS[power] for power in kept))),
        fields=told["fields"],
        sources=("box",) if managed else (),
        defaults={"provider": default_provider} if managed else {},
        stop_modes=("graceful", "force", "graceful_then_force") if asked else ("graceful_then_force", "force"),
        instead={**told["instead"], **_instead_of_powers(providers)},
        slot=lambda number: f"disk {number}" if number else PRIMARY,
        name_fault=_name_fault,
        snapshot_name_fault=_snapshot_name_fault,
        taken_as=lambda vm, request: ("", _power_of_snapshot(vm)),
        restored_as=_restored_as(providers, has_tools),
        made_as=STOPPED if managed else RUNNING,
        transient=_is_transient,
        adjust=partial(_adjusted, default_provider, os_boxes) if managed else lambda vm, config: config,
    )


def fields_of_options():
    """The options that fields are about, and those that are refused."""
    return {kind.split(".")[0] for kind in (*fields_of_machine(), *_NO_SUCH)}


def _instead_of_powers(providers):
    named = ", ".join(sorted(providers))
    return {
        PAUSED: f"Of the provider {named} there is state: suspended.",
        SUSPENDED: f"The provider {named} keeps the memory in place when Vagrant suspends a machine: state: paused.",
        UNKNOWN: "See what the provider's own tool says of it. If its Vagrantfile does not describe it any more: put it"
        " back there, or remove it with that tool, and then its folder below .vagrant/machines.",
        "stop_mode": "Vagrant itself cuts a guest off that does not go down in native: {vm.graceful_halt_timeout: ...}"
        " seconds; say graceful_then_force.",
    }


def _power_of_snapshot(vm):
    """VirtualBox puts the memory of what was saved back as that of what ran."""
    return RUNNING if vm.power == SUSPENDED else vm.power


def _restored_as(providers, has_tools):
    """A task restores machines of one provider: see checks."""
    if providers == {"libvirt"}:
        return {}  # So it is with virsh, and with its plugin, alone among Vagrant's (0.11.2: action_snapshot_restore).
    if has_tools and "virtualbox" in providers:
        return {RUNNING: SUSPENDED}
    return {STOPPED: RUNNING}  # Vagrant itself starts what it has restored.


def _is_transient(error):
    locked = is_locked_in_virtualbox(getattr(error, "stderr", ""))
    return isinstance(error, Busy) or is_locked(error) or locked or may_pass_in_libvirt(error)


def _name_fault(name):
    return None if _NAME.match(name) else "Vagrant takes letters, digits, '_', '.' and '-', and no '.' or '-' in front"


def _snapshot_name_fault(name):
    if name.startswith(("-", ".")):
        return "neither '-' nor '.' may stand in front"
    return "it has a slash" if "/" in name else "it is too long" if len(name.encode()) > 247 else None


# Options in Vagrant's terms ------------------------------------------------------------------------------------------


def _adjusted(default_provider, os_boxes, vm, config):
    adjusted = dict(config)
    _check_whole(vm, config)
    _check_slots(vm, config.get("disks") or {})
    _check_hostname(vm, config.get("hostname"))
    _check_provider(vm, config.get("provider"))
    provider = config.get("provider") or vm.config.get("provider") or default_provider
    if config.get("os_type") and provider in PROVIDERS:  # The core has a word about any other.
        kept = _kept_box(vm, config["os_type"], provider, os_boxes)
        adjusted["box"] = config.get("box") or kept or _box_of(vm, config["os_type"], provider, os_boxes)
    elif config and vm.config.get("box"):
        adjusted.setdefault("box", vm.config["box"])  # What a VM is created from again need not be repeated.
    if "networks" in config:
        adjusted["networks"] = {place: _described_nic(vm, place, entry) for place, entry in config["networks"].items()}
    if "provisioners" in config:
        adjusted["provisioners"] = tuple(_provisioner(vm, one) for one in config["provisioners"])
    if "shared_folders" in config:
        adjusted["shared_folders"] = _folders(vm, config["shared_folders"])
    if "environment" in config:
        adjusted["environment"] = _variables(vm, "environment", config["environment"])
    _check_forwards(vm, config.get("port_forwards") or {})
    return adjusted


def _check_provider(vm, provider):
    if provider in _NO_VMS:
        raise Unsupported(f"{vm.name}: provider: {provider} is not supported.", _NO_VMS[provider])


def _kept_box(vm, system, provider, os_boxes):
    """What was described as this system stays of its box, whatever our table says of the system by now."""
    is_same = (vm.config.get("os_type"), vm.config.get("provider")) == (system, provider)
    return vm.config.get("box") if is_same and system not in (os_boxes or {}) else None


def _box_of(vm, system, provider, os_boxes):
    try:
        return os_type.box_of(system, provider, os_boxes)
    except PolyvirtError as error:
        raise Refused(f"{vm.name}: os_type: {error.message}", error.remedy) from error


def _variables(vm, option, variables):
    for name, value in variables.items():
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise Refused(f"{vm.name}: {option}: the value of {name} is no text.", "Quote it, or leave it out.")
    return {name: Secret(value) for name, value in variables.items()}


def _provisioner(vm, asked):
    given = _given(asked)
    return {**given, **({"env": _variables(vm, "provisioners.env", given["env"])} if given.get("env") else {})}


def _check_whole(vm, config):
    sizes = {"memory": config.get("memory")}
    sizes.update(
        {f"disks: size of {slot}": (disk or {}).get("size") for slot, disk in (config.get("disks") or {}).items()}
    )
    for option, size in sizes.items():
        if size and size % MIB:
            raise Refused(f"{vm.name}: {option} is {human_size(size)}.", "Vagrant counts in whole MiB.")


def _check_hostname(vm, hostname):
    if hostname is not None and not _HOSTNAME.fullmatch(hostname):
        raise Refused(
            f"{vm.name}: hostname: Vagrant does not take '{hostname}'.",
            "Give letters, digits, '-' and '.', and none of the last two in front; or leave it out.",
        )


def _check_slots(vm, disks):
    for slot in disks:
        if slot != PRIMARY:
            raise Refused(
                f"{vm.name}: disks: there is no '{slot}': a box brings one disk, {PRIMARY}, and its size can be given.",
                "Name more in native, as vm.disk, or storage with libvirt.",
            )


def _described_nic(vm, place, entry):
    if entry is None:
        return None
    is_first = place == FIRST_NIC
    kind = entry.get("type") or ((vm.config.get("networks") or {}).get(place) or {}).get("type")
    kind = kind or ("nat" if is_first else "hostonly")
    if (kind == "nat") != is_first:
        raise Refused(
            f"{vm.name}: networks: card {place} cannot be of type {kind}: the first one, and it alone, is Vagrant's own"
            " of type nat.",
            "Begin the list with {type: nat}; the others are of type hostonly or bridged.",
        )
    if is_first and set(entry) - {"type"}:
        raise Refused(f"{vm.name}: networks: the first card is Vagrant's own.", "Give it no keys but its type.")
    if entry.get("source") and kind != "bridged":
        raise Refused(f"{vm.name}: networks: a card of type {kind} has no source.", "Leave the source out.")
    told = {**entry, **({"address": _address(vm, entry["address"])} if "address" in entry else {})}
    present = (vm.config.get("networks") or {}).get(place)
    return {"type": kind, **told} if present is None else {**_left_behind(present, kind), **told}


def _left_behind(present, kind):
    """What a card of another type had of its network is nothing for this one; its MAC is the card's own, and kept."""
    if present["type"] == kind:
        return {}
    return {key: None for key in ("address", "source") if present.get(key) is not None}


def _address(vm, address):
    """In the one way of writing it, of several for IPv6."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError as error:
        raise Refused(
            f"{vm.name}: networks: '{address}' is no address.", "Write one such as 192.168.56.10, without a prefix."
        ) from error


def _given(asked):
    """What says something: the description holds no more."""
    return {key: value for key, value in asked.items() if value not in (None, [], {})}


def _folders(vm, asked):
    """A folder that is not told where to be mounted is below the guest's root, by its name."""
    known = vm.config.get("shared_folders") or {}
    return {
        name: entry if entry is None else _folder(entry if name in known else {"guest_path": f"/{name}", **entry})
        for name, entry in asked.items()
    }


def _folder(entry):
    """To Vagrant, too, /srv and /srv/ are one place."""
    path = entry.get("guest_path")
    return {**entry, "guest_path": path.rstrip("/") or "/"} if path else entry


def _check_forwards(vm, asked):
    known = vm.config.get("port_forwards") or {}
    for name, entry in asked.items():
        if entry is not None and "host_port" not in entry and name not in known:
            raise Refused(f"{vm.name}: port_forwards: {name} has no host_port.", "Vagrant chooses none: name one.")
