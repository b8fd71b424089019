# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at machines: one process lists them all with their images, one more asks each running guest's addresses.

The list takes no lock, so a look disturbs nobody; what it does not tell is in the machines' settings files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..._lifecycle.model import RUNNING, STOPPED, SUSPENDED, UNKNOWN, Observation, Snapshot, Vm
from ..._ports import files
from ..._tools import vboxmanage_long as long
from ..._tools import vboxmanage_output as output
from ..._tools.vboxmanage_file import settings_in
from ..._tools.vboxmanage_states import state as state_of
from .forwards import ssh_of
from .mark import KEY, is_made_here, read_mark
from .sight import Sight, config_of

_UNFINISHED = "unfinished: a task that makes it is at work or was cut off"
_LOOKS_AGAIN = 2
_ALL = ("list", "--multiple", "--long", "systemproperties", "hdds", "vms")


@dataclass(frozen=True)
class Listing:
    """What one process tells: properties of the installation, images by UUID, all machines."""

    properties: Mapping
    media: Mapping
    machines: tuple
    #: Each file is read once: what one look tells of a machine is of one moment.
    _sights: dict = field(default_factory=dict)

    @classmethod
    def read(cls, tool):
        """A list in which every machine made here has its file: one that has just moved or gone is asked for again."""
        found = cls._read(tool)
        for _again in range(_LOOKS_AGAIN):
            if all(found.sight(one).file for one in found.machines if one.machine and is_made_here(one.uuid)):
                break
            found = cls._read(tool)
        return found

    @classmethod
    def _read(cls, tool):
        before, machines = long.split(tool.read(*_ALL))
        media = {medium.uuid: medium for medium in output.media(before)}
        return cls(output.system_properties(before), media, tuple(listed_in(machines)))

    def sight(self, listed):
        """One machine, with what its settings file adds."""
        if listed.uuid not in self._sights:
            file = settings_in(listed.file)
            mark = read_mark(file.extra_data.get(KEY)) if file else None
            self._sights[listed.uuid] = Sight(listed.uuid, listed.machine, file, self.media, mark)
        return self._sights[listed.uuid]

    def is_there(self, listed):
        """False for a machine that a task has begun to make and nobody has got yet."""
        if listed.machine is None or not is_made_here(listed.uuid):
            return True
        sight = self.sight(listed)
        return not sight.is_unfinished or (sight.file is None and is_lost(listed))

    def wanted(self, targets, unfinished=False):
        """The machines of ``targets`` (None: all), on demand with those that are not there yet."""
        meant = [one for one in self.machines if targets is None or any(_means(target, one) for target in targets)]
        return [one for one in meant if unfinished or self.is_there(one)]

    def known(self):
        return tuple(name_of(one) for one in self.machines if self.is_there(one))


def _means(target, listed):
    return listed.uuid == target.id.lower() if target.id else name_of(listed) == target.name


def name_of(listed):
    """The name; of a machine whose settings cannot be read that of their file, which is the same as a rule."""
    return os.path.splitext(os.path.basename(listed.file))[0] if listed.name is None else listed.name


def listed_in(text):
    """The machines of a long list, whatever their descriptions hold."""
    return long.machines(text, _texts_of)


def _texts_of(uuid, path):
    file = settings_in(path)
    if file is None or file.uuid != uuid:
        return None
    return (file.description, *(one.description for one in file.snapshots.values() if "\n" in one.description))


def machine_of(listing, listed, native_keys):
    """One machine as found."""
    if listed.machine is None:
        return _unreadable(listed)
    sight = listing.sight(listed)
    power, busy, reason = sight.state
    # VirtualBox notices that a settings file is gone only when its daemon starts again.
    if sight.file is None and power in (STOPPED, SUSPENDED) and not busy and is_lost(listed):
        return _unreadable(listed)
    config, is_there = config_of(sight, native_keys), not sight.is_unfinished
    return Vm(
        name=listed.name,
        id=listed.uuid,
        power=power,
        reason=reason if is_there else _UNFINISHED,
        busy=busy,
        config=config,
        # modifyvm changes nothing of a running machine: it runs with what is stored.
        active=None if power == STOPPED else config,
        snapshots=_snapshots(sight),
        ssh=ssh_of(sight) if power == RUNNING else None,
        mark=sight.mark if is_there else sight.begun_mark,
    )


def _unreadable(listed):
    lost = is_lost(listed)
    what = f"{os.path.dirname(listed.file)} holds no file any more" if lost else f"{listed.file} cannot be read"
    reason = f"inaccessible: {{{listed.uuid}}} {what}"
    return Vm(name=name_of(listed), id=listed.uuid, power=UNKNOWN, reason=reason, lost=lost)


def is_lost(listed):
    """Whether nothing is left in the folder of a VM."""
    return not files.holds_files(os.path.dirname(listed.file))


def look_at_power(tool, targets, configs):
    """Light look while something is waited for; ``configs`` are those of an earlier look, by UUID."""
    found = []
    wanted = {target.id for target in targets}
    for listed in listed_in(tool.read("list", "--long", "vms")):
        if listed.uuid in wanted and listed.machine is not None:
            power, busy, reason = state_of(listed.machine.values["VMState"])
            config = configs.get(listed.uuid, {})
            found.append(Vm(listed.name, listed.uuid, power, reason, busy, config=config))
        elif listed.uuid in wanted:
            found.append(machine_of(None, listed, ()))
    return Observation(vms=found)


def _snapshots(sight):
    told = sight.file.snapshots if sight.file else {}
    return tuple(
        Snapshot(
            name=one.name,
            id=one.uuid,
            parent=one.parent,
            power=RUNNING if one.uuid in told and told[one.uuid].online else STOPPED,
            description=told[one.uuid].description if one.uuid in told else one.description,
            created=told[one.uuid].created if one.uuid in told else None,
            current=one.is_current,
        )
        for one in sight.machine.snapshots
    )
