# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this version of WSL supports, as data: settings and the cost of changing them, limits, alternatives."""

from __future__ import annotations

import re

from ..._core.errors import Refused
from ..._core.mark import IN_MARK
from ..._core.model import ABSENT, LIVE, NEVER, NEXT_BOOT, POWER_OFF, RUNNING, STOPPED, Field, Traits
from ..._core.units import MIB
from ..._ports.windows import ConnectionLost
from ..._tools.windows_files import key_of, windows_path
from ..._tools.wsl import WslFailed
from .options import WSL

_NAME, _LEGACY = re.compile(r"[a-zA-Z0-9._][a-zA-Z0-9._-]{0,255}"), "legacy"
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
FOLDER = "C:\\WSL"
#: The slot of the only disk, and the file extension of its file.
DISK, _DISK_FILE = "disk0", ".vhdx"
#: Values of keep_running with which a scheduled task keeps a distribution started.
KEPT = ("true", "at_logon")
#: The first versions of WSL that can move and resize disks, have sparse disks, regard them as unsafe, compress exports.
MANAGE, SPARSE, UNSAFE_SPARSE, FORMATS = (2, 4, 4), (2, 0, 0), (2, 5, 0), (2, 5, 10)
#: Error codes of temporary problems: WSL or another program uses the distribution or its disk.
_TRANSIENT_CODES = ("E_ILLEGAL_STATE_CHANGE", "ERROR_SHARING_VIOLATION")
_SOURCE_STOPS = "the source is stopped while it is exported, and started again if it ran"
#: Keys of wsl.conf and the types of their values, from WslDistributionConfig.cpp.
NATIVE = {
    "automount.enabled": bool,
    "automount.root": str,
    "automount.options": str,
    "automount.mountFsTab": bool,
    "automount.ldconfig": bool,
    "automount.cgroups": str,
    "filesystem.umask": str,
    "interop.enabled": bool,
    "interop.appendWindowsPath": bool,
    "network.generateHosts": bool,
    "network.generateResolvConf": bool,
    "network.hostname": str,
    "time.useWindowsTimezone": bool,
    "gpu.enabled": bool,
    "gpu.appendLibPath": bool,
    "boot.command": str,
    "boot.initTimeout": int,
    "boot.protectBinfmt": bool,
    "general.guiApplications": bool,
}
#: {key in lower case: key}
NATIVE_KEYS = {key.lower(): key for key in NATIVE}
_OWN_OPTIONS = {"user.default": "default_user", "boot.systemd": "systemd"}


def is_transient(error):
    return isinstance(error, ConnectionLost) or (isinstance(error, WslFailed) and error.code in _TRANSIENT_CODES)


def wsl_traits(reader):
    """Return the Traits of the WSL that ``reader`` reads; with None, those of any WSL."""
    host = reader.host if reader else None
    return Traits(
        platform=WSL.name,
        version=".".join(map(str, host.version)) if host and host.versions else "",
        powers=frozenset({STOPPED, RUNNING}),
        verbs=frozenset({"create", "clone", "configure", "start", "kill", "delete"}),
        fields=fields_of(reader),
        sources=("image", "clone"),
        stop_modes=("force",),
        instead={
            **WSL.lacks,
            "paused": WSL.lacks["state=paused"],
            "suspended": WSL.lacks["state=suspended"],
            "stop_mode": WSL.lacks["stop_mode=graceful"],
            "snapshot": WSL.lacks["clone.snapshot"],
        },
        cloned_with=frozenset({"version", "install_location"}),
        not_cloned=frozenset({"default", "install_location", "keep_running", "sparse", "export"}),
        folded=str.casefold,
        name_fault=_name_fault,
        lanes_at_once=1,
        transient=is_transient,
        side_effects=lambda verb, vm, changes: _side_effects(reader, verb, vm, changes),
        normalize=lambda vm, config: _adjusted(reader, vm, config),
    )


def _name_fault(name):
    is_valid = _NAME.fullmatch(name) and name.lower() != _LEGACY
    return None if is_valid else "WSL allows up to 256 letters, digits, '.', '_' and '-', with no '-' at the beginning"


def _side_effects(reader, verb, vm, changes):
    if verb == "clone":
        return (_SOURCE_STOPS,)
    if verb == "start":
        return _idle_stop(reader, vm)
    if verb == "delete" and vm.id is not None and not vm.owned:
        return ("WSL deletes the files of a distribution that this collection did not create",)
    if verb == "kill" and reader and reader.options.get("shutdown_all"):
        others = sorted(reader.host.running - {vm.name}) if reader.host else ()
        return (f"all distributions of the user are stopped: {', '.join(others) or 'no other runs'}",)
    if verb == "configure" and any(change.field == "version" for change in changes):
        return ("the whole file system is converted, which needs as much free space again",)
    return ()


def _idle_stop(reader, vm):
    seconds = reader.host.idle_seconds() if reader and reader.host else None
    if seconds is None or vm.config.get("keep_running") in KEPT:
        return ()
    return (f"WSL stops it {seconds} seconds after its last program has ended; set keep_running to keep it started",)


# Values of a task -----------------------------------------------------------------------------------------------------


def _adjusted(reader, vm, config):
    """Return the options in WSL's terms. Raises Refused for values that WSL does not support."""
    adjusted = dict(config)
    if vm.power == ABSENT or vm.id is None:
        adjusted.setdefault("install_location", f"{FOLDER}\\{vm.name}")
    for option in ("install_location", "export"):
        if adjusted.get(option):
            adjusted[option] = windows_path(vm, option, adjusted[option])
    _check_values(vm, config)
    if "native" in config:
        adjusted["native"] = {_key(vm, key): _value(vm, key, value) for key, value in config["native"].items()}
    stays_started = reader and reader.host and reader.host.idle_seconds() is None and vm.power == RUNNING
    if stays_started and adjusted.get("keep_running") == "true" and vm.config.get("keep_running") == "false":
        del adjusted["keep_running"]  # .wslconfig disables the idle timeout of all distributions.
    return adjusted


def _check_values(vm, config):
    for slot, disk in (config.get("disks") or {}).items():
        if slot != DISK:
            message = f"{vm.name}: disks.{slot}: a distribution has one disk, disk0. Its size can be set."
            raise Refused(message, "Omit the slot.")
        if disk and (disk.get("size") or 0) % MIB:
            raise Refused(f"{vm.name}: disks.{slot}.size: WSL takes whole MiB only.", "Round the size.")
    if config.get("default_user") is not None and not _USER.fullmatch(config["default_user"]):
        raise Refused(
            f"{vm.name}: default_user: '{config['default_user']}' cannot be the name of a user.",
            "Use small letters, digits, '-' and '_', beginning with a letter.",
        )
    check_version(vm.name, config.get("version") or vm.config.get("version"), config)


def check_version(name, version, config, image=""):
    """Raise Refused for options that a distribution of this version does not have; ``version`` None is unknown."""
    options = [f"disks.{slot}.size" for slot, disk in (config.get("disks") or {}).items() if disk and disk.get("size")]
    options += ["sparse"] if config.get("sparse") is not None else []
    options += ["systemd"] if config.get("systemd") else []
    files = {"export": config.get("export") or "", "image.source": image}
    options += [option for option, path in files.items() if path.lower().endswith(_DISK_FILE)]
    if version == 1 and options:
        other = ", or the path of a tarball" if options[0] in files else ""
        raise Refused(f"{name}: {options[0]}: it needs version 2.", f"Set version: 2{other}.")


def _key(vm, key):
    if key.lower() in _OWN_OPTIONS:
        raise Refused(f"{vm.name}: native: {key} has an option.", f"Set {_OWN_OPTIONS[key.lower()]}.")
    if key.lower() not in NATIVE_KEYS:
        known = ", ".join(sorted(NATIVE))
        raise Refused(f"{vm.name}: native: '{key}' is not a key of wsl.conf.", f"Supported keys: {known}.")
    return NATIVE_KEYS[key.lower()]


def _value(vm, key, value):
    """Return a value in the format of wsl.conf; None removes the key."""
    if value is None:
        return None
    kind, text = NATIVE[NATIVE_KEYS[key.lower()]], str(value)
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower()
    is_number = kind is int and not isinstance(value, bool) and re.fullmatch(r"-?\d+", text)
    if is_number or (kind is str and not isinstance(value, (bool, list, dict)) and "\r" not in text):
        return text
    expected = {bool: "true or false", int: "a whole number", str: "text"}[kind]
    raise Refused(f"{vm.name}: native.{key}: {value!r} is not {expected}.", "Correct the value.")


# Fields ---------------------------------------------------------------------------------------------------------------


def fields_of(reader):
    """{kind of change: Field}."""
    return {
        "version": Field(cost=POWER_OFF, choices=(1, 2)),
        "install_location": Field(cost=_since(reader, MANAGE), same=_same_path, instead=_needs(MANAGE, "move")),
        "disks.add": Field(cost=NEVER, instead="Only a distribution of version 2 has a disk."),
        "disks.size": Field(cost=_since(reader, MANAGE), instead=_needs(MANAGE, "resize")),
        "sparse": Field(cost=_cost_of_sparse(reader), instead=_INSTEAD_OF_SPARSE),
        "description": Field(cost=LIVE),
        **dict.fromkeys(IN_MARK, Field(cost=LIVE)),
        "default": Field(cost=_cost_of_default, instead="Set default: true for another distribution."),
        "default_user": Field(cost=NEXT_BOOT),
        "systemd": Field(cost=NEXT_BOOT),
        "native": Field(cost=NEXT_BOOT),
        "keep_running": Field(cost=LIVE),
        "export": Field(cost=POWER_OFF, same=_same_path),
        "image": Field(),
        "image.linked": Field(choices=(False,), instead=WSL.lacks["image.linked=true"]),
        "clone": Field(cost=LIVE),
        "clone.linked": Field(choices=(False,), instead=WSL.lacks["clone.linked=true"]),
        "clone.snapshot": Field(choices=(), instead=WSL.lacks["clone.snapshot"]),
    }


_INSTEAD_OF_SPARSE = (
    "A sparse disk needs version 2 and WSL 2.0 or later. Since 2.5, WSL regards it as unsafe: data can be damaged. To"
    " have it nevertheless, set allow_unsafe_sparse: true."
)


def _needs(version, what):
    return f"To {what} a distribution, update WSL to {'.'.join(map(str, version))} or later."


def _version(reader):
    """Return the version of WSL; if none was read, a version above all others."""
    return reader.host.version if reader and reader.host else (9,)


def _since(reader, version):
    return lambda vm, change: POWER_OFF if _version(reader) >= version and vm.config.get("version") != 1 else NEVER


def _cost_of_sparse(reader):
    def cost(vm, change):
        is_unsafe = change.new and _version(reader) >= UNSAFE_SPARSE
        if is_unsafe and not (reader and reader.options.get("allow_unsafe_sparse")):
            return NEVER
        return _since(reader, SPARSE)(vm, change)

    return cost


def _cost_of_default(vm, change):
    return LIVE if change.new else NEVER


def _same_path(found, requested):
    return found is not None and key_of(found) == key_of(requested)
