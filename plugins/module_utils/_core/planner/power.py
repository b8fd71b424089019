# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power table: requested state and current power state -> moves. The planner reads it.

The first text of an entry are the graceful moves, the second one (if it differs) those with ``stop_mode: force``.
``create`` needs a source for the VM. ``refused``: the change is not possible in this state; the text says what has to
be done first.
"""

from __future__ import annotations

from shlex import quote
from typing import Optional

from ..frozen import Frozen
from ..model import ABSENT, FAILED, PAUSED, POWER_OFF, RUNNING, STOPPED, SUSPENDED


class Moves(Frozen, eq=False):
    """Verbs, as a text; ``refused`` is what has to be done first if there are none."""

    gentle: Optional[str] = None
    force: Optional[str] = None
    refused: str = ""

    def choose(self, forced):
        """Return the verbs to carry out, or None if the change is not possible."""
        chosen = self.force if forced and self.force is not None else self.gentle
        return None if chosen is None else tuple(chosen.split())


def _by_power(absent, stopped, running, paused, suspended, failed):
    return {ABSENT: absent, STOPPED: stopped, RUNNING: running, PAUSED: paused, SUSPENDED: suspended, FAILED: failed}


_NOTHING = Moves("")
_NO_VM = Moves(refused="Create it first with state: started.")
_MUST_RUN = Moves(refused="Start it first with state: started.")
_FAILED = "Stop it first with state: stopped."
_BROKEN = "Stop it first with state: stopped, or set stop_mode: force."

TABLE = {
    "present": _by_power(Moves("create"), _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING),
    "started": _by_power(
        Moves("create start"), Moves("start"), _NOTHING, Moves("resume"), Moves("start"),
        Moves(force="kill start", refused=_BROKEN),
    ),
    "stopped": _by_power(
        Moves("create"), _NOTHING, Moves("stop", "kill"), Moves("resume stop", "kill"), Moves("start stop", "kill"),
        Moves("kill"),
    ),
    "paused": _by_power(_NO_VM, _MUST_RUN, Moves("pause"), _NOTHING, _MUST_RUN, Moves(refused=_FAILED)),
    "suspended": _by_power(
        _NO_VM, _MUST_RUN, Moves("suspend"), Moves("suspend"), _NOTHING, Moves(refused=_FAILED),
    ),
    "restarted": _by_power(
        _NO_VM, Moves("start"), Moves("stop start", "reset"), Moves("resume stop start", "kill start"),
        Moves("start stop start", "kill start"), Moves("kill start"),
    ),
    "absent": _by_power(
        _NOTHING, Moves("delete"), Moves("stop delete", "kill delete"), Moves("resume stop delete", "kill delete"),
        Moves("kill delete"), Moves("kill delete"),
    ),
}  # fmt: skip

#: From stopped back to the previous power state, for changes that need the VM to be off.
BACK_TO = {STOPPED: (), RUNNING: ("start",), PAUSED: ("start", "pause"), SUSPENDED: ("start", "suspend"), FAILED: ()}

#: The same for a VM that runs only because a graceful stop needs it to.
AGAIN = {PAUSED: ("pause",), SUSPENDED: ("suspend",)}

#: The power state in which each requested state ends; None: unchanged.
ENDS_IN = {
    "present": None, "started": RUNNING, "stopped": STOPPED, "paused": PAUSED, "suspended": SUSPENDED,
    "restarted": RUNNING, "absent": ABSENT,
}  # fmt: skip

#: Moves that interrupt the guest; all others are LIVE.
COST_OF_MOVE = {"stop": POWER_OFF, "kill": POWER_OFF, "reset": POWER_OFF, "suspend": POWER_OFF}


def moves_between(found, wanted, forced):
    """Return the moves from one power state of an existing VM to another, from TABLE or BACK_TO."""
    if found == wanted or wanted not in BACK_TO:
        return ()
    state = next((state for state, power in ENDS_IN.items() if power == wanted), "present")
    moves = TABLE[state][found].choose(forced)
    return moves if moves is not None else BACK_TO[wanted]


def to_persist(vm, traits):
    """Return the remedy for a VM that exists only while it runs, such as a transient one of libvirt."""
    return traits.instead.get("persistent", "Define it permanently first.").format(name=quote(vm.name))
