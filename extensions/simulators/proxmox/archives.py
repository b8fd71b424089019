# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in storages: their names and content, and which of them a retention keeps."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from . import drives, propertystring
from .config import Config
from .errors import ApiError
from .storage import PBS, owner_of_backup

_ENDINGS = {"0": "vma", "1": "vma.lzo", "lzo": "vma.lzo", "gzip": "vma.gz", "zstd": "vma.zst"}
#: Backups that the name does not date are never pruned.
_RENAMED = "renamed"
_BY_AGE = re.compile(r"\{backup (\S+) (\d+) (-?\d+)\}")
_PERIODS = (
    ("keep-hourly", "%Y/%m/%d/%H"),
    ("keep-daily", "%Y/%m/%d"),
    ("keep-weekly", "%G/%V"),
    ("keep-monthly", "%Y/%m"),
    ("keep-yearly", "%Y"),
)


@dataclass
class Archive:
    """What a backup contains: the configuration as text, and {slot: (size, format, storage, byte of the guest)}."""

    config: str
    disks: dict = field(default_factory=dict)
    #: True: the archive cannot be read to its end, which only a restore notices.
    damaged: bool = False
    #: True: not even the configuration can be read.
    empty: bool = False


def name_of(storage, vmid, moment, compress):
    """(name, format) of a new backup; ``moment`` is the time of the node. Only PBS uses UTC, as all nodes here do."""
    if storage.type == PBS:
        return time.strftime(f"backup/vm/{vmid}/%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)), "pbs-vm"
    ending = _ENDINGS[compress]
    return time.strftime(f"backup/vzdump-qemu-{vmid}-%Y_%m_%d-%H_%M_%S.{ending}", time.gmtime(moment)), ending


def stored_text(config, mapped):
    """The configuration in a backup: the values in force, as the file has them before its first section (with the
    empty line before it, vzdump_pending_flag), and a comment for each disk.
    """
    kept = {
        key: value
        for key, value in config.current.items()
        if key not in ("lock", "parent") and not drives.is_unused(key)
    }
    has_sections = bool(config.pending or config.deletes or config.cloudinit or config.snapshots)
    lines = [f"#qmdump#map:{slot}:drive-{slot}:{disk[2]}:{disk[1]}:\n" for slot, disk in mapped.items()]
    return type(config)(current=kept).render() + "\n" * has_sections + "".join(lines)


def read_config(archive, path):
    """The configuration in a backup. Raises ApiError if its file is cut at the beginning."""
    if archive.empty:
        raise ApiError(f"command 'vma config {path}' failed: exit code 1")
    return archive.config


def restored_config(archive):
    """The Config that a restore begins with; without options if it cannot be read."""
    lines = [line for line in archive.config.splitlines() if not line.startswith("#qmdump#")]
    return Config() if archive.empty else Config.parse("\n".join(lines))


def backups_of(storage, node, vmid=None):
    """[(name, Volume)] of the backups in a storage, the oldest first."""
    found = [(name, volume) for name, volume in storage.on(node).items() if volume.content == "backup"]
    return sorted(
        ((name, volume) for name, volume in found if vmid in (None, volume.vmid)),
        key=lambda pair: (pair[1].created, pair[0]),
    )


def named(world, text):
    """A text with the names of backups for {backup STORAGE VMID N}: the N-th oldest one of the VM in the storage at
    this moment, counted from 0; negative: from the newest.
    """

    def name(found):
        storage_id, vmid, number = found.group(1), int(found.group(2)), int(found.group(3))
        backups = backups_of(world.storages.get(storage_id), world.local_node, vmid)
        is_there = -len(backups) <= number < len(backups)
        return f"{storage_id}:{backups[number][0]}" if is_there else f"{storage_id}:backup/none"

    return _BY_AGE.sub(name, text)


def rules_of(schema, text):
    """{keep-...: number} of a retention; empty: all are kept."""
    rules = propertystring.parse(text or "", schema.property_format("prune-backups"))
    if rules.pop("keep-all", "0") == "1":
        return {}
    return {name: int(number) for name, number in rules.items() if int(number)}


def marks(backups, rules):
    """{name: keep, remove, protected or renamed} of the backups of one VM."""
    found = {
        name: "protected" if volume.protected else _RENAMED
        for name, volume in backups
        if volume.protected or owner_of_backup(name) is None
    }
    rest = [(name, volume.created) for name, volume in reversed(backups) if name not in found]
    kept = {name for name, _time in rest} if not rules else {name for name, _time in rest[: rules.get("keep-last", 0)]}
    for option, period in _PERIODS:
        kept |= _newest_of_periods(rest, kept, rules.get(option, 0), period)
    return {**found, **{name: "keep" if name in kept else "remove" for name, _time in rest}}


def _newest_of_periods(rest, kept, count, period):
    """The newest backup of each of the last ``count`` periods that no earlier rule covers."""
    covered = {_period(moment, period) for name, moment in rest if name in kept}
    chosen = {}
    for name, moment in rest:
        if _period(moment, period) not in covered and len(chosen) < count:
            chosen.setdefault(_period(moment, period), name)
    return set(chosen.values())


def _period(moment, period):
    return time.strftime(period, time.gmtime(moment))
