# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split the steps of a plan into segments; the steps of a segment are sent to the platform together."""

from __future__ import annotations

#: The next step can begin only when an observation has shown that one of these has ended.
_OBSERVED = frozenset({
    "create", "clone", "stop", "kill", "suspend", "delete", "snapshot", "restore", "drop_snapshot", "edit_snapshot",
    "fetch",
})  # fmt: skip


def into_segments(steps, synchronous_verbs=frozenset()):
    """Return segments that end with a step to be observed; the verbs in ``synchronous_verbs`` need no observation."""
    segments, open_segment = [], []
    for step in steps:
        open_segment.append(step)
        if step.verb in _OBSERVED - synchronous_verbs:
            segments.append(tuple(open_segment))
            open_segment = []
    if open_segment:
        segments.append(tuple(open_segment))
    return tuple(segments)
