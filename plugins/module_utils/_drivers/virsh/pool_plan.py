# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the steps from a storage pool as it is to the options of a task, and check them. Reads and changes nothing.

``pool-delete`` is never called: for a logical pool, it removes all volumes without a question.
"""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..._core.errors import NotFound, Refused, Unsupported
from ..._core.host_settings import Step
from . import pool_options as options
from .pool_options import ABSENT, ACTIVE, INACTIVE, LOGICAL, REFRESHED

RESTART = "restart"


@dataclass(frozen=True)
class PoolState:
    """One pool, and what else the host has that matters for it. ``running`` and ``stored`` are definitions.

    ``guests``: VMs that run with a volume of the pool. ``volumes``: paths. ``paths``: {target path: other pool}.
    ``unsupported``: types that this libvirt does not support. ``directory``: the mode, owner and group of the directory
    of the pool; None if it does not exist, empty if libvirt runs on another host.
    """

    name: str
    running: Any = None
    stored: Any = None
    autostart: bool = False
    guests: tuple = ()
    volumes: tuple = ()
    paths: Mapping = field(default_factory=dict)
    unsupported: frozenset = frozenset()
    directory: Any = field(default_factory=dict)
    #: Sources of the requested pool that do not exist: {option: value}.
    missing: Mapping = field(default_factory=dict)

    @property
    def exists(self):
        return self.running is not None or self.stored is not None

    @property
    def values(self):
        return options.read(self.running if self.stored is None else self.stored)


def shown(found):
    """Return values without those that are not set, for results and diffs."""
    return {name: value for name, value in found.items() if value is not None}


def plan_pool(wanted, state, was_refreshed=False):
    """Return (steps, PoolState after them). Raises Refused and NotFound before anything is changed."""
    if wanted["state"] == ABSENT:
        return _absence(state)
    return _Plan(wanted, state).steps(was_refreshed)


def _absence(state):
    if not state.exists:
        return [], state
    calls = []
    if state.running is not None:
        _check_unused(state, "stopped")
        calls.append(("pool-destroy", state.name))
    if state.stored is not None:
        calls.append(("pool-undefine", state.name))
    return [Step(state.name, shown(state.values), None, tuple(calls))], PoolState(state.name)


def _check_unused(state, verb):
    if state.guests:
        raise Refused(
            f"{state.name}: the pool cannot be {verb}: it is used by the running VMs {', '.join(state.guests)}.",
            "Stop them first. Nothing was changed.",
        )


class _Plan:
    """One requested pool, and the pool of this name, if there is one."""

    def __init__(self, wanted, state):
        self._wanted, self._state, self._name = wanted, state, state.name
        base = state.running if state.stored is None else state.stored
        if base is None:
            self._check_new()
            base_or_new = options.new_root(wanted)
        else:
            base_or_new = copy.deepcopy(base)
        self._before = None if base is None else options.read(base)
        options.write(base_or_new, wanted)
        self._root, self._after = base_or_new, options.read(base_or_new)

    def _refused(self, problem, remedy):
        return Refused(f"{self._name}: {problem}", f"{remedy} Nothing was changed.")

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
        if path in self._state.paths:
            raise self._refused(f"path: {path} is the path of the pool {self._state.paths[path]}.", "Use that pool.")
        for name, value in self._state.missing.items():
            raise NotFound(
                f"{self._name}: {name}: {value} does not exist on this host.",
                "Create it first; this module never creates file systems or volume groups. Nothing was changed.",
            )
        found = self._state.directory
        for name in options.PERMISSIONS if found and not self._is_moved() else ():
            if self._wanted[name] not in (None, found[name]):
                raise self._refused(
                    f"{name}: {path} exists with {name} {found[name]}; libvirt sets it only for new directories.",
                    "Change the directory with ansible.builtin.file, or remove the option.",
                )

    def _is_moved(self):
        return self._before is not None and self._before["path"] != self._after["path"]

    def steps(self, was_refreshed):
        self._check()
        state, wanted = self._state, self._wanted["state"]
        steps = [*self._definition_steps(), *self._directory_steps()]
        autostart = self._wanted["autostart"]
        if autostart is not None and autostart != state.autostart:
            call = ("pool-autostart", self._name, *(() if autostart else ("--disable",)))
            steps.append(Step(f"{self._name}.autostart", state.autostart, autostart, (call,)))
        is_active = state.running is not None
        if wanted == INACTIVE and is_active:
            _check_unused(state, "stopped")
            steps.append(Step(f"{self._name}.active", True, False, (("pool-destroy", self._name),)))
        elif wanted in (ACTIVE, REFRESHED) and not is_active:
            steps.append(Step(f"{self._name}.active", False, True, (("pool-start", self._name),)))
        elif is_active:
            steps += self._restart_steps()
        if wanted == REFRESHED and not was_refreshed:
            steps.append(Step(f"{self._name}.{REFRESHED}", False, True, (("pool-refresh", self._name),)))
        return steps, self._state_after()

    def _state_after(self):
        is_active = {INACTIVE: False, ACTIVE: True, REFRESHED: True}.get(
            self._wanted["state"], self._state.running is not None
        )
        autostart = self._state.autostart if self._wanted["autostart"] is None else self._wanted["autostart"]
        return PoolState(self._name, self._root if is_active else None, self._root, autostart)

    def _definition_steps(self):
        """One step for each option that differs; the same call writes all of them."""
        call = (("pool-define", ET.tostring(self._root, encoding="unicode")),)
        if self._before is None:
            return [Step(self._name, None, shown(self._after), call)]
        pairs = {name: (self._before[name], self._after[name]) for name in self._after}
        steps = [Step(f"{self._name}.{name}", *pair, call) for name, pair in pairs.items() if pair[0] != pair[1]]
        if self._state.stored is None:
            steps.append(Step(f"{self._name}.persistent", False, True, call))
        return steps

    def _directory_steps(self):
        """Create the directory, which for these types is all that ``pool-build`` does."""
        is_missing = self._state.directory is None and self._after["type"] != LOGICAL and self._state.running is None
        if not is_missing:
            return []
        return [Step(f"{self._name}.directory", None, self._after["path"], (("pool-build", self._name),))]

    def _restart_steps(self):
        if not options.needs_restart(self._state.running, self._root):
            return []
        may_restart = self._wanted["allow_restart"] and not self._state.guests
        calls = (("pool-destroy", self._name), ("pool-start", self._name))
        return [Step(f"{self._name}.{RESTART}", False, True, calls if may_restart else (), waits=not may_restart)]
