# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings a machine of Vagrant has, and when each provider applies a changed one.

A change is written into the Vagrantfile at once. What of it reaches a machine that is made already is the provider's
matter: vagrant-libvirt looks at few settings again when it starts a machine, most others at all of them.
"""

from __future__ import annotations

from functools import partial

from ..._lifecycle.model import (
    DESTRUCTIVE,
    LIVE,
    NEVER,
    NEXT_BOOT,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Field,
)
from ..._lifecycle.units import GIB, MIB
from ..._tools.vagrantfile_provider import PROVIDERS

#: What these providers apply to a machine that is there; all others apply everything. The Vagrant guide tells it, too.
_APPLIED_BY = {
    "libvirt": {"cpus", "memory", "port_forwards", "shared_folders", "provisioners"},
    "proxmox": {"shared_folders", "provisioners"},
}
#: Ways of sharing that are devices of the machine.
_SHARED_BY_DEVICES = ("9p", "virtiofs")
#: Settings of the provider that vagrant-libvirt compares at each start.
_LIBVIRT_COMPARES = frozenset((
    "clock_offset", "clock_timer", "cmd_line", "cpu_fallback", "cpu_mode", "cpu_model", "disk_bus", "dtb",
    "graphics_autoport", "graphics_gl", "graphics_ip", "graphics_passwd", "graphics_port", "graphics_type",
    "graphics_websocket", "initrd", "kernel", "keymap", "loader", "nested", "nic_model_type", "nvram", "sound_type",
    "tpm_model", "tpm_path", "tpm_type", "tpm_version", "video_accel3d", "video_type", "video_vram",
))  # fmt: skip
#: Vagrant's own settings that matter only when a machine is made.
_AT_CREATION = ("vm.base_mac", "vm.box", "vm.cloud_init", "vm.clone", "vm.disk", "vm.network")
_OTHERS = "VMs of other providers can be driven by a Vagrantfile of your own, with managed: false."
_UNSIZED = "It can be given before the machine's first start; grow this one with the provider's own tool."


def _at_creation(vm, change):
    return NEXT_BOOT if vm.id is None else DESTRUCTIVE


def _as_applied(vm, change):
    """At the next start, or never more once the machine is made."""
    provider = vm.config.get("provider")
    applied = _APPLIED_BY.get(provider)
    is_device = provider in _APPLIED_BY and change.field == "shared_folders" and _shared_by_device(vm, change)
    return NEXT_BOOT if vm.id is None or applied is None or (change.field in applied and not is_device) else DESTRUCTIVE


def _shared_by_device(vm, change):
    found = (vm.config.get("shared_folders") or {}).get(change.key) or {}
    asked = {change.attribute: change.new} if change.attribute else change.new or {}
    return bool({found.get("type"), asked.get("type")} & set(_SHARED_BY_DEVICES))


def that_run(provisioners):
    """The provisioners that Vagrant runs by itself: others only where somebody asks for them by name."""
    return [one for one in provisioners or () if one.get("run") != "never"]


def _of_provisioners(vm, change):
    return LIVE if that_run(change.old) == that_run(change.new) else _as_applied(vm, change)


def _of_native(vm, change):
    if vm.id is None or vm.config.get("provider") not in _APPLIED_BY:
        return NEXT_BOOT
    if "." in change.key:
        return DESTRUCTIVE if change.key in _AT_CREATION else NEXT_BOOT
    is_compared = vm.config["provider"] == "libvirt" and change.key in _LIBVIRT_COMPARES
    return NEXT_BOOT if is_compared else DESTRUCTIVE


def _of_taking(keeps_description, vm, change):
    without_memory = change.new.include_memory is False and vm.power != STOPPED
    is_described = bool(change.new.description) and not keeps_description
    is_fit = vm.id is not None and vm.power in (STOPPED, RUNNING, PAUSED)
    return LIVE if is_fit and not without_memory and not is_described else NEVER


def _of_dropping(tells_tree, vm, change):
    return LIVE if tells_tree or not change.new.children else NEVER


def _while_off(vm, change):
    return LIVE if vm.power in (STOPPED, SUSPENDED) else POWER_OFF


def fields_of_machine():
    """{kind of change: Field} of a machine that the managed file describes."""
    creation, applied, stored = Field(cost=_at_creation), Field(cost=_as_applied), Field(cost=LIVE)
    known = f"Supported are {', '.join(PROVIDERS)}. {_OTHERS}"
    return {
        "provider": Field(cost=_at_creation, choices=PROVIDERS, instead=known),
        **dict.fromkeys(("box", "box_version", "linked_clone"), creation),
        **dict.fromkeys(("description", "tags", "os_type", "box_url", "box_checksum", "environment"), stored),
        **dict.fromkeys(("cpus", "hostname", "gui"), applied),
        "provisioners": Field(cost=_of_provisioners),
        "memory": Field(cost=_as_applied, minimum=16 * MIB),
        "disks.add": applied,
        "disks.size": Field(cost=_as_applied, minimum=GIB, instead=_UNSIZED, free_until_made=True),
        **dict.fromkeys(("networks.add", "networks.remove", "networks.source", "networks.mac"), applied),
        "networks.type": Field(
            cost=_as_applied, choices=("nat", "hostonly", "bridged"), instead="Name it in native, as vm.network."
        ),
        "networks.address": applied,
        **{f"port_forwards.{part}": applied for part in ("add", "remove", "protocol", "host_address", "host_port")},
        "port_forwards.guest_port": applied,
        **{f"shared_folders.{part}": applied for part in ("add", "remove", "host_path", "guest_path", "read_only")},
        "shared_folders.type": applied,
        "native": Field(cost=_of_native),
    }


def fields_of_snapshots(by_tool, is_virtualbox):
    """Where Vagrant itself takes them (not ``by_tool``), they have no description, and nobody tells their tree."""
    return {
        "snapshot.take": Field(
            cost=partial(_of_taking, by_tool),
            instead="There is a machine only from its first start on. While it is on, its memory is part of the"
            " snapshot; one that is saved to disk is started first."
            + ("" if by_tool else " Vagrant keeps no description with the snapshots of this provider."),
        ),
        # VirtualBox merges each image with one other only, and restores only what is off.
        "snapshot.drop": Field(
            cost=partial(_of_dropping, by_tool),
            maximum=1 if is_virtualbox else None,
            instead="Vagrant does not tell which are its children: leave children out, and name each.",
        ),
        "snapshot.restore": Field(cost=_while_off if is_virtualbox else LIVE),
    }
