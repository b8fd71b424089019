# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tour: some twenty tasks from the creation to the deletion of a VM, with every module and every type of value."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED

from suite.answer import Task
from suite.scenarios.options import has
from suite.scenarios.snapshots import snapshot

NAME, CLONE = "pvc-tour", "pvc-tour-clone"
#: A secret that no output may contain.
SECRET = "a-word-that-nobody-may-see"
#: Labels of tasks that fail on every platform, each with a word of its message.
REFUSED = {"unknown name": "pvc-tuor", "wrong unit": "2X"}


def tasks(platform):
    """The tasks. Some have values as users write them: numbers and booleans as strings, one element without a list."""
    own, forced = {"name": NAME}, {"name": NAME, "stop_mode": "force"}
    made = {**platform.creation, **own, "cpus": "1", "state": "started", **platform.secret_options(SECRET)}
    more = {} if "cpus" in platform.unusable else {"cpus": "2"}
    changed = {**platform.consent, **own, "description": "on tour", "tags": "b,a", **more}
    done = [
        Task("create, checked", made, check=True),
        Task("create", made),
        Task("create, again", made),
        Task("info", own, about="vm_info"),
        Task("change, checked", changed, check=True),
        Task("change", changed),
        Task("change, again", changed),
        snapshot("snapshot", NAME, "first", description="before"),
        snapshot("snapshot, again", NAME, "first"),
        Task("snapshots", own, about="snapshot_info"),
        Task("change after it", {**platform.consent, **own, "description": "later"}),
        snapshot("restore", NAME, "first", "restored"),
        Task("pause", {**own, "state": PAUSED}),
        Task("resume", {**own, "state": "started"}),
        Task("unknown name", {"name": "pvc-tuor", "state": "started"}),
        Task("wrong unit", {**own, "memory": "2X"}),
        Task("stop", {**forced, "state": "stopped"}),
        Task("clone", {"name": CLONE, "clone": {"source": NAME}, "description": "a copy"}),
        snapshot("remove snapshot", NAME, "first", "absent"),
        Task("remove, checked", {"name": [NAME, CLONE], "state": "absent"}, check=True),
        Task("remove", {"name": [NAME, CLONE], "state": "absent"}),
        Task("all", {}, about="vm_info"),
    ]
    return [task for task in done if platform.has_snapshots or "snapshot" not in task.about]


def refusals(platform):
    """{label: word of the message} of the tasks that must fail on this platform."""
    traits = platform.traits()
    lacking = {"clone": not has(traits, "clone"), "pause": PAUSED not in traits.powers}
    return {**REFUSED, **{label: label for label, is_lacking in lacking.items() if is_lacking}}
