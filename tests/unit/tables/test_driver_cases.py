# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver cases of all seven platforms that concern the planner."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.differences import pending
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import difference, flat, plain

from unit.tables import hyperv, proxmox, vagrant, vbox, virsh, vmm, wsl
from unit.tables.rows import Elsewhere, Row

#: Number of cases of each platform.
CASES = {virsh: 27, vagrant: 15, vbox: 25, proxmox: 25, vmm: 25, hyperv: 25, wsl: 20}
LAYERS = {"tool", "driver", "runner", "role"}


def _name(table):
    return table.__name__.rsplit(".", 1)[-1]


def _parameters():
    for table in CASES:
        for number, row in enumerate(one for one in table.ROWS if isinstance(one, Row)):
            yield pytest.param(row, id=f"{_name(table)}-{row.case}-{number}: {row.title}")


@pytest.mark.parametrize("table", CASES, ids=_name)
def test_table_has_all_cases(table):
    assert sorted({row.case for row in table.ROWS}) == list(range(1, CASES[table] + 1))


@pytest.mark.parametrize("table", CASES, ids=_name)
def test_cases_without_a_plan_name_the_responsible_layer(table):
    for row in (one for one in table.ROWS if isinstance(one, Elsewhere)):
        assert row.belongs_to in LAYERS
        assert row.why


@pytest.mark.parametrize("table", [virsh, vagrant, vbox, proxmox], ids=_name)
def test_found_vm_has_only_settings_that_the_driver_reports(table):
    reported = {*table.vm.keywords, "native"}
    for row in (one for one in table.ROWS if isinstance(one, Row)):
        assert set(row.vm.config) <= reported, row.title


@pytest.mark.parametrize("row", list(_parameters()))
def test_case(row):
    planned = plan(row.vm, row.request, row.traits, row.known, row.source)
    if not row.refused:
        assert planned.refusal is None, str(planned.refusal)
    assert _written(planned) == row.steps
    assert planned.changed == bool(row.steps)
    assert planned.busy == row.busy
    assert {change.path: change.cost for step in planned.steps for change in step.changes} == row.costs
    if row.refused:
        _check_refusal(row, planned)
    else:
        _check_outcome(row, planned)
        _check_texts(row, planned)
        _check_second_run(row, planned)


def _written(planned):
    return " | ".join(" ".join(step.verb for step in segment) for segment in planned.segments)


def _check_refusal(row, planned):
    kind, text = row.refused
    assert planned.refusal is not None
    assert planned.refusal.kind == kind
    assert text in str(planned.refusal)
    assert str(row.request.label) in str(planned.refusal)


def _check_outcome(row, planned):
    after = plain(flat(planned.after))
    assert {path: after.get(path) for path in row.after} == dict(row.after)
    assert (difference(planned) is None) == (not row.steps)
    if row.restart_required is not None:
        assert pending(planned.after) == row.restart_required
    for name in ("files", "kept"):
        expected = getattr(row, name)
        if expected is not None:
            delete = next(step for step in planned.steps if step.verb == "delete")
            assert sorted(delete.arguments[name]) == sorted(expected)


def _check_texts(row, planned):
    assert row.also in " ".join(effect for step in planned.steps for effect in step.also)
    assert row.note in " ".join(step.note for step in planned.steps)
    first = planned.steps[0].arguments if planned.steps else {}
    assert {key: first.get(key) for key in row.arguments} == dict(row.arguments)


def _check_second_run(row, planned):
    if planned.busy:
        return
    again = plan(planned.after, row.request.target(), row.traits, row.known, row.source)
    assert (again.refusal, again.steps) == (None, [])
