# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: what it supports with its providers, as data: settings, cost of a change, power states, alternatives.

A change is written to the Vagrantfile at once. Whether it is applied to a created VM depends on the provider:
vagrant-libvirt applies few settings when it starts a VM, most other providers apply all of them.
"""

from __future__ import annotations

from functools import partial

from ..._core.errors import Unsupported
from ..._core.model import LIVE, NEVER, PAUSED, POWER_OFF, RUNNING, STOPPED, SUSPENDED, UNKNOWN, Field, Traits
from ..._core.pattern import Pattern
from ..._core.verbs import VERBS
from ..._kit.addresses import check_host_ports
from ..._kit.settings import normalized, supported
from ..._tools.vagrant import is_locked
from ..._tools.vagrantfile_provider import PROVIDERS
from ..._tools.vboxmanage import is_locked as is_locked_in_virtualbox
from ..._tools.virsh import may_pass as may_pass_in_libvirt
from .options import VAGRANT
from .project import Busy
from .settings.box import box_of, kept_box
from .settings.table import PRIMARY, SETTINGS

#: The power state after `vagrant suspend`.
_POWER_WHEN_SUSPENDED = {
    "libvirt": PAUSED,
    "hyperv": PAUSED,
    "virtualbox": SUSPENDED,
    "vmware_desktop": SUSPENDED,
}
#: Providers that are not supported, because these modules manage only VMs -> remedy.
_NO_VMS = {
    "docker": "Docker runs containers; use the collection community.docker for them.",
    "wsl": "Use the module wsl_distro for the Windows Subsystem for Linux.",
}
#: Providers with a tool that can shut down a guest without ever powering it off.
_WITH_TOOL = ("libvirt", "virtualbox")
_VERBS = {PAUSED: {"pause", "resume"}, SUSPENDED: {"suspend"}}
# A VM's name is also a folder's, and an argument of commands, where a leading slash would make it a pattern.
_NAME = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_ADOPTED = "With managed: false the Vagrantfile is your own; set it there."
_NO_SUCH = {
    **VAGRANT.lacks,
    "disks.add": "Set it through native, as vm.disk or storage.",
    "disks.remove": VAGRANT.lacks["disks.state=absent"],
    "disks": VAGRANT.lacks["disks.format"],
}

_FIELDS_OF_IMAGE = {
    "image": Field(),
    "image.slot": Field(choices=(), instead=VAGRANT.lacks["image.slot"]),
    "image.linked": Field(choices=(False,), instead=VAGRANT.lacks["image.linked=true"]),
}


def power_when_suspended(provider):
    """The power state of a VM that Vagrant has suspended, or None."""
    return _POWER_WHEN_SUSPENDED.get(provider)


def vagrant_traits(providers, managed=True, default_provider="virtualbox", os_boxes=None, has_tools=True):
    """Traits for VMs of these providers. ``managed``: this collection writes the Vagrantfile.

    ``has_tools``: this host has the tools of all these providers that this collection supports.
    """
    kept = {power_when_suspended(provider) for provider in providers} - {None}
    by_tool = has_tools and all(provider in _WITH_TOOL for provider in providers)
    verbs = set(VERBS) - {"clone", "reset", "suspend", "pause", "resume"}
    snapshots = _fields_of_snapshots(by_tool, "virtualbox" in providers)
    own = {"fields": {**supported(SETTINGS), **_FIELDS_OF_IMAGE, **snapshots}, "instead": _NO_SUCH}
    adopted = {"fields": snapshots, "instead": dict.fromkeys(_options_with_fields(), _ADOPTED)}
    kind_of_file = own if managed else adopted
    return Traits(
        platform=VAGRANT.name,
        powers=frozenset({STOPPED, RUNNING, *kept}),
        verbs=frozenset(verbs.union(*(_VERBS[power] for power in kept))),
        fields=kind_of_file["fields"],
        sources=("image", "box") if managed else (),
        instead_of_image=frozenset({"box"}),
        defaults={"provider": default_provider} if managed else {},
        stop_modes=("graceful", "force", "graceful_then_force") if by_tool else ("graceful_then_force", "force"),
        instead={**kind_of_file["instead"], **_instead_of_powers(providers)},
        slot=lambda number: f"disk {number}" if number else PRIMARY,
        name_fault=_name_fault,
        snapshot_name_fault=_snapshot_name_fault,
        # VirtualBox restores the memory of a saved VM as that of a running one.
        taken_as=lambda vm, request: ("", RUNNING if vm.power == SUSPENDED else vm.power),
        restored_as=_restored_as(providers, has_tools),
        power_after_create=STOPPED if managed else RUNNING,
        costs_may_recreate=managed,
        transient=_is_transient,
        normalize=partial(_normalized, default_provider, os_boxes) if managed else lambda vm, config: config,
        moving="Copy the project, and create the VM on the other host: its disks are not moved with it.",
        console="Vagrant keeps no log. Have the provider write the serial port to a file: libvirt.serial type: 'file',"
        " source: {path: PATH}, or virtualbox.customize ['modifyvm', :id, '--uart1', '0x3f8', '4', '--uartmode1',"
        " 'file', PATH]. vagrant ssh <name> connects to the VM.",
    )


def _options_with_fields():
    """The options with fields, and those that are not supported."""
    return {kind.split(".")[0] for kind in (*SETTINGS, *_NO_SUCH)}


def _instead_of_powers(providers):
    named = ", ".join(sorted(providers))
    return {
        PAUSED: f"With the provider {named}, use state: suspended.",
        SUSPENDED: f"With the provider {named}, Vagrant keeps the memory of a VM in RAM; use state: paused.",
        UNKNOWN: "Check it with the provider's own tool. If its Vagrantfile reads ENV, or LIBVIRT_DEFAULT_URI is its"
        " connection, set the same variables with the keyword environment of the task. If the file does not describe it"
        " any more, put it back there, or delete it with that tool, and then its folder below .vagrant/machines.",
        "stop_mode": "Vagrant powers off a guest that does not shut down within native: {vm.graceful_halt_timeout: ...}"
        " seconds; use graceful_then_force.",
    }


def _restored_as(providers, has_tools):
    """A task restores VMs of one provider only: see checks."""
    if providers == {"libvirt"}:
        return {}  # As virsh does, and vagrant-libvirt too, unlike other plugins (0.11.2: action_snapshot_restore).
    if has_tools and "virtualbox" in providers:
        return {RUNNING: SUSPENDED}
    return {STOPPED: RUNNING}  # Vagrant itself starts a VM that it has restored.


def _is_transient(error):
    locked = is_locked_in_virtualbox(getattr(error, "stderr", ""))
    return isinstance(error, Busy) or is_locked(error) or locked or may_pass_in_libvirt(error)


def _name_fault(name):
    return None if _NAME.match(name) else "use letters, digits, '_', '.' and '-', and none of the last two at the start"


def _snapshot_name_fault(name):
    if name.startswith(("-", ".")):
        return "it cannot begin with '-' or '.'"
    return "it contains a slash" if "/" in name else "it is too long" if len(name.encode()) > 247 else None


# Costs and limits -----------------------------------------------------------------------------------------------------


def _of_taking(has_description, vm, change):
    without_memory = change.new.include_memory is False and vm.power != STOPPED
    is_described = bool(change.new.description) and not has_description
    is_possible = vm.id is not None and vm.power in (STOPPED, RUNNING, PAUSED)
    return LIVE if is_possible and not without_memory and not is_described else NEVER


def _while_off(vm, change):
    return LIVE if vm.power in (STOPPED, SUSPENDED) else POWER_OFF


def _fields_of_snapshots(by_tool, is_virtualbox):
    """Fields of snapshots. Those that Vagrant creates (not ``by_tool``) have no description, and unknown parents."""
    return {
        "snapshot.take": Field(
            cost=partial(_of_taking, by_tool),
            instead="Start the VM first: Vagrant creates it at its first start, and takes no snapshots of a suspended"
            " one. While it is on, its memory is part of the snapshot."
            + ("" if by_tool else " With this provider, Vagrant stores no description of a snapshot."),
        ),
        # VirtualBox merges each image with one other only, and restores only a VM that is off.
        "snapshot.drop": Field(
            cost=lambda vm, change: LIVE if by_tool or not change.new.children else NEVER,
            maximum=1 if is_virtualbox else None,
            instead="Vagrant does not report the children of a snapshot: omit children, and name each snapshot.",
        ),
        "snapshot.restore": Field(cost=_while_off if is_virtualbox else LIVE),
        "snapshot.expires": Field(cost=LIVE),
    }


# Options in Vagrant's terms ------------------------------------------------------------------------------------------


def _normalized(default_provider, os_boxes, vm, config):
    _check_provider(vm, config.get("provider"))
    result = normalized(SETTINGS, vm, config)
    provider = config.get("provider") or vm.config.get("provider") or default_provider
    if config.get("os_type") and provider in PROVIDERS:  # The core rejects any other.
        kept = kept_box(vm, config["os_type"], provider, os_boxes)
        result["box"] = config.get("box") or kept or box_of(vm, config["os_type"], provider, os_boxes)
    elif config and vm.config.get("box"):
        result.setdefault("box", vm.config["box"])  # A task that recreates a VM need not repeat its box.
    check_host_ports(vm, config.get("port_forwards") or {})
    return result


def _check_provider(vm, provider):
    if provider in _NO_VMS:
        raise Unsupported(f"{vm.name}: provider: {provider} is not supported.", _NO_VMS[provider])
