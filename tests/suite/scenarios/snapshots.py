# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks about snapshots on every platform: names with special characters, and tasks that must fail."""

from __future__ import annotations

from suite.answer import Task
from suite.scenarios.options import rejection
from suite.scenarios.refusals import KNOWN, Refused

#: The snapshot that the VM ``KNOWN`` has when the failing tasks run.
TAKEN = "taken"
NAMES = ("two words;echo", "-dash", "'single'", '"double" $HOME', "ü ñ 漢", " a,b=c ", "two_words-1", "Plain")


def snapshot(label, names, name, state="present", check=False, **more):
    """A task about one snapshot of VMs."""
    return Task(label, {"name": names, "snapshot": name, "state": state, **more}, check, "snapshot")


def snapshot_info(label, names, about="snapshot_info", **more):
    """A task of an info module."""
    return Task(label, {"name": names, **more}, about=about)


def refusals(traits):
    """Tasks about snapshots of the VM ``KNOWN`` that must fail on every platform."""
    known = {"name": [KNOWN], "snapshot": TAKEN}
    taken, none = {**known, "snapshot": "new"}, {**known, "snapshot": "nosuch"}
    cases = [
        Refused("no machine named", {"snapshot": "new"}, ("name", "Set the name")),
        Refused("empty name", {**known, "snapshot": " "}, ("snapshot", "empty", "Set")),
        Refused("newline", {**known, "snapshot": "a\nb"}, ("snapshot", "newline", "printable")),
        Refused("state word", {**known, "state": "reverted"}, ("state", "reverted", "restored")),
        Refused("keep none", {**taken, "keep_last": 0}, ("keep_last", "0", "1 or more")),
        Refused("record", {**taken, "description": '<!-- polyvirt {"id":"102"} -->'}, ("description", "Remove")),
        Refused("timeout zero", {**taken, "timeout": 0}, ("timeout", "0", "1 or more")),
        Refused("unknown machine", {**known, "name": ["pvc-knwon"]}, ("pvc-knwon", KNOWN)),
        Refused("restore of none", {**none, "state": "restored"}, (KNOWN, "nosuch", TAKEN)),
        Refused("children of a new one", {**taken, "children": True}, ("children", "present", "absent")),
        Refused("power without restore", {**taken, "power": "keep"}, ("power", "present", "restored")),
    ]
    for option, value in (("description", "x"), ("include_memory", True), ("keep_last", 2)):
        asked = {**known, "state": "restored", option: value}
        cases.append(Refused(f"{option} with restored", asked, (option, "restored", "present")))
    for name in ("a/b", ".dot", "x" * 255, *NAMES):
        fault = traits.snapshot_name_fault(name)
        if fault:
            cases.append(Refused(f"name {name[:12]}", {**known, "snapshot": name}, (KNOWN, fault, "another name")))
    return cases


def refused_comparisons(traits):
    """Tasks with a comparison that must fail: impossible ones, and kinds that the platform does not support."""
    known, taken = {"name": [KNOWN]}, {"from": TAKEN}
    text = {**known, "compare": {**taken, "text": True}}
    never = rejection(traits, text)
    return [
        Refused("nobody", {"compare": taken}, ("compare", "no VM", "Set the name")),
        Refused("two", {"name": [KNOWN, "pvc-b"], "compare": taken}, ("compare", "one VM", "2", "Set one")),
        Refused("nobody known", {"name": ["pvc-no"], "compare": taken}, ("pvc-no", KNOWN)),
        Refused("none such", {**known, "compare": {"from": "nosuch"}}, (KNOWN, "nosuch", TAKEN)),
        Refused("itself", {**known, "compare": {**taken, "to": TAKEN}}, (TAKEN, "with itself", "another")),
        Refused("text alone", text, (never,) if never else ("text", "content: true")),
    ]
