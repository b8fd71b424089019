# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: compute and check the steps from a storage pool as it is to the options of a task. Changes nothing.

``pool-delete`` is never called: for a logical pool, it removes all volumes without a question.
"""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from ..._core.errors import NotFound, Refused, Unsupported
from ..._core.frozen import field, replace
from ..course import Step
from . import pool_options as options
from .defined_plan import ABSENT, ACTIVE, INACTIVE, DefinedPlan, DefinedState, absence
from .pool_options import REFRESHED


class PoolState(DefinedState):
    """One pool, and what else the host has that matters for it. ``guests``: VMs that run with a volume of the pool.

    ``volumes``: paths. ``paths``: {target path: other pool of TYPES}. ``unsupported``: types that this libvirt does not
    support. ``directory``: the mode, owner and group of the directory of the pool; None if it does not exist, empty if
    libvirt runs on another host. ``missing``: sources of the requested pool that do not exist, {option: value}.
    ``formats``: {type: formats of its source}, as far as this libvirt says. ``twin``: another pool with this directory.
    ``users``: VMs that are off, and whose definitions have a volume of the pool.
    """

    volumes: tuple = ()
    paths: Mapping = field(default_factory=dict)
    unsupported: frozenset = frozenset()
    directory: Any = field(default_factory=dict)
    missing: Mapping = field(default_factory=dict)
    formats: Mapping = field(default_factory=dict)
    twin: Any = None
    users: tuple = ()

    @property
    def values(self):
        return options.read(self.root)


def plan_pool(wanted, state, was_refreshed=False):
    """Return (steps, PoolState after them). Raises Refused and NotFound before anything is changed."""
    if wanted["state"] == ABSENT:
        return absence("pool", state, lambda pool: _check_unused(pool, "stopped"))
    steps, after = _Plan(wanted, state).steps()
    if wanted["state"] == REFRESHED and not was_refreshed:
        steps.append(Step(f"{state.name}.{REFRESHED}", False, True, (("pool-refresh", state.name),)))
    return steps, after


def _check_unused(state, verb):
    if state.guests:
        raise Refused(
            f"{state.name}: the pool cannot be {verb}: it is used by the running VMs {', '.join(state.guests)}.",
            "Stop them first. Nothing was changed.",
        )


class _Plan(DefinedPlan):
    """One requested pool, and the pool of this name, if there is one."""

    kind, running_states = "pool", frozenset({ACTIVE, REFRESHED})

    def __init__(self, wanted, state):
        super().__init__(wanted, state)
        if not state.exists:
            self._check_new()
        self._before = state.values if state.exists else None
        self._root = copy.deepcopy(state.root) if state.exists else options.new_root(wanted)
        options.write(self._root, wanted)
        self._after = options.read(self._root)

    def _check_new(self):
        wanted = self._wanted
        if wanted["type"] is None:
            raise NotFound(f"{self._name}: the pool does not exist.", "To create it, set type.")
        missing = [name for name in options.NEEDED[wanted["type"]] if wanted[name] is None]
        if missing:
            raise self._refused(f"type: {wanted['type']} needs {', '.join(missing)}.", "Set them.")

    def _check(self):
        kind, path = self._after["type"], self._after["path"]
        if self._wanted["type"] not in (None, kind):
            raise self._refused(
                f"type: the pool is of the type {kind}, which cannot be changed.",
                "Remove the pool first (state: absent keeps its data), or use another name.",
            )
        if kind in self._state.unsupported:
            raise Unsupported(
                f"{self._name}: this libvirt does not support pools of the type {kind}.",
                f"Install the package libvirt-daemon-driver-storage-{kind} and restart the libvirt daemon.",
            )
        if kind in options.TYPES:
            # Pools of other types show devices, which may all be in one directory, such as /dev/disk/by-path.
            self._check_path(path)
        self._check_values(kind)
        for name, value in self._state.missing.items():
            problem = "is not a block device of this host" if name == "device" else "does not exist on this host"
            raise NotFound(
                f"{self._name}: {name}: {value} {problem}.",
                "Create it first; this module never creates file systems or volume groups. Nothing was changed.",
            )
        self._check_directory(path)

    def _check_path(self, path):
        if path in self._state.paths:
            raise self._refused(f"path: {path} is the path of the pool {self._state.paths[path]}.", "Use that pool.")
        is_new = self._before is None or path != self._before["path"]
        if is_new and self._state.twin is not None:
            raise self._refused(
                f"path: {path} is the directory of the pool {self._state.twin}, which has another path to it.",
                "Use that pool.",
            )

    def _check_values(self, kind):
        if kind not in options.TYPES:
            kept = options.not_changed_here(self._before, self._wanted)
            if kept:
                raise self._refused(
                    f"{', '.join(kept)}: the pool is of the type {kind}, of which this module changes state, autostart"
                    " and path only.",
                    "Remove the option, or change the pool with virsh pool-edit.",
                )
            return
        extra = options.without_use(kind, self._wanted)
        if extra:
            raise self._refused(
                f"{', '.join(extra)}: the pool is of the type {kind}, which has no such value.", "Remove the option."
            )
        formats = self._state.formats.get(kind)
        if formats and self._wanted["format"] not in (None, *formats):
            raise self._refused(
                f"format: '{self._wanted['format']}' is none of a pool of the type {kind}.",
                f"Use {', '.join(formats)}.",
            )

    def _check_directory(self, path):
        self._check_refresh(path)
        found = self._state.directory
        if found and not found.get("is_directory", True):
            raise self._refused(f"path: {path} is not a directory, or is below a file.", "Use another path.")
        for name in options.PERMISSIONS if found else ():
            if self._wanted[name] not in (None, found[name]):
                raise self._refused(
                    f"{name}: {path} exists with {name} {found[name]}; libvirt sets it only for new directories.",
                    "Change the directory with ansible.builtin.file, or remove the option.",
                )

    def _check_refresh(self, path):
        has_lost_directory = self._needs_directory() and self._state.exists and path == self._before["path"]
        if self._wanted["state"] == REFRESHED and self._state.running is not None and has_lost_directory:
            raise NotFound(
                f"{self._name}: {path} does not exist any more, and libvirt stops a pool that it cannot refresh.",
                "Create the directory, or stop the pool (state: inactive) and start it, which creates it.",
            )

    def _check_unused(self, verb):
        _check_unused(self._state, verb)

    def _text(self):
        return ET.tostring(self._root, encoding="unicode")

    def steps(self):
        steps, after = super().steps()
        is_stopped = self._state.running is not None and self._wanted["state"] == INACTIVE
        return [*steps, *(self._directory_steps() if is_stopped else ())], after

    def _definition_steps(self):
        return [*super()._definition_steps(), *(self._directory_steps() if self._state.running is None else ())]

    def _directory_steps(self):
        """Create the directory, which for these types is all that ``pool-build`` does. No running pool can be built."""
        if not self._needs_directory():
            return []
        return [Step(f"{self._name}.directory", None, self._after["path"], (("pool-build", self._name),))]

    def _needs_directory(self):
        return self._state.directory is None and self._after["type"] in options.BUILT

    def _running_steps(self):
        if not options.needs_restart(self._state.running, self._root):
            return []
        step = self._restart_step()
        if step.calls and self._needs_directory():
            # libvirt does not build a pool that runs, and does not start one without its directory.
            step = replace(step, calls=tuple(self._call(verb) for verb in ("destroy", "build", "start")))
        return [step]
