# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow of the pattern approved_change as AWX runs it: check, approval, apply. It never permits too much."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from collection_path import CHECKOUT
from suite.awx_runner import inventory_of, run, workflow_variables

WEB, DB = "pvc-awx-web", "pvc-awx-db"
_PATTERN = CHECKOUT / "extensions/patterns/approved_change"
_ONLY = pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
pytestmark = [_ONLY, pytest.mark.full]


class Controller:
    """The two job templates, with the inventory of one hypervisor. ``machines`` are its VMs."""

    def __init__(self, platform, shim):
        resources = json.loads((_PATTERN / "meta/pattern.json").read_text(encoding="utf-8"))["aap_resources"]
        self._check, self._apply = resources["controller_job_templates"]
        self._around = shim.environment(programs=platform.programs)
        self._own = {**platform.options("vm"), **platform.creation}
        self.platform, self.machines = platform, [{"name": WEB, "cpus": 1}]

    def _job(self, template, workflow, variables):
        hypervisor = {
            "ansible_connection": "local",
            "vm_platform": "libvirt",
            "vm_machines": self.machines,
            "vm_module_options": self._own,
        }
        return run(
            CHECKOUT,
            (_PATTERN / "playbooks" / template["playbook"]).relative_to(CHECKOUT),
            inventory_of({"kvm1": hypervisor}),
            variables,
            check=template["job_type"] == "check",
            env=self._around,
            awx={"workflow": workflow},
            template=yaml.safe_load(template.get("extra_vars", "{}")),
        )

    def check(self, workflow=7):
        return self._job(self._check, workflow, {})

    def apply(self, *ancestors, workflow=7):
        """The job after the approval; without ``ancestors`` somebody has launched its template by itself."""
        return self._job(self._apply, workflow, workflow_variables(*ancestors))

    @property
    def truth(self):
        return self.platform.truth([WEB])[WEB]


@pytest.fixture
def controller(platform, shim):
    platform.clean()
    shim.forget()
    with platform.hurried():
        yield Controller(platform, shim)


def _failed_without_a_change(job):
    is_refused = "This plan was not approved" in job.stdout or "was approved outside of this workflow job" in job.stdout
    return (job.rc != 0, job.changed, is_refused) == (True, 0, True)


def test_workflow_applies_what_was_approved(controller):
    check = controller.check()
    assert (check.rc, check.changed, controller.truth) == (0, 1, None), check.stdout
    ((entry,), (text,)) = (check.artifacts[name] for name in ("polyvirt_approved_plans", "polyvirt_plans"))
    assert (entry["workflow"], text["plan"], text["host"], text["vm"]) == (7, entry["plan"], "kvm1", WEB)
    # Whoever approves the plan reads it in the output of this job.
    assert entry["plan"] in check.stdout and f"{WEB}: create" in check.stdout
    done = controller.apply(check.artifacts)
    assert (done.rc, done.changed, controller.truth["power"]) == (0, 1, STOPPED), done.stdout
    again = controller.check()
    assert (again.rc, again.changed, again.artifacts) == (0, 0, {"polyvirt_approved_plans": [], "polyvirt_plans": []})


@pytest.mark.full
def test_nothing_else_is_permitted(controller):
    assert _failed_without_a_change(controller.apply()), "the template by itself"
    old = controller.check(workflow=6)
    assert _failed_without_a_change(controller.apply(old.artifacts)), "an approval of another workflow job"
    check = controller.check()
    controller.machines = [{"name": WEB, "cpus": 2}]
    changed = controller.apply(check.artifacts)
    assert _failed_without_a_change(changed), "the inventory has changed since"
    assert check.artifacts["polyvirt_approved_plans"][0]["plan"] in changed.stdout
    assert "cpus" in changed.stdout
    controller.machines = [{"name": WEB, "cpus": 1, "wrong_option": 1}]
    failed = controller.check()
    assert (failed.rc != 0, failed.artifacts) == (True, {})
    controller.machines = [{"name": WEB, "cpus": 1}]
    assert _failed_without_a_change(controller.apply(failed.artifacts)), "a failed check"
    assert controller.truth is None
    assert controller.apply(check.artifacts).rc == 0


@pytest.mark.full
def test_drift_after_an_empty_check_is_not_applied(controller):
    assert controller.apply(controller.check().artifacts).rc == 0
    # The list of this check is empty, and replaces that of an earlier job of the workflow.
    ancestor, empty = {"polyvirt_approved_plans": ["plan-x"]}, controller.check().artifacts
    controller.machines = [{"name": WEB, "cpus": 2}]
    before = controller.truth
    assert _failed_without_a_change(controller.apply(ancestor, empty))
    assert controller.truth == before
    controller.machines = [{"name": WEB, "cpus": 1}]
    same = controller.apply(ancestor, empty)
    assert (same.rc, same.changed) == (0, 0), same.stdout
