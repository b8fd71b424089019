# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules about networks and storage pools, as far as both are the same: how steps are made, and what is shown."""

from __future__ import annotations

from ..._tools.virsh import ConnectionLost, Virsh, connection_uri
from .defined_plan import ACTIVE, INACTIVE, RESTART, shown


def connect(commands, params):
    """Return virsh on the connection of a task."""
    return Virsh(commands, params["executable"], connection_uri(commands, params["uri"]))


class DefinedHost:
    """One network or pool of one libvirt: see _engine/host_settings.py. ``wanted`` are the options of the task.

    Subclasses add ``read``, ``plan`` and ``facts``. ``_after`` is the state that the last plan leads to.
    """

    transient = ConnectionLost

    def __init__(self, wanted, virsh):
        self._wanted, self._virsh, self._after = wanted, virsh, None
        #: The commands that were carried out.
        self._made = set()

    def apply(self, steps):
        """Carry out the steps; those of one definition share a call."""
        for command, *words in dict.fromkeys(call for step in steps for call in step.calls):
            if command.endswith("-define"):
                self._virsh.run(command, "/dev/stdin", stdin=words[0])
            else:
                self._virsh.run(command, *words)
            self._made.add(command)

    def reconnect(self):
        """virsh connects for each call."""


def needs_restart(name, steps):
    """Return whether a step to restart the network or pool waits for its permission."""
    return any(step.key == f"{name}.{RESTART}" and step.waits for step in steps)


def shown_state(state):
    """Return a network or pool as results have it."""
    return {
        "name": state.name,
        "state": INACTIVE if state.running is None else ACTIVE,
        "autostart": state.autostart,
        **shown(state.values),
    }


def reported(state, is_restart_required):
    """Return the same with what the info modules have in addition."""
    return {
        **shown_state(state),
        "uuid": state.root.findtext("uuid"),
        "persistent": state.stored is not None,
        "restart_required": None not in (state.running, state.stored) and is_restart_required(state),
    }
