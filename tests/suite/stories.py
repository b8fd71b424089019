# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that are killed and sent twice on the doubles in process, beside generated pairs: clones, snapshots.

A story is (tasks before, task); a task is (about, options).
"""

from __future__ import annotations

from suite.bench import NAME

_COPY = "copy"


def stories(bench):
    """{label: story} of a Bench, those of its own too."""
    about_snapshots = _snapshots(bench) if bench.has_snapshots else {}
    made = ("vm", {**bench.creation, **bench.small, "state": "started", "description": "made"})
    return {"create": ([], made), **_clones(bench), **about_snapshots, **bench.stories}


def story_task(bench, label):
    """Carry out the tasks before a story's task; returns this task."""
    before, task = stories(bench)[label]
    bench.done(*before)
    return task


def _clones(bench):
    if not bench.clones:
        return {}
    source = ("vm", {**bench.creation, **bench.small, "name": "source"})
    found = {"clone": ([source], ("vm", _clone()))}
    if "linked" in bench.clones:
        base = {"snapshot": "base"} if bench.clones["linked"] == "snapshot" else {}
        more = [("snapshot", {"name": ["source"], **base})] if base else []
        more += [("vm", {"name": "source", "template": True})] if bench.clones["linked"] == "template" else []
        found["linked clone"] = ([source, *more], ("vm", _clone(linked=True, **base)))
    return found


def _clone(**how):
    return {"name": _COPY, "state": "started", "description": "cloned", "clone": {"source": "source", **how}}


def _snapshots(bench):
    made = ("vm", {**bench.creation, **bench.small, "name": NAME, "state": "started"})
    taken = ("snapshot", {"snapshot": "one"})
    changed = ("vm", {"description": "later", "allow_restart": True, "stop_mode": "force"})
    return {
        "snapshot": ([made], taken),
        "snapshot restored": ([made, taken, changed], ("snapshot", {"snapshot": "one", "state": "restored"})),
        "snapshot removed": ([made, taken], ("snapshot", {"snapshot": "one", "state": "absent"})),
    }
