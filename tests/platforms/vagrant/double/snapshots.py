# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands ``vagrant snapshot save``, ``list``, ``delete`` and ``restore``."""

from __future__ import annotations

from . import texts
from .output import Failure


def snapshot(call):
    command, *names = call.plain
    call.plain = names
    _COMMANDS[command](call)


def _save(call):
    *names, name = call.plain
    for target in call.targets(names):
        if target.id is None:
            call.output.message(texts.NOTHING_TO_SAVE.format(name=target.machine.name), "warn")
            continue
        if name in target.provider.snapshots(target.id):
            if "--force" not in call.flags:
                raise Failure("SnapshotConflictFailed", texts.SNAPSHOT_TAKEN)
            _drop(call, target, name)
        with call.action(target, "snapshot_save"):
            call.message(target, f"Snapshotting the machine as '{name}'...")
            target.provider.take(target.id, name)
            call.message(target, texts.SNAPSHOT_SAVED, "success")


def _list(call):
    for target in call.targets(call.plain):
        if target.id is None:
            call.message(target, "VM not created. Moving on...")
            continue
        names = target.provider.snapshots(target.id)
        call.message(target, "" if names else texts.NO_SNAPSHOTS, "output")
        if not names:
            call.message(target, texts.ABOUT_SNAPSHOTS, "detail")
        for name in names:
            call.output.plain_message(name, "detail", target.machine.name)


def _delete(call):
    *names, name = call.plain
    for target in call.targets(names):
        _require(target, name)
        _drop(call, target, name)


def _restore(call):
    *names, name = call.plain
    for target in call.targets(names):
        _require(target, name)
        with call.action(target, "snapshot_restore"):
            call.message(target, f"Restoring the snapshot '{name}'...")
            target.provider.restore(target.id, name)


def _require(target, name):
    if target.id is None or name not in target.provider.snapshots(target.id):
        text = texts.NO_SNAPSHOT.format(snapshot=name, name=target.machine.name)
        raise Failure("SnapshotNotFound", text)


def _drop(call, target, name):
    with call.action(target, "snapshot_delete"):
        call.message(target, f"Deleting the snapshot '{name}'...")
        target.provider.drop(target.id, name)
        call.message(target, "Snapshot deleted!", "success")


_COMMANDS = {"save": _save, "list": _list, "delete": _delete, "restore": _restore}
