# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: settings of a VM: how each is read from its description in the managed Vagrantfile, and written to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ...._core.errors import Refused
from ...._core.model import DESTRUCTIVE, EMPTY, LIVE, NEXT_BOOT, Secret
from ...._core.pattern import Pattern
from ...._core.record.leases import read, stored
from ...._core.record.mark import CREATED
from ...._core.units import GIB, MIB
from ...._kit.settings import Setting, options_of_native, read_all
from ...._ports import host
from ...._tools.vagrantfile_provider import PROVIDERS
from .networks import normalized_networks, read_networks, write_networks

#: Settings that only describe a VM and do not affect how it runs.
DESCRIPTIVE = ("description", "tags", "fleet", "owner", "expires", "os_type", "box_url", "box_checksum")
#: The key of a description with the image that the task has named, as ``inputs`` of a mark. Its box is a setting.
INPUTS = "inputs"
#: Vagrant's own name for the disk of a box. Only the size of that can be set.
PRIMARY = "primary"
#: Settings with another name in a description.
_KEYS = {"disks": "disk"}
#: Settings that these providers apply to a created VM; all other providers apply everything. Also in docs/vagrant.md.
_APPLIED_BY = {
    "libvirt": {"cpus", "memory", "port_forwards", "shared_folders", "provisioners"},
    "proxmox": {"shared_folders", "provisioners"},
}
#: Types of shared folders that are devices of the VM.
_SHARED_BY_DEVICES = ("9p", "virtiofs")
#: Settings in native that vagrant-libvirt compares, and applies, at each start.
_LIBVIRT_COMPARES = frozenset((
    "clock_offset", "clock_timer", "cmd_line", "cpu_fallback", "cpu_mode", "cpu_model", "disk_bus", "dtb",
    "graphics_autoport", "graphics_gl", "graphics_ip", "graphics_passwd", "graphics_port", "graphics_type",
    "graphics_websocket", "initrd", "kernel", "keymap", "loader", "nested", "nic_model_type", "nvram", "sound_type",
    "tpm_model", "tpm_path", "tpm_type", "tpm_version", "video_accel3d", "video_type", "video_vram",
))  # fmt: skip
#: {option of modifyvm, without a number: option that sets the same}, in commands of ``customize``.
_OF_MODIFYVM = {
    "memory": "memory", "cpus": "cpus", "natpf": "port_forwards", "nat-pf": "port_forwards", "nic": "networks",
    "macaddress": "networks", "mac-address": "networks", "bridgeadapter": "networks", "bridge-adapter": "networks",
    "hostonlyadapter": "networks", "host-only-adapter": "networks",
}  # fmt: skip
#: Vagrant's own settings that are used only when a VM is created.
_AT_CREATION = ("vm.base_mac", "vm.box", "vm.cloud_init", "vm.clone", "vm.disk", "vm.network")
_HOSTNAME = Pattern(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_OTHERS = "Manage VMs of other providers by a Vagrantfile of your own, with managed: false."
_UNSIZED = "It can be set before the VM's first start; grow this one with the provider's own tool."


# Costs --------------------------------------------------------------------------------------------------------------


def _at_creation(vm, change):
    return NEXT_BOOT if vm.id is None else DESTRUCTIVE


def _as_applied(vm, change):
    """At the next start; for some settings only if the VM is not created yet."""
    provider = vm.config.get("provider")
    applied = _APPLIED_BY.get(provider)
    is_device = provider in _APPLIED_BY and change.field == "shared_folders" and _shared_by_device(vm, change)
    return NEXT_BOOT if vm.id is None or applied is None or (change.field in applied and not is_device) else DESTRUCTIVE


def _shared_by_device(vm, change):
    found = (vm.config.get("shared_folders") or {}).get(change.key) or {}
    requested = {change.attribute: change.new} if change.attribute else change.new or {}
    return bool({found.get("type"), requested.get("type")} & set(_SHARED_BY_DEVICES))


def _of_native(vm, change):
    if vm.id is None or vm.config.get("provider") not in _APPLIED_BY:
        return NEXT_BOOT
    if "." in change.key:
        return DESTRUCTIVE if change.key in _AT_CREATION else NEXT_BOOT
    is_compared = vm.config["provider"] == "libvirt" and change.key in _LIBVIRT_COMPARES
    return NEXT_BOOT if is_compared else DESTRUCTIVE


# Values -------------------------------------------------------------------------------------------------------------


def _hostname(vm, hostname):
    if hostname is not None and not _HOSTNAME.fullmatch(hostname):
        raise Refused(
            f"{vm.name}: hostname: '{hostname}' is not a valid host name for Vagrant.",
            "Use letters, digits, '-' and '.', beginning with a letter or a digit; or remove the option.",
        )
    return hostname


def _normalized_folders(vm, folders):
    """Requested folders; the default ``guest_path`` of a new one is /NAME."""
    known = vm.config.get("shared_folders") or {}
    return {
        name: entry if entry is None else _folder(entry if name in known else {"guest_path": f"/{name}", **entry})
        for name, entry in folders.items()
    }


def _folder(entry):
    """An entry without a slash at the end of guest_path: for Vagrant, /srv and /srv/ are the same."""
    path = entry.get("guest_path")
    return {**entry, "guest_path": path.rstrip("/") or "/"} if path else entry


def _check_native(vm, native, options):
    """Raise Refused for a setting or a call that sets what an option sets; ``options`` is {key: option}."""
    for key, value in native.items():
        option = options.get(key) or _OF_CALLS.get(key, lambda calls: None)(value)
        if option:
            raise Refused(f"{vm.name}: native: '{key}' cannot set this.", f"Use the option {option} instead.")
    return native


def _of_networks(calls):
    return next(("port_forwards" for call in _lists(calls) if str(call[0]).lstrip(":") == "forwarded_port"), None)


def _of_disks(calls):
    """A primary disk is that of the option; other disks, and media, have none."""
    named = [call[-1] for call in _lists(calls) if isinstance(call[-1], Mapping)]
    return "disks" if any(str(one.get("primary")).lower() == "true" for one in named) else None


def _of_customize(calls):
    for call in _lists(calls):
        words = [str(word) for part in call for word in (part if isinstance(part, list) else [part])]
        if "modifyvm" in words:
            names = [word.lstrip("-").rstrip("0123456789") for word in words if word.startswith("--")]
            yield from (_OF_MODIFYVM[name] for name in names if name in _OF_MODIFYVM)


def _lists(calls):
    """The calls with arguments; other values are rejected when the file is written."""
    return [call for call in calls if isinstance(call, list) and call] if isinstance(calls, list) else []


_OF_CALLS = {
    "vm.network": _of_networks,
    "vm.disk": _of_disks,
    "customize": lambda calls: next(_of_customize(calls), None),
}


def automatic(provisioners):
    """The provisioners that Vagrant runs automatically; others (run: never) run only if requested by name."""
    return [one for one in provisioners or () if one.get("run") != "never"]


def _read_provisioners(described):
    found = described.get("provisioners") or ()
    return tuple({**one, **({"env": _masked(one["env"])} if "env" in one else {})} for one in found)


def _masked(variables):
    """Variables of provisioners, or of a project, with their values as Secret."""
    return {name: Secret(value) for name, value in variables.items()}


def _provisioner(vm, provisioner):
    """A requested provisioner without empty values, which a description does not have either."""
    given = {key: value for key, value in provisioner.items() if value not in (None, [], {})}
    return {**given, **({"env": _checked_variables(vm, "provisioners.env", given["env"])} if given.get("env") else {})}


def _checked_variables(vm, option, variables):
    for name, value in variables.items():
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise Refused(f"{vm.name}: {option}: the value of {name} is not a string.", "Quote it, or remove it.")
    return _masked(variables)


def _write_disks(disks):
    size = ((disks or {}).get(PRIMARY) or {}).get("size")
    return size // MIB if size else None


def _check_slots(vm, disks):
    for slot in disks:
        if slot != PRIMARY:
            raise Refused(
                f"{vm.name}: disks: '{slot}' does not exist: a box has one disk, {PRIMARY}, and only its size can be"
                " set.",
                "Add other disks with native: vm.disk, or storage for libvirt.",
            )
    return disks


def _plain(name, **more):
    """A row of a setting with the same name and value in a description."""
    return Setting(read=lambda described: described.get(name), write=lambda value: value, **more)


def _text(name):
    """A row of a text that is not in the description if it is empty."""
    return Setting(cost=LIVE, read=lambda described: described.get(name, ""), write=lambda text: text or None)


def _by_name(key, **more):
    """A row of a setting that is {name: entry}, and a list of entries with the key ``name`` in a description."""
    return Setting(
        read=lambda described: {
            one["name"]: {part: value for part, value in one.items() if part != "name"}
            for one in described.get(key) or ()
        },
        write=lambda entries: [{"name": name, **entry} for name, entry in sorted((entries or {}).items())],
        **more,
    )


_Applied = partial(Setting, cost=_as_applied)


def _applied(field, *attributes):
    return {f"{field}.{attribute}": _Applied() for attribute in attributes}


#: {kind of change: Setting}. ``read(described)`` returns the value, ``write(value)`` the value in the description.
SETTINGS = {
    "provider": _plain(
        "provider",
        cost=_at_creation,
        choices=PROVIDERS,
        instead=f"Supported are {', '.join(PROVIDERS)}. {_OTHERS}",
    ),
    "box": _plain("box", cost=_at_creation, native=("vm.box",)),
    # Without it, Vagrant takes a box for the architecture of the host.
    "architecture": _plain(
        "architecture",
        cost=_at_creation,
        choices=("amd64", "arm64"),
        same=lambda found, asked: (found or host.architecture()) == asked,
        native=("vm.box_architecture",),
    ),
    "box_version": _plain("box_version", cost=_at_creation, native=("vm.box_version",)),
    "box_url": _plain("box_url", cost=LIVE, native=("vm.box_url",)),
    "box_checksum": _plain(
        "box_checksum", cost=LIVE, native=("vm.box_download_checksum", "vm.box_download_checksum_type")
    ),
    "os_type": _plain("os_type", cost=LIVE),
    "hostname": _plain("hostname", cost=_as_applied, normalize=_hostname, native=("vm.hostname",)),
    "cpus": _plain("cpus", cost=_as_applied, native=("cpus", "vmx[numvcpus]", "qemu_cores")),
    "gui": _plain("gui", cost=_as_applied, native=("gui",)),
    "linked_clone": _plain("linked_clone", cost=_at_creation, native=("linked_clone",)),
    "description": Setting(cost=LIVE, read=lambda described: described.get("description", ""), write=lambda text: text),
    "native": Setting(
        cost=_of_native,
        read=lambda described: dict(described.get("native") or {}),
        write=lambda native: native,
        normalize=lambda vm, native: _check_native(vm, native, options_of_native(SETTINGS)),
    ),
    "tags": Setting(
        cost=LIVE, read=lambda described: tuple(described.get("tags") or ()), write=lambda tags: list(tags or ())
    ),
    "fleet": _text("fleet"),
    "owner": _text("owner"),
    "expires": Setting(
        cost=LIVE,
        read=lambda described: read(described.get("expires")),
        write=lambda expires: stored(expires) if expires else None,
    ),
    "memory": _Applied(
        minimum=16 * MIB,
        whole=MIB,
        read=lambda described: described["memory"] * MIB if described.get("memory") else None,
        write=lambda size: size // MIB if size else None,
        native=("memory", "vmx[memsize]", "vm_memory"),
    ),
    "disks": Setting(
        read=lambda described: {PRIMARY: {"size": described["disk"] * MIB} if described.get("disk") else {}},
        write=_write_disks,
        normalize=_check_slots,
        native=("machine_virtual_size", "qemu_disk_size", "vm_disk_size"),
    ),
    "disks.add": _Applied(),
    "disks.size": _Applied(minimum=GIB, whole=MIB, instead=_UNSIZED, free_before_creation=True),
    "networks": Setting(read=read_networks, write=write_networks, normalize=normalized_networks),
    "networks.type": _Applied(choices=("nat", "hostonly", "bridged"), instead="Set it through native, as vm.network."),
    **_applied("networks", "add", "remove", "source", "mac", "address"),
    "port_forwards": _by_name("port_forwards"),
    **_applied("port_forwards", "add", "remove", "protocol", "host_address", "host_port", "guest_port"),
    "shared_folders": _by_name("shared_folders", normalize=_normalized_folders),
    **_applied("shared_folders", "add", "remove", "host_path", "guest_path", "read_only", "type"),
    "provisioners": Setting(
        cost=lambda vm, change: LIVE if automatic(change.old) == automatic(change.new) else _as_applied(vm, change),
        read=_read_provisioners,
        write=lambda entries: list(entries or ()),
        normalize=lambda vm, entries: tuple(_provisioner(vm, one) for one in entries),
    ),
    # The project's, not in the description of a VM.
    "environment": Setting(cost=LIVE, normalize=lambda vm, values: _checked_variables(vm, "environment", values)),
}


def description_of(name, config, inputs=None, created=None):
    """A VM's description from its settings; ``inputs`` are those of its mark, ``created`` is the text of a time."""
    written = {kind: row.write(config.get(kind)) for kind, row in SETTINGS.items() if row.write}
    described = {_KEYS.get(kind, kind): value for kind, value in written.items() if value not in (None, [], {})}
    recorded = {INPUTS: inputs, CREATED: created}
    return {"name": name, **described, **{key: one for key, one in recorded.items() if one}}


def changed_description(described, config):
    """The description ``described`` with other settings; it keeps what is recorded, and the image unless its box is
    another one.
    """
    inputs = described.get(INPUTS) if described.get("box") == config.get("box") else None
    return description_of(described["name"], config, inputs, described.get(CREATED))


def config_of(described, environment=EMPTY):
    """A VM's settings from its description; ``environment`` is that of its project."""
    return {**read_all(SETTINGS, described), "environment": _masked(environment)}
