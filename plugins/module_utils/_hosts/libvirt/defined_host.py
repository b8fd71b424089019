# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the modules about networks and storage pools, as far as both are the same: making steps, showing results."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from ..._core.errors import CommandFailed, Stale
from ..._ports import permits
from ..._tools.definition_lock import alone
from ..._tools.virsh import ConnectionLost, Virsh, connection_uri
from ..._tools.virsh_network_running import canonical
from .defined_plan import ACTIVE, INACTIVE, RESTART, shown

#: What libvirt reports if another client has already made a change, or made it impossible.
_CHANGED_MEANWHILE = re.compile(
    "already exists with uuid|there is an existing|there is already at least one|couldn't locate a matching"
    "|is (already|still|not) active"
)


def connect(commands, params):
    """Return virsh on the connection of a task."""
    return Virsh(commands, params["executable"], connection_uri(commands, params["uri"]))


class DefinedHost:
    """One network or pool of one libvirt: see _hosts/course.py. ``wanted`` are the options of the task.

    Subclasses add ``read``, ``plan`` and ``facts``. ``_read`` is the state that was read last, ``_after`` that to which
    the last plan leads.
    """

    #: After these, the task reads again: several tasks may change one network at the same time.
    transient = (ConnectionLost, Stale)

    def __init__(self, wanted, virsh):
        self._wanted, self._virsh, self._read, self._after = wanted, virsh, None, None
        #: The commands that were carried out.
        self._made = set()

    def apply(self, steps):
        """Carry out the steps; those of one definition share a call."""
        calls = [call for step in steps for call in step.calls if call[0].endswith("-undefine")]
        with alone(), permits.also(things=[(command.partition("-")[0], name) for command, name in calls]):
            self._carry_out(steps)

    def _carry_out(self, steps):
        is_stopped = False
        for command, *words in dict.fromkeys(call for step in steps for call in step.calls):
            try:
                self._call(command, words)
            except ConnectionLost:
                raise
            except CommandFailed as error:
                if _CHANGED_MEANWHILE.search(error.stderr):
                    raise Stale(error.message, error.remedy) from error
                if is_stopped and command.endswith("-start"):
                    remedy = f"{error.remedy or ''} It is stopped now. Correct the options to start it.".strip()
                    raise CommandFailed(error.argv, error.rc, error.stderr, error.message, remedy) from error
                raise
            self._made.add(command)
            is_stopped = is_stopped or command.endswith("-destroy")

    def _call(self, command, words):
        kind, _hyphen, verb = command.partition("-")
        if verb != "define":
            self._virsh.run(command, *words)
            return
        self._check_not_changed(kind)
        self._virsh.run(command, "/dev/stdin", stdin=words[0])

    def _check_not_changed(self, kind):
        """Raise Stale if the stored definition is another one than that from which the new one was made."""
        name, before = self._wanted["name"], self._read.stored
        if before is None:
            return  # libvirt rejects a second one with the name.
        now = ET.fromstring(self._virsh.run(f"{kind}-dumpxml", name, "--inactive"))
        if canonical(now) != canonical(before):
            raise Stale(f"{name}: another client changed it while this task ran.", "Run the task again.")

    def reconnect(self):
        """virsh connects for each call."""


def restart_warnings(what, state, is_pending, may_restart):
    """Return a warning if changes are stored, but not in force. ``what`` is a network or a pool."""
    if not is_pending:
        return []
    remedy = " allow_restart: true permits that while no running VM uses it."
    if may_restart:
        remedy = f" It is used by {', '.join(state.guests)}, which a restart would cut off."
    return [f"{state.name}: some changes take effect when the {what} is started again.{remedy}"]


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
