# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of events about VMs: what is an event, and what is read and followed for them."""

from __future__ import annotations

from mutations.mutation import Mutation

_EVENTS = ("tests/unit/module_utils/_core/results/test_vm_events.py",)
_LINES = ("tests/unit/module_utils/_tools/test_virsh_events.py",)
_SOURCE = ("tests/unit/eda/test_vms.py",)
_ROOM, _EDA = "_core/results/vm_events.py", "extensions/eda"

MUTATIONS = (
    Mutation(
        "vms-of-an-unread-source-are-deleted", _ROOM, 'vm["source"] in unread or (vm["source"], vm["name"]) in newer',
        '(vm["source"], vm["name"]) in newer', _EVENTS,
    ),
    Mutation(
        "late-observation-undoes-a-report", _ROOM, 'vm["source"] in unread or (vm["source"], vm["name"]) in newer',
        'vm["source"] in unread', _EVENTS,
    ),
    Mutation("crash-is-reported-twice", _ROOM, "has_crashed and before != FAILED", "has_crashed", _EVENTS),
    Mutation(
        "unknown-state-is-an-event", _ROOM, "after == before or before not in _CHANGED_TO", "after == before", _EVENTS
    ),
    Mutation(
        "killed-emulator-has-not-crashed", "_tools/virsh_events.py", "(event, detail) in _CRASHES", "False", _LINES
    ),
    Mutation(
        "event-source-needs-a-collections-path", _EDA, "sys.path.insert(0, str(Path(__file__).absolute().parents[7]))",
        "pass", _SOURCE,
    ),
    Mutation(
        "sources-that-cannot-be-read-are-unknown", _EDA, 'listed.get("all", {}).get("vars", {}).get(_UNREAD, [])',
        "[]", _SOURCE,
    ),
)  # fmt: skip
