# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan's steps in the parts that are sent to a platform at once."""

from __future__ import annotations

#: Steps whose end must be seen before the next one makes sense.
_SEEN = frozenset({"create", "clone", "stop", "kill", "suspend", "delete", "snapshot", "restore", "drop_snapshot"})


def cut(steps, ends_at_once=frozenset()):
    """Segments, each ending with a step whose end must be seen: not so for verbs in ``ends_at_once``."""
    segments, open_segment = [], []
    for step in steps:
        open_segment.append(step)
        if step.verb in _SEEN - ends_at_once:
            segments.append(tuple(open_segment))
            open_segment = []
    if open_segment:
        segments.append(tuple(open_segment))
    return tuple(segments)
