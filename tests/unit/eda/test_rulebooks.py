# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rulebook has a form for an automation controller, which differs only in what it runs."""

from __future__ import annotations

import re

import pytest
import yaml

from collection_path import CHECKOUT

FOLDER = CHECKOUT / "extensions" / "eda" / "rulebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yml") if not path.stem.endswith("_job"))


def _rules(name):
    """Return (the rulebook without its action, its action, the variables that its comment names)."""
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    (ruleset,) = yaml.safe_load(text)
    (rule,) = ruleset["rules"]
    return ruleset, rule.pop("action"), set(re.findall(r"^# (polyvirt_\w+) +\w+ ", text, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_form_for_a_controller_runs_a_job_template(name):
    ruleset, action, variables = _rules(name)
    of_controller, job, of_job = _rules(f"{name}_job")
    assert (list(action), of_controller) == (["run_playbook"], ruleset)
    assert job == {
        "run_job_template": {"name": "{{ polyvirt_job_template }}", "organization": "{{ polyvirt_organization }}"}
    }
    assert of_job == {*variables, "polyvirt_job_template", "polyvirt_organization"}


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}_job" for name in NAMES)])
def test_comment_names_all_variables(name):
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"{{ (\w+) }}", text)) == _rules(name)[2]


@pytest.mark.parametrize("name", NAMES)
def test_rule_that_drops_events_gets_them_again(name):
    """``once_within`` drops what it does not let through, such as a VM that crashes again."""
    (rule,) = _rules(name)[0]["rules"]
    assert ("once_within" in rule["throttle"]) == ("in [" in rule["condition"] and "not in" not in rule["condition"])
    kind = {"reap_expired": "expired", "restart_crashed": "crashed"}.get(name)
    if kind:
        assert rule["condition"] == f'event.event in ["vm.{kind}", "vm.still_{kind}"]'
