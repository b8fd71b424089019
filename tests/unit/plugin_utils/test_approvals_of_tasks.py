# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the play tells a module about approved plans."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.approvals import approval_of

VARIABLE = "polyvirt_approved_plans"


def _approval(variables, delegate_to=None):
    task = SimpleNamespace(delegate_to=delegate_to, get_name=lambda: "Change")
    known = {"inventory_hostname": "web1", **variables}
    return approval_of(task, known, Templar(loader=DataLoader(), variables=known))


def test_variable_that_is_not_defined_limits_nothing():
    assert VARIABLE not in _approval({})
    assert VARIABLE not in _approval({"ansible_delegated_vars": {"kvm1": {VARIABLE: []}}})


@pytest.mark.parametrize(
    ("own", "of_delegate", "permitted"),
    [({}, {VARIABLE: []}, []), ({VARIABLE: ["a"]}, {}, ["a"]), ({VARIABLE: ["a"]}, {VARIABLE: []}, ["a"])],
)
def test_variable_of_the_host_to_which_a_task_is_delegated_counts(own, of_delegate, permitted):
    found = _approval({**own, "ansible_delegated_vars": {"kvm1": of_delegate}}, "kvm1")
    assert (found[VARIABLE], found["host"]) == (permitted, "kvm1")


def test_variable_that_cannot_be_read_permits_nothing():
    """Newer versions of ansible-core leave a text as it is that nobody has marked as a template."""
    with pytest.raises((AnsibleError, InvalidInput)):
        Approval(_approval({VARIABLE: "{{ no_such_variable }}"}))


@pytest.mark.parametrize("prefix", ["awx", "tower"])
def test_module_gets_the_job_of_awx_and_the_texts_of_its_own_task(prefix):
    texts = [{"plan": "p", "host": "web1", "task": "Change"}, {"plan": "q", "host": "web1", "task": "Another"}]
    of_job = {f"{prefix}_workflow_job_id": 7, f"{prefix}_project_revision": "4f1c"}
    found = _approval({**of_job, VARIABLE: [], "polyvirt_plans": texts})
    job = {"host": "web1", "task": "Change", "revision": "4f1c", "workflow": 7, "reached": None}
    assert found == {**job, VARIABLE: [], "polyvirt_plans": texts[:1]}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"host": "10.0.0.5", "port": 22}, {"host": "10.0.0.5", "port": 22}),
        ({"remote_addr": "hv"}, {"remote_addr": "hv"}),
        ({}, {}),
    ],
)
def test_module_gets_how_its_host_is_reached(options, found):
    connection = SimpleNamespace(transport="ssh", get_option=options.__getitem__)
    task = SimpleNamespace(delegate_to=None, get_name=lambda: "Change")
    reached = approval_of(task, {"inventory_hostname": "web1"}, None, connection)["reached"]
    assert reached == {"connection": "ssh", **found}
