# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: what this version supports, as data: settings and the cost of changing them, limits, alternatives."""

from __future__ import annotations

from functools import partial

from ..._core.errors import Refused
from ..._core.model import ABSENT, LIVE, RUNNING, STOPPED, Field, Traits
from ..._core.pattern import Pattern
from ..._kit.settings import normalized, supported
from ..._ports.windows import ConnectionLost
from ..._tools.wsl import WslFailed
from .options import NO_NETWORK, OF_DRIVE, WSL
from .settings.storage import FOLDER
from .settings.table import SETTINGS

#: Not a device such as CON or nul.txt, because no directory can have such a name.
_NAME = Pattern(r"(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:[.]|$))[a-zA-Z0-9._][a-zA-Z0-9._-]{0,255}")
_LEGACY = "legacy"
_DISK_FILE = ".vhdx"
#: Values of keep_running with which a scheduled task keeps a distribution started.
KEPT = ("true", "at_logon")
#: Error codes of temporary problems: WSL or another program uses the distribution or its disk.
_TRANSIENT_CODES = ("E_ILLEGAL_STATE_CHANGE", "ERROR_SHARING_VIOLATION")
_SOURCE_STOPS = "the source is stopped while it is exported, and started again if it ran"


def is_transient(error):
    return isinstance(error, ConnectionLost) or (isinstance(error, WslFailed) and error.code in _TRANSIENT_CODES)


def wsl_traits(observer):
    """Return the Traits of the WSL that ``observer`` reads; with None, those of any WSL."""
    host = observer.host if observer else None
    return Traits(
        platform=WSL.name,
        version=".".join(map(str, host.version)) if host and host.versions else "",
        powers=frozenset({STOPPED, RUNNING}),
        verbs=frozenset({"create", "clone", "configure", "start", "kill", "delete", "fetch"}),
        fields={
            **supported(SETTINGS, known=observer),
            "image": Field(),
            "image.slot": Field(choices=(), instead=WSL.lacks["image.slot"]),
            "image.linked": Field(choices=(False,), instead=WSL.lacks["image.linked=true"]),
            "clone": Field(cost=LIVE),
            "cloud_init": Field(),
            **{kind: Field(choices=(), instead=WSL.lacks[kind]) for kind in (*NO_NETWORK, *OF_DRIVE)},
            "clone.linked": Field(choices=(False,), instead=WSL.lacks["clone.linked=true"]),
            "clone.snapshot": Field(choices=(), instead=WSL.lacks["clone.snapshot"]),
        },
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
        side_effects=partial(_side_effects, observer),
        normalize=partial(_normalized, observer),
        moving="Save the distribution to a file (option export), copy it, and create the distribution from it on the"
        " other host (option image).",
        console="A distribution has no console. On the host, wsl.exe -d <name> -u root dmesg shows the messages of its"
        " kernel.",
    )


def _name_fault(name):
    is_valid = _NAME.fullmatch(name) and name.lower() != _LEGACY
    allowed = "up to 256 letters, digits, '.', '_' and '-', with no '-' at the beginning, and no device such as CON"
    return None if is_valid else f"WSL allows {allowed}"


def _side_effects(observer, verb, vm, changes):
    if verb == "clone":
        return (_SOURCE_STOPS,)
    if verb == "start":
        return _idle_stop(observer, vm)
    if verb == "kill" and observer and observer.options.get("shutdown_all"):
        others = sorted(observer.host.running - {vm.name}) if observer.host else ()
        return (f"all distributions of the user are stopped: {', '.join(others) or 'no other runs'}",)
    if verb == "configure" and any(change.field == "version" for change in changes):
        return ("the whole file system is converted, which needs as much free space again",)
    return ()


def _idle_stop(observer, vm):
    seconds = observer.host.idle_seconds() if observer and observer.host else None
    if seconds is None or vm.config.get("keep_running") in KEPT:
        return ()
    return (f"WSL stops it {seconds} seconds after its last program has ended; set keep_running to keep it started",)


# Values of a task -----------------------------------------------------------------------------------------------------


def _normalized(observer, vm, config):
    """Return the options in WSL's terms. Raises Refused for values that WSL does not support."""
    defaults = {"install_location": f"{FOLDER}\\{vm.name}"} if vm.power == ABSENT or vm.id is None else {}
    result = normalized(SETTINGS, vm, {**defaults, **config}, observer)
    check_version(vm.name, config.get("version") or vm.config.get("version"), config)
    stays_started = observer and observer.host and observer.host.idle_seconds() is None and vm.power == RUNNING
    if stays_started and result.get("keep_running") == "true" and vm.config.get("keep_running") == "false":
        del result["keep_running"]  # .wslconfig disables the idle timeout of all distributions.
    return result


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
