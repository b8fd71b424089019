# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the play tells a module about approved plans."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.approvals import (
    OTHERS,
    approval_of,
    limit_to_check_mode,
    shown,
)

from approval_options import plugins
from collection_path import CHECKOUT

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
    job = {"host": "web1", "task": "Change", "revision": "4f1c", "workflow": 7, "reached": None, "programs": {}}
    assert found == {**job, VARIABLE: [], "polyvirt_plans": texts[:1]}


class _Plugin:
    """A connection or become plugin with options, as ansible-core has them."""

    transport = name = "ssh"

    def __init__(self, options, become=None):
        self._options, self.become = options, become

    def get_options(self):
        return dict(self._options)


def _of_task(connection, environment=None, variables=()):
    task = SimpleNamespace(delegate_to=None, get_name=lambda: "Change", environment=environment)
    templar = SimpleNamespace(template=lambda value: value)
    return approval_of(task, {"inventory_hostname": "web1", **dict(variables)}, templar, connection)


def _digest(*words, **more):
    approval = Approval(_of_task(*words, **more))
    approval.permit(["part"], [])
    return approval.plan


OPTIONS = [(*key, option) for key, options in plugins().items() for option in options]


@pytest.mark.parametrize(("kind", "name", "option"), OPTIONS, ids=lambda value: value)
def test_plan_holds_each_option_that_chooses_host_or_account(kind, name, option):
    """Varied one at a time, false values too; of a secret, whether it is set."""

    def digest(value):
        plugin = _Plugin({"other": 1, option: value})
        return _digest(plugin if kind == "connection" else _Plugin({}, plugin))

    absent, *found = map(digest, (None, False, True, "x", "y", 0, 7))
    assert digest("x") == found[2]
    is_secret = shown(option, "x") is True
    assert len(set(found)) == (1 if is_secret or option in OTHERS else 6)
    assert (absent in found) == (option in OTHERS)


def test_options_without_effect_are_those_of_a_plugin():
    assert OTHERS.keys() <= {option for *_key, option in OPTIONS}


@pytest.mark.parametrize(
    "changed",
    [
        {"variables": {"ansible_python_interpreter": "/opt/python3"}},
        {"environment": [{"PATH": "/srv/bin"}]},
        {"environment": [None, {"PATH": "/usr/bin"}, {"PATH": "/srv/bin"}]},
        {"environment": [{"PROXMOX_PASSWORD": "a"}]},
    ],
)
def test_plan_holds_the_interpreter_and_the_environment_of_the_task(changed):
    connection = _Plugin({"host": "hv1"})
    assert _digest(connection, **changed) not in (_digest(connection), _digest(_Plugin({"host": "hv2"})))


def test_secret_is_not_handed_on():
    connection = _Plugin({"password": "hidden", "private_key": "hidden"}, _Plugin({"become_pass": "hidden"}))
    assert "hidden" not in json.dumps(_of_task(connection, environment=[{"PROXMOX_TOKEN": "hidden"}]))


CHECK_ONLY = "polyvirt_check_only"


def _limited(variables, delegate_to=None):
    """Whether a task with these variables is in check mode."""
    task = SimpleNamespace(async_val=0, check_mode=False, delegate_to=delegate_to)
    limit_to_check_mode(SimpleNamespace(_task=task, _templar=SimpleNamespace(template=lambda value: value)), variables)
    return task.check_mode


@pytest.mark.parametrize(
    ("is_limited", "values"),
    [(True, [True, "true", "Yes", "on", 1, "1"]), (False, [False, "False", "no", "NO", 0, "0"])],
)
def test_clear_values_of_a_variable_that_limits(is_limited, values):
    assert [_limited({CHECK_ONLY: value}) for value in values] == [is_limited] * len(values)


@pytest.mark.parametrize("value", [None, "", " ", "check", "enabled", "off", 2, "2", -1, 0.0, [], ["true"], {}])
def test_value_that_is_not_clear_lifts_no_limit(value):
    with pytest.raises(AnsibleError, match=f"{CHECK_ONLY}: .* is neither true nor false. Set true or false"):
        _limited({CHECK_ONLY: value})


NAMES = [
    "polyvirt_approved_plan polyvirt_aproved_plans polyvirt_approved_pIans polyvirt_aprovd_plans polyvirt_aproved_plan",
    "polyvirt-approved-plans Polyvirt_Approved_Plans polyvirtApprovedPlans POLYVIRT_APROVED__PLAN",
    "polyvirt_checkonly polyvirt-check-only polyvirtCheckOnly polyvirt_chek_ony polyvirt_check_onyl olyvirt_check_onl",
]


@pytest.mark.parametrize("name", " ".join(NAMES).split())
def test_variable_with_nearly_the_right_name_is_an_error(name):
    """Without the right one, nothing is limited; with it, the other one may be meant to limit more."""
    right = VARIABLE if "pro" in name.lower() else CHECK_ONLY
    for variables in ({name: []}, {name: [], right: False}, {"ansible_delegated_vars": {"kvm1": {name: []}}}):
        with pytest.raises(AnsibleError, match=rf"{name} is not known. Did you mean {right}\?"):
            _limited(variables, "kvm1")


def test_no_other_variable_of_ours_is_taken_for_one_that_limits():
    folders = ("docs", "extensions", "playbooks", "plugins", "roles")
    files = [path for folder in folders for path in (CHECKOUT / folder).rglob("*.*")]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".md", ".py", ".yml")]
    found = {name for text in texts for name in re.findall(r"\bpolyvirt_[a-z_]+", text)}
    others = dict.fromkeys(found - {CHECK_ONLY})
    assert len(others) > 20
    assert not _limited(others)
    assert not _limited(dict.fromkeys(["approved_plans", "check_only", "polyvirt_check_mode", "polyvirt_unchecked"]))
