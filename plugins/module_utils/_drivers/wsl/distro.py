# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: distributions, as the registry, wsl.exe and the scheduled tasks report them, and as the Vms of the core."""

from __future__ import annotations

import re
from typing import Any

from ..._core.frozen import Frozen, Mutable, field
from ..._core.model import RUNNING, STOPPED, UNKNOWN, File, Vm
from ..._core.record.mark import UNFINISHED, is_unfinished, mark_for, parsed
from ..._tools import wsl_conf
from ..._tools.windows_files import key_of
from ..._tools.wsl import INSTALLED, INSTALLING, MARK, PACKAGED, UNINSTALLING, disk_of, is_vm, kept_by, number_of

#: The first build of Windows whose new distributions have version 2 if the registry sets no default version. Sources:
#: the release notes of WSL, and issue 10117 of microsoft/WSL about the WSL that is a part of Windows 10.
_DEFAULTS_TO_2 = 20150
#: The key of a mark with the stamp of an export (stamp_in) after which the distribution is deleted.
COPY = "copy"
_STATES = {INSTALLING: "being installed", UNINSTALLING: "being removed"}


class Host(Mutable):
    """The host and its distributions, as read last. ``file`` is the wsl.exe to call.

    ``root`` are the settings of the user in the registry, ``settings`` those in .wslconfig. The keys of ``distros``
    (raw), ``tasks`` and ``guests`` (GuestFiles) are ids in lower case; those of ``files`` and ``sizes`` are ``key_of``
    the paths of virtual disks.
    """

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
    guests: dict = field(default_factory=dict)
    #: {key of the path of a disk: whether it exists}, of those about which the task has asked.
    disks: dict = field(default_factory=dict)
    #: Keys of those that the user may not open.
    denied: set = field(default_factory=set)
    #: Whether the file that the task exports to exists; of a distribution that is deleted, its stamp (stamp_in).
    exported: Any = False

    @property
    def version(self):
        """Return the version of the package as numbers; (0,) for an inbox version."""
        return number_of(self.versions[0]) if self.versions else (0,)

    @property
    def default_version(self):
        """Return the version of a new distribution that sets none, as wsl.exe creates it."""
        is_old = not self.versions and self.about.get("build", _DEFAULTS_TO_2) < _DEFAULTS_TO_2
        return self.root.get("DefaultVersion") or (1 if is_old else 2)

    def find(self, name):
        """Return the raw distribution with this name, in any case, or None."""
        return next((raw for raw in self.distros.values() if raw["DistributionName"].lower() == name.lower()), None)

    def raw(self, vm_id):
        return self.distros.get((vm_id or "").lower())

    def is_lost(self, raw):
        """Return whether it is known that the disk of a distribution does not exist."""
        return not self.disks.get(key_of(disk_of(raw)), True)

    def runs(self, raw):
        return raw["DistributionName"] in self.running

    def idle_seconds(self):
        """Return the seconds after which WSL stops an unused distribution; None for never."""
        if self.version < (2, 5, 10):
            return 8
        timeout = self.settings.get("general.instanceidletimeout", "")
        milliseconds = int(timeout) if re.fullmatch(r"-?[0-9]+", timeout) else 15000
        return None if milliseconds < 0 else milliseconds // 1000

    def keep_running(self, raw):
        """Return the value of keep_running; "disabled" for a distribution that runs, but not by its scheduled task."""
        task = self.tasks.get(raw["PSChildName"].lower())
        if task and self.runs(raw) and task.get("State") in ("Ready", "Disabled"):
            return "disabled"
        return kept_by(task, self.file, raw["DistributionName"]) if task else "false"


class Distro(Frozen):
    """A registered distribution of a Host. ``options`` are those of the task; ``started_with``: as it was started."""

    host: Host
    raw: dict
    options: dict
    started_with: bool = False

    @property
    def name(self):
        return self.raw["DistributionName"]

    @property
    def id(self):
        return self.raw["PSChildName"]

    @property
    def mark(self):
        return mark_for(self.id, parsed(self.raw.get(MARK)))

    @property
    def recorded_copy(self):
        """The stamp of the export after which the distribution is deleted, if a task has completed it; or None."""
        return (parsed(self.raw.get(MARK)) or {}).get(COPY)

    @property
    def guest(self):
        """The GuestFiles, or None if they were not read."""
        return self.host.guests.get(self.id.lower())

    @property
    def conf(self):
        return wsl_conf.parse(self.guest.started_with if self.started_with else self.guest.conf)


def observed_vm(host, raw, name, vm_id, config, active):
    """Return one Vm. ``name`` and ``vm_id`` are as the task writes them: WSL ignores the case of both."""
    state, is_running = raw.get("State"), host.runs(raw)
    power = RUNNING if is_running else STOPPED if state == INSTALLED or state in _STATES else UNKNOWN
    mark = parsed(raw.get(MARK))
    if mark and (is_unfinished(mark) or str(mark.get("id")).lower() == vm_id.lower()):
        mark = {**mark, "id": vm_id}
    return Vm(
        name=name,
        id=vm_id,
        power=power,
        busy=_STATES.get(state),
        reason=UNFINISHED if is_unfinished(mark) else _reason(host, raw, power),
        config=config,
        active=active if is_running else None,
        mark=mark,
        own_disks=frozenset(file.path for file in files_of(raw)) if is_vm(raw) else frozenset(),
    )


def _reason(host, raw, power):
    if host.is_lost(raw):
        return f"its disk {disk_of(raw)} does not exist"
    return f"State {raw.get('State')} in the registry" if power == UNKNOWN else ""


def plain_path(path):
    """Return a path without the prefix of long paths."""
    return path.removeprefix("\\\\?\\")


def files_of(raw):
    """Return the virtual disk, or the directory of version 1, which WSL deletes with its distribution.

    The registry ties it to the distribution, so it is ours if the distribution is.
    """
    return (File(disk_of(raw), "disk", ours=True, bound=True),)
