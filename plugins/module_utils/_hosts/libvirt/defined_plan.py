# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the plan for a network or a storage pool, as far as both are the same. Reads and changes nothing.

Each has a stored definition, which ``define`` replaces, and a running one, which a start takes from it. virsh has the
same commands for both, with another prefix.
"""

from __future__ import annotations

import re
from typing import Any

from ..._core.errors import InvalidInput, Refused
from ..._core.frozen import Frozen
from ..course import Step

PRESENT, ACTIVE, INACTIVE, ABSENT = "present", "active", "inactive", "absent"
RESTART = "restart"
_LENGTH_OF_UUID = 36


def check_name(name, what):
    """Reject a name that libvirt does not store, that virsh lists in another form, or takes for the UUID of another."""
    if not name or name != name.strip() or not name.isprintable() or "/" in name or name.startswith("-"):
        raise InvalidInput(
            f"name: '{name}' is not a valid name of a {what}.",
            "Use a name without slashes, control characters, blanks at its ends, and a hyphen at its beginning.",
        )
    if len(name) == _LENGTH_OF_UUID and re.fullmatch("[0-9a-fA-F]{32}", name.replace("-", "")):
        raise InvalidInput(f"name: '{name}' has the form of a UUID.", f"Set the name of the {what}.")


class DefinedState(Frozen):
    """One network or pool. ``running`` and ``stored`` are root elements, ``guests`` the running VMs that use it."""

    name: str
    running: Any = None
    stored: Any = None
    autostart: bool = False
    guests: tuple = ()

    @property
    def exists(self):
        return self.root is not None

    @property
    def root(self):
        """The definition that counts: the stored one, if there is one."""
        return self.running if self.stored is None else self.stored


def shown(found):
    """Return values without those that are not set, for results and diffs."""
    return {name: value for name, value in found.items() if value not in (None, [])}


def absence(kind, state, check_unused):
    """Return (steps, state after them) that delete a network or pool; ``check_unused`` is called if it runs."""
    if not state.exists:
        return [], state
    if state.running is not None:
        check_unused(state)
    calls = [(f"{kind}-destroy", state.name)] if state.running is not None else []
    calls += [(f"{kind}-undefine", state.name)] if state.stored is not None else []
    return [Step(state.name, shown(state.values), None, tuple(calls))], type(state)(state.name)


class DefinedPlan:
    """The steps to a requested network or pool. Subclasses set ``_root``, ``_before`` (None: new) and ``_after``.

    ``kind`` is the prefix of virsh's commands. ``running_states``: the requested states in which it runs.
    """

    kind, running_states = "", frozenset({ACTIVE})

    def __init__(self, wanted, state):
        self._wanted, self._state, self._name = wanted, state, state.name

    @property
    def _starts(self):
        """Whether the plan starts what does not run."""
        return self._wanted["state"] in self.running_states and self._state.running is None

    def steps(self):
        """Return (steps, state after them). Raises PolyvirtError."""
        self._check()
        wanted, is_active = self._wanted["state"], self._state.running is not None
        steps = [*self._definition_steps(), *self._autostart_steps()]
        if wanted == INACTIVE and is_active:
            self._check_unused("stopped")
            steps.append(Step(f"{self._name}.active", True, False, (self._call("destroy"),)))
        elif self._starts:
            steps.append(Step(f"{self._name}.active", False, True, (self._call("start"),)))
        elif is_active:
            steps += self._running_steps()
        return steps, self._state_after()

    def _call(self, command, *words):
        return (f"{self.kind}-{command}", self._name, *words)

    def _refused(self, problem, remedy):
        return Refused(f"{self._name}: {problem}", f"{remedy} Nothing was changed.")

    def _state_after(self):
        wanted, state = self._wanted, self._state
        is_active = wanted["state"] in self.running_states or (
            state.running is not None and wanted["state"] != INACTIVE
        )
        autostart = state.autostart if wanted["autostart"] is None else wanted["autostart"]
        running = self._root if is_active else None
        return type(state)(self._name, running, self._root, autostart, state.guests)

    def _definition_steps(self):
        """One step for each option that differs; the same call writes all of them."""
        call = ((f"{self.kind}-define", self._text()),)
        if self._before is None:
            return [Step(self._name, None, self._shown_of_new(), call)]
        pairs = self._values_before_and_after().items()
        steps = [Step(f"{self._name}.{name}", *pair, call) for name, pair in pairs if pair[0] != pair[1]]
        if self._state.stored is None:
            steps.append(Step(f"{self._name}.persistent", False, True, call))
        return steps

    def _shown_of_new(self):
        return shown(self._after)

    def _values_before_and_after(self):
        return {name: (self._before[name], self._after[name]) for name in self._after}

    def _autostart_steps(self):
        before, autostart = self._state.autostart, self._wanted["autostart"]
        if autostart in (None, before):
            return []
        call = self._call("autostart", *(() if autostart else ("--disable",)))
        return [Step(f"{self._name}.autostart", before, autostart, (call,))]

    def _restart_step(self):
        """A restart, which waits unless it is permitted and no VM uses the network or pool."""
        may_restart = self._wanted["allow_restart"] and not self._state.guests
        calls = (self._call("destroy"), self._call("start")) if may_restart else ()
        return Step(f"{self._name}.{RESTART}", False, True, calls, waits=not may_restart)
