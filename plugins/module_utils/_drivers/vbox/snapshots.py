# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: taken, dropped, restored; addressed by their UUIDs, for names may be shared."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import CommandFailed
from ..._tools import vboxmanage_long as long
from ..._tools.vboxmanage import is_locked, is_not_found
from .sight import config_of


def with_configs(driver, listing, vm, native_keys):
    """The machine with what its snapshots hold; a process for each of them, and asked only where it matters."""
    listed = next(one for one in listing.machines if one.uuid == vm.id)
    sight = listing.sight(listed)
    told = []
    for snapshot in vm.snapshots:
        try:
            found = long.machines(driver.tool.read("snapshot", vm.id, "showvminfo", snapshot.id))
        except CommandFailed as error:
            if not is_locked(error.stderr):
                raise
            # Only this question takes the lock, so somebody else may have it.
            return vm.having(busy="somebody else works with it")
        if not found or found[0].machine is None:
            told.append(snapshot)
            continue
        then = replace(sight, machine=found[0].machine, file=None)
        told.append(replace(snapshot, config=_config_then(vm, then, native_keys)))
    return vm.having(snapshots=tuple(told))


def _config_then(vm, sight, native_keys):
    """What of it a restore brings back. Description, groups, tags and the rest of the list below stay as they are."""
    config = config_of(sight, native_keys)
    return {**config, **{name: vm.config[name] for name in _KEPT}}


_KEPT = ("description", "groups", "tags", "os_type", "tpm")


def take(driver, vm, arguments):
    words = ["--description", arguments["description"]] if arguments["description"] else []
    if _is_there(driver, vm, arguments["name"]):
        return  # A segment may be sent twice.
    driver.run(vm.id, "snapshot", vm.id, "take", arguments["name"], *words)


def _is_there(driver, vm, name):
    return any(one.name == name for one in driver.sight(vm.id).machine.snapshots)


def drop(driver, vm, arguments):
    for uuid in arguments["ids"]:
        try:
            driver.run(vm.id, "snapshot", vm.id, "delete", uuid)
        except CommandFailed as error:
            if not is_not_found(error.stderr, "snapshot"):
                raise


def restore(driver, vm, arguments):
    """Our mark stays as it is: it is no part of a snapshot, and what was made since is still ours."""
    driver.run(vm.id, "snapshot", vm.id, "restore", arguments["id"])
