# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner and the power table of the product match the table of the tests."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, Field, Traits
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import STATES
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.power import ENDS_IN, TABLE

from suite.power_expected import EXPECTED, expected
from unit.tables.rows import absent, ask, found

TRAITS = Traits(platform="any", fields={"image": Field()})
UNKNOWN = Traits(platform="any")


def test_product_table_has_the_same_cells():
    assert {(state, power) for state, row in TABLE.items() for power in row} == set(EXPECTED)
    assert list(TABLE) == list(ENDS_IN) == list(STATES)


@pytest.mark.parametrize("stop_mode", ["graceful", "force"])
@pytest.mark.parametrize(("state", "power"), EXPECTED)
def test_product_table_equals_the_written_table(state, power, stop_mode):
    verbs, refusal, end = expected(state, power, stop_mode)
    cell = TABLE[state][power]
    moves = cell.choose(stop_mode == "force")
    if refusal:
        assert (moves, cell.refused) == (None, refusal)
        return
    assert moves == verbs
    # Without a requested power state, it does not change; a new VM is stopped.
    assert end == (ENDS_IN[state] or ("stopped" if power == ABSENT else power))


def _planned(state, power, stop_mode, traits=TRAITS):
    vm = absent() if power == ABSENT else found(power)
    return plan(vm, ask(state, stop_mode=stop_mode, image={"source": "/base"}), traits)


@pytest.mark.parametrize("stop_mode", [None, "graceful", "graceful_then_force", "force"])
@pytest.mark.parametrize(("state", "power"), EXPECTED)
def test_plan_has_the_written_steps(state, power, stop_mode):
    planned, (verbs, refusal, end) = _planned(state, power, stop_mode), expected(state, power, stop_mode)
    assert tuple(step.verb for step in planned.steps) == verbs
    assert planned.after.power == end
    if refusal:
        assert planned.refusal.kind == "refused"
        assert planned.refusal.message.startswith(f"web: state: {state} is not possible")
        assert f"its power state is {power}" in planned.refusal.message
        assert refusal in planned.refusal.remedy
    else:
        assert planned.refusal is None


@pytest.mark.parametrize(("state", "power"), EXPECTED)
def test_platform_without_graceful_stop_is_always_forced(state, power):
    traits = Traits(platform="any", stop_modes=("force",), fields=TRAITS.fields)
    assert tuple(step.verb for step in _planned(state, power, None, traits).steps) == expected(state, power, "force")[0]


@pytest.mark.parametrize("state", ["present", "started", "stopped"])
def test_no_vm_is_created_without_a_source(state):
    planned = plan(absent(), ask(state), TRAITS, known=("mail", "db"))
    assert planned.refusal.kind == "not_found"
    assert "Existing VMs: db, mail." in str(planned.refusal)


@pytest.mark.parametrize("state", [state for state in STATES if state != "present"])
def test_vm_in_unknown_state_is_not_changed(state):
    for stop_mode in (None, "force"):
        planned = plan(found("unknown", reason="it does not say"), ask(state, stop_mode=stop_mode), UNKNOWN)
        assert "it does not say" in planned.refusal.message
        assert planned.steps == []


def test_note_that_saved_memory_is_discarded():
    for state in ("stopped", "restarted", "absent"):
        planned = plan(found("suspended"), ask(state, stop_mode="force"), TRAITS)
        assert planned.steps[0].note == "the saved memory is discarded"
