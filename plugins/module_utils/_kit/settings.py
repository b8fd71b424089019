# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver's settings, one row for each: what the platform supports, and how it reads, checks and writes it.

A table of rows is {kind of change: Setting}, in the order in which the platform has to be written to. All else
follows from it: the traits, how a value is read, normalized and written, and which keys of ``native`` are rejected.
A row may also be for a whole collection or record,
beside rows for its attributes: ``disks`` beside ``disks.add`` and ``disks.size``. It has functions, but no cost.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Optional

from .._core.errors import Refused
from .._core.frozen import replace
from .._core.model import ABSENT, COLLECTIONS, NEVER, Field
from .._core.units import human_size


class Setting(Field, eq=False):
    """One setting. Each platform passes further arguments to the functions, the same ones for all its settings.

    ``read(*found)`` returns the value in the form of ``Vm.config``. ``write`` makes one change to the stored settings,
    ``write_live`` to the running VM. ``on_host(driver, found, change)`` returns the change to write, if that depends
    on the host. ``normalize(vm, value, ...)`` returns a requested value in the platform's terms, and raises Refused if
    it has none. ``cost_with(known, vm, change)`` is the cost, if that depends on what is known of the host.
    ``whole``: a size must be a multiple of this number of bytes. ``default``: the value of a new VM.
    ``native``: keys of the option ``native`` that would set the same. ``since``: the first version that has it.
    """

    read: Optional[Callable] = None
    write: Optional[Callable] = None
    write_live: Optional[Callable] = None
    on_host: Optional[Callable] = None
    normalize: Optional[Callable] = None
    cost_with: Optional[Callable] = None
    whole: int = 0
    default: Any = None
    native: tuple = ()
    since: tuple = ()

    def bound(self, known):
        return replace(self, cost=partial(self.cost_with, known)) if self.cost_with else self


def supported(settings, version=(), known=None):
    """Return what a version of the platform supports, a tuple of numbers, in the form of ``Traits.fields``."""
    wholes = {kind.partition(".")[0] for kind in settings if "." in kind}
    rows = {kind: row for kind, row in settings.items() if kind not in wholes and row.since <= version}
    return {kind: row.bound(known) for kind, row in rows.items()}


def defaults(settings):
    """Return the settings of a new VM, in the form of ``Vm.config``."""
    return _nested({kind: setting.default for kind, setting in settings.items() if setting.default is not None})


def read_all(settings, *found):
    """Return {field: value} of all settings of a table; attributes of a record (display.type) are in one mapping."""
    return _nested({kind: setting.read(*found) for kind, setting in settings.items() if setting.read})


def _nested(values):
    config = {}
    for kind, value in values.items():
        field, _dot, attribute = kind.partition(".")
        if attribute:
            config.setdefault(field, {})[attribute] = value
        else:
            config[field] = value
    return config


def normalized(settings, vm, config, *known):
    """Return the requested ``config`` in the platform's terms. Raises Refused for values that it cannot store.

    ``known`` are further arguments of the platform's ``normalize`` functions.
    """
    result = dict(config)
    for kind, setting in settings.items():
        if setting.whole:
            _check_whole(vm, kind, config, setting.whole)
        if setting.normalize and kind in config:
            result[kind] = setting.normalize(vm, config[kind], *known)
    return result


def _check_whole(vm, kind, config, unit):
    for path, size in _values(kind, config):
        if size and size % unit:
            raise Refused(
                f"{vm.name}: {path}: {human_size(size)} is not a multiple of {human_size(unit)}.",
                f"Round it to a multiple of {human_size(unit)}.",
            )


def _values(kind, config):
    """Yield (path, value) for each value of one kind: memory, display.video_memory, disks.SATA 0.size ..."""
    field, _dot, attribute = kind.partition(".")
    if not attribute:
        yield field, config.get(field)
    elif field in COLLECTIONS:
        for key, entry in (config.get(field) or {}).items():
            yield f"{field}.{key}.{attribute}", (entry or {}).get(attribute)
    else:
        yield kind, (config.get(field) or {}).get(attribute)


def check_directories(vm, disks, folder_of, identity):
    """Raise Refused for a ``directory`` of a disk that is in another one."""
    present = vm.config.get("disks") or {}
    for slot, disk in disks.items():
        if disk and disk.get("directory"):
            _check_directory(
                f"{vm.name}: disks.{slot}", disk, folder_of, identity, vm.power == ABSENT, present.get(slot)
            )


def _check_directory(about, disk, folder_of, identity, is_new, present):
    """``present`` is the disk as it is, or as a clone's source has it; None: there is none."""
    directory, found = disk["directory"], (present or {}).get("source")
    if disk.get("source"):
        raise Refused(
            f"{about}: source and directory are both set, and an existing file is never moved.", "Remove one."
        )
    if is_new and present is not None:
        raise Refused(
            f"{about}.directory: the clone creates this disk in the same directory as its other disks.",
            "Omit directory, or set the directory of all files of the clone.",
        )
    if present is not None and not (found and identity(folder_of(found)) == identity(directory)):
        raise Refused(
            f"{about}.directory: the disk is {found or 'not a file'}, not in {directory}, and an existing disk is never"
            " moved.",
            "Set the directory that it is in, or omit the option.",
        )


#: The row of disks.directory. ``check_directories`` has compared it with the file of the disk.
DIRECTORY = Setting(cost=NEVER, same=lambda found, asked: True)


def in_order(settings, changes):
    """Return (setting, change) for each change that a row writes, in the order of the table."""
    writing = [(kind, setting) for kind, setting in settings.items() if setting.write]
    return [(row, change) for kind, row in writing for change in changes if kind in (change.kind, change.field)]


def options_of_native(settings):
    """Return {key of native: option that sets the same}; an attribute of a NIC or disk is set by the whole option."""
    options = {kind: kind.partition(".")[0] for kind in settings}
    return {
        key: options[kind] if options[kind] in COLLECTIONS else kind
        for kind, setting in settings.items()
        for key in setting.native
    }


def changed_entries(plan, field, kinds=()):
    """Return {key: entry} of the entries of ``field`` that a plan creates or changes; ``kinds``: by these changes."""
    after = plan.after.config.get(field) or {}
    if any(step.verb == "create" for step in plan.steps):
        return after
    changes = [change for step in plan.steps for change in step.changes if change.field == field]
    keys = {change.key for change in changes if not kinds or change.kind in kinds}
    return {key: entry for key, entry in after.items() if key in keys}
