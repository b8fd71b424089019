# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: a tree by names, with the memory of what ran where that was asked for."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.model import RUNNING, STOPPED, Snapshot
from . import mark
from .look import each
from .sight import Around, config_of

#: The list's own word for the machine as it is.
_NOW = "current"
_CUT_OFF = {"prepare": "it is being taken, or that was cut off", "delete": "it is being removed, or that was cut off"}


def snapshots_of(tool, sight):
    told = tool.get(f"{sight.path}/snapshot")
    parent = next((one.get("parent") for one in told if one["name"] == _NOW), None)
    return tuple(
        Snapshot(
            name=one["name"],
            parent=one.get("parent"),
            power=RUNNING if one.get("vmstate") else STOPPED,
            description=mark.split(one.get("description"))[0],
            created=one.get("snaptime"),
            current=one["name"] == parent,
            unfinished=_CUT_OFF.get(one.get("snapstate"), one.get("snapstate") or ""),
        )
        for one in told
        if one["name"] != _NOW
    )


def options_in(tool, sight, name):
    """The options that a snapshot holds."""
    told = tool.get(f"{sight.path}/snapshot/{name}/config")
    return {key: str(value) for key, value in told.items()}


def with_configs(tool, sight, snapshots, native_keys):
    """The snapshots, each with the settings that it holds."""
    around = Around(sight.node, sight.pool, native_keys)

    def told(snapshot):
        options = options_in(tool, sight, snapshot.name)
        # A machine keeps its notes when it goes back.
        options["description"] = sight.stored.get("description", "")
        return replace(snapshot, config=config_of(options, around))

    return tuple(each(told, snapshots))


def take(driver, vm, arguments):
    """Take a snapshot that is not there yet."""
    sight = driver.eyes.sight(vm.id)
    if any(one.name == arguments["name"] and not one.unfinished for one in snapshots_of(driver.tool, sight)):
        return
    driver.tool.run(
        "POST",
        f"{sight.path}/snapshot",
        snapname=arguments["name"],
        description=arguments["description"] or None,
        vmstate=arguments["power"] == RUNNING or None,
    )


def drop(driver, vm, arguments):
    sight = driver.eyes.sight(vm.id)
    there = {one.name for one in snapshots_of(driver.tool, sight)}
    for name in arguments["names"]:
        if name in there:
            driver.tool.run("DELETE", f"{sight.path}/snapshot/{name}")


def restore(driver, vm, arguments):
    sight = driver.eyes.sight(vm.id)
    driver.tool.run("POST", f"{sight.path}/snapshot/{arguments['name']}/rollback")
