# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry, wsl.exe and the scheduled tasks report, as VMs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..._lifecycle.mark import marked_settings, own_mark, parsed
from ..._lifecycle.model import RUNNING, STOPPED, UNKNOWN, File, Vm
from ..._tools import wsl_conf
from ..._tools.windows_files import key_of
from ..._tools.wsl import INSTALLED, MARK, PACKAGED, UNINSTALLING, disk_of, folder_of, is_vm, kept_by, number_of
from .traits import DISK, NATIVE_KEYS

_STATES = {3: "being installed", UNINSTALLING: "being removed"}


@dataclass(frozen=True)
class Inner:
    """What is stored in a distribution: the texts of wsl.conf, now and at its start, and {user: uid}."""

    conf: str
    started_with: str
    users: dict


@dataclass
class Host:
    """What was read of the host and of its distributions at last; ``file`` is the wsl.exe that is used."""

    file: str = PACKAGED
    versions: tuple = ()
    about: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    root: dict = field(default_factory=dict)
    distros: dict = field(default_factory=dict)
    running: set = field(default_factory=set)
    tasks: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    sizes: dict = field(default_factory=dict)
    inner: dict = field(default_factory=dict)
    #: Whether the file that the task exports to exists.
    exported: bool = False

    @property
    def version(self):
        """The version of the package as numbers; (0,) for an inbox version."""
        return number_of(self.versions[0]) if self.versions else (0,)

    def named(self, name):
        """The raw distribution of a name, in any case, or None."""
        return next((raw for raw in self.distros.values() if raw["DistributionName"].lower() == name.lower()), None)

    def raw(self, vm_id):
        return self.distros.get((vm_id or "").lower())

    def runs(self, raw):
        return raw["DistributionName"] in self.running

    def idle_seconds(self):
        """Seconds until a distribution stops that nothing uses; None for never."""
        if self.version < (2, 5, 10):
            return 8
        given = self.settings.get("general.instanceidletimeout", "")
        milliseconds = int(given) if given.lstrip("-").isdigit() else 15000
        return None if milliseconds < 0 else milliseconds // 1000

    def kept(self, raw):
        """How a task keeps a distribution started; "disabled" for one that runs without its task."""
        task = self.tasks.get(raw["PSChildName"].lower())
        if task and self.runs(raw) and task.get("State") in ("Ready", "Disabled"):
            return "disabled"
        return kept_by(task, self.file, raw["DistributionName"]) if task else "false"


def observed_vm(host, raw, name, vm_id, config, active):
    """One distribution. ``name`` and ``vm_id`` are as the task writes them: WSL compares both in any case."""
    state, is_running = raw.get("State"), host.runs(raw)
    power = RUNNING if is_running else STOPPED if state == INSTALLED or state in _STATES else UNKNOWN
    mark = parsed(raw.get(MARK))
    if mark and (mark.get("new") or str(mark.get("id")).lower() == vm_id.lower()):
        mark = {**mark, "id": vm_id}
    return Vm(
        name=name,
        id=vm_id,
        power=power,
        busy=_STATES.get(state),
        reason="" if power != UNKNOWN else f"State {state} in the registry",
        config=config,
        active=active if is_running else None,
        mark=mark,
    )


def config_of(host, raw, options, started_with=False):
    """The settings of a distribution, or those with which it was started; ``options`` are those of the task."""
    vm_id = raw["PSChildName"]
    mark = own_mark(Vm(raw["DistributionName"], id=vm_id, mark=parsed(raw.get(MARK))))
    config = {
        "description": mark.get("description", ""),
        **marked_settings(mark, vm_id),
        "version": 2 if is_vm(raw) else 1,
        "install_location": folder_of(raw),
        "default": host.root.get("DefaultDistribution", "").lower() == vm_id.lower(),
        "keep_running": host.kept(raw),
        "export": options.get("export") if host.exported else None,
        **_disk(host, raw),
    }
    inner = host.inner.get(vm_id.lower())
    return {**config, **(_inner_config(raw, inner, options, started_with) if inner else {})}


def _disk(host, raw):
    if not is_vm(raw):
        return {}
    path, key = disk_of(raw), key_of(disk_of(raw))
    entry = {"source": path, **({"size": host.sizes[key]} if key in host.sizes else {})}
    file = host.files.get(key)
    attributes = {} if file is None else {"sparse": "SparseFile" in str(file.get("Attributes"))}
    return {"disks": {DISK: entry}, **attributes}


def _inner_config(raw, inner, options, started_with):
    conf = wsl_conf.parse(inner.started_with if started_with else inner.conf)
    keys = [NATIVE_KEYS.get(key.lower(), key) for key in options.get("native") or ()]
    return {
        "systemd": wsl_conf.boolean(conf.get("boot.systemd"), False),
        "default_user": default_user(conf, inner.users, raw.get("DefaultUid") or 0),
        **({"native": {key: _native(conf, key) for key in keys}} if keys else {}),
    }


def default_user(conf, users, uid):
    """The user of new sessions: that of wsl.conf, if there is one of this name, else the one in the registry."""
    named = _utf8(conf.get("user.default", ""))
    if named in users:
        return named
    return next((name for name, one in users.items() if one == uid), "root")


def _native(conf, key):
    value = conf.get(key.lower())
    return None if value is None else _utf8(value)


def _utf8(text):
    """A value of a file that was read byte by byte."""
    return text.encode("latin-1").decode("utf-8", "replace")


def plain_path(path):
    """A path without the prefix of long ones."""
    return path.removeprefix("\\\\?\\")


def files_of(raw):
    """The virtual disk, which WSL deletes with its distribution."""
    return (File(disk_of(raw), "disk", ours=True, bound=True),) if is_vm(raw) else ()
