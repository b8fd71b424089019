# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expected power table: {(requested, found): (verbs, verbs with stop_mode: force, power state afterwards)}.

It is written down here and not read from the product, so that a wrong table of the product fails the tests.
"""

from __future__ import annotations

MISSING = "refused: Create it first with state: started."
NOT_RUNNING = "refused: Start it first with state: started."
FAILED = "refused: Stop it first with state: stopped."
BROKEN = "refused: Stop it first with state: stopped, or set stop_mode: force."

EXPECTED = {
    ("present", "absent"): ("create", "create", "stopped"),
    ("present", "stopped"): ("", "", "stopped"),
    ("present", "running"): ("", "", "running"),
    ("present", "paused"): ("", "", "paused"),
    ("present", "suspended"): ("", "", "suspended"),
    ("present", "failed"): ("", "", "failed"),
    ("started", "absent"): ("create start", "create start", "running"),
    ("started", "stopped"): ("start", "start", "running"),
    ("started", "running"): ("", "", "running"),
    ("started", "paused"): ("resume", "resume", "running"),
    ("started", "suspended"): ("start", "start", "running"),
    ("started", "failed"): (BROKEN, "kill start", "running"),
    ("stopped", "absent"): ("create", "create", "stopped"),
    ("stopped", "stopped"): ("", "", "stopped"),
    ("stopped", "running"): ("stop", "kill", "stopped"),
    ("stopped", "paused"): ("resume stop", "kill", "stopped"),
    ("stopped", "suspended"): ("start stop", "kill", "stopped"),
    ("stopped", "failed"): ("kill", "kill", "stopped"),
    ("paused", "absent"): (MISSING, MISSING, "absent"),
    ("paused", "stopped"): (NOT_RUNNING, NOT_RUNNING, "stopped"),
    ("paused", "running"): ("pause", "pause", "paused"),
    ("paused", "paused"): ("", "", "paused"),
    ("paused", "suspended"): (NOT_RUNNING, NOT_RUNNING, "suspended"),
    ("paused", "failed"): (FAILED, FAILED, "failed"),
    ("suspended", "absent"): (MISSING, MISSING, "absent"),
    ("suspended", "stopped"): (NOT_RUNNING, NOT_RUNNING, "stopped"),
    ("suspended", "running"): ("suspend", "suspend", "suspended"),
    ("suspended", "paused"): ("suspend", "suspend", "suspended"),
    ("suspended", "suspended"): ("", "", "suspended"),
    ("suspended", "failed"): (FAILED, FAILED, "failed"),
    ("restarted", "absent"): (MISSING, MISSING, "absent"),
    ("restarted", "stopped"): ("start", "start", "running"),
    ("restarted", "running"): ("stop start", "reset", "running"),
    ("restarted", "paused"): ("resume stop start", "kill start", "running"),
    ("restarted", "suspended"): ("start stop start", "kill start", "running"),
    ("restarted", "failed"): ("kill start", "kill start", "running"),
    ("absent", "absent"): ("", "", "absent"),
    ("absent", "stopped"): ("delete", "delete", "absent"),
    ("absent", "running"): ("stop delete", "kill delete", "absent"),
    ("absent", "paused"): ("resume stop delete", "kill delete", "absent"),
    ("absent", "suspended"): ("kill delete", "kill delete", "absent"),
    ("absent", "failed"): ("kill delete", "kill delete", "absent"),
}


#: Exceptions: a suspended VM of Proxmox VE is not started to be shut down.
_OF_PLATFORMS = {("proxmox", "stopped", "suspended"): ("", "kill", {"force": "stopped", None: "suspended"})}


def expected(asked, found, stop_mode, platform=None):
    """(verbs, words of the error, power state afterwards) of one cell."""
    graceful, force, end = _OF_PLATFORMS.get((platform, asked, found), EXPECTED[asked, found])
    if isinstance(end, dict):
        end = end.get(stop_mode, end[None])
    moves = force if stop_mode == "force" else graceful
    is_refused = moves.startswith("refused: ")
    return ((), moves.removeprefix("refused: "), found) if is_refused else (tuple(moves.split()), "", end)
