# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power table as the vocabulary has it, written down a second time: asked x found x how to stop."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Field, Traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.power import STATES, TABLE

from unit.tables.rows import absent, ask, found

FOUND = ("absent", "stopped", "running", "paused", "suspended", "failed")
NOTHING, REFUSED = "–", "refused"
# What follows "force:" is done with stop_mode: force; where nothing follows, force changes nothing.
VOCABULARY = {
    "present": ("make", NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
    "started": ("make, start", "start", NOTHING, "resume", "start", "refused; force: kill, start"),
    "stopped": ("make", NOTHING, "stop; force: kill", "resume, stop; force: kill", "start, stop; force: kill",
                "kill"),
    "paused": (REFUSED, REFUSED, "pause", NOTHING, REFUSED, REFUSED),
    "suspended": (REFUSED, REFUSED, "suspend", "suspend", NOTHING, REFUSED),
    "restarted": (REFUSED, "start", "stop, start; force: reset", "resume, stop, start; force: kill, start",
                  "start, stop, start; force: kill, start", "kill, start"),
    "absent": (NOTHING, "delete", "stop, delete; force: kill, delete", "resume, stop, delete; force: kill, delete",
               "kill, delete", "kill, delete"),
}  # fmt: skip
CELLS = [
    (asked, power, cell, stop_mode)
    for asked, cells in VOCABULARY.items()
    for power, cell in zip(FOUND, cells, strict=True)
    for stop_mode in (None, "graceful", "graceful_then_force", "force")
]
TRAITS = Traits(platform="any", fields={"image": Field()})
UNKNOWN = Traits(platform="any")


def _expected(cell, stop_mode):
    """The verbs that a cell stands for, None where it refuses."""
    gentle, _separator, forced = cell.partition("; force: ")
    chosen = forced if forced and stop_mode == "force" else gentle
    if chosen == REFUSED:
        return None
    return [] if chosen == NOTHING else chosen.replace("make", "create").split(", ")


def test_the_table_has_the_vocabulary_s_words():
    assert set(VOCABULARY) == set(STATES) == set(TABLE)
    assert all(set(row) == set(FOUND) for row in TABLE.values())


@pytest.mark.parametrize(("asked", "power", "cell", "stop_mode"), CELLS)
def test_cell(asked, power, cell, stop_mode):
    vm = absent() if power == "absent" else found(power)
    planned = plan(vm, ask(asked, stop_mode=stop_mode, image={"source": "/base"}), TRAITS)
    expected = _expected(cell, stop_mode)
    if expected is None:
        assert planned.refusal.kind == "refused"
        assert planned.refusal.message.startswith(f"web: it is {power}")
        assert planned.steps == []
    else:
        assert planned.refusal is None
        assert [step.verb for step in planned.steps] == expected


@pytest.mark.parametrize("asked", VOCABULARY)
def test_a_platform_that_can_only_cut_is_always_forced(asked):
    cutting = Traits(platform="any", stop_modes=("force",), fields={"image": Field()})
    for power, cell in zip(FOUND, VOCABULARY[asked], strict=True):
        planned = plan(absent() if power == "absent" else found(power), ask(asked, image={"source": "/base"}), cutting)
        expected = _expected(cell, "force")
        assert [step.verb for step in planned.steps] == (expected or [])


@pytest.mark.parametrize("asked", ["present", "started", "stopped"])
def test_nothing_is_made_by_accident(asked):
    planned = plan(absent(), ask(asked), TRAITS, known=("mail", "db"))
    assert planned.refusal.kind == "not_found"
    assert "Known machines: db, mail." in str(planned.refusal)


@pytest.mark.parametrize("asked", [state for state in VOCABULARY if state != "present"])
def test_unknown_is_changed_by_nothing(asked):
    for stop_mode in (None, "force"):
        planned = plan(found("unknown", reason="it does not say"), ask(asked, stop_mode=stop_mode), UNKNOWN)
        assert "it does not say" in planned.refusal.message
        assert planned.steps == []


def test_what_a_discarded_memory_costs_is_said():
    for asked in ("stopped", "restarted", "absent"):
        planned = plan(found("suspended"), ask(asked, stop_mode="force"), TRAITS)
        assert planned.steps[0].note == "the saved memory is discarded"
