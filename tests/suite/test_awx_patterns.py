# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job templates of the patterns, launched as AWX does it: answers of the survey, then a check and a run.

Guests of libvirt's test driver have no SSH server, so the VMs remain stopped.
"""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.awx_runner import inventory_of
from suite.awx_templates import Templates

WEB, DB = "pvc-awx-web", "pvc-awx-db"
_ONLY = pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")


def _reach(platform):
    """The variables of the hypervisor: how the platform is reached, and the smallest VM."""
    return {
        "ansible_connection": "local",
        "ansible_become": False,
        "vm_module_options": {**platform.options("vm"), **platform.creation},
        "vm_tags": ["of the inventory"],
    }


def _around(platform, shim):
    return shim.environment(programs=platform.programs)


@pytest.fixture
def launch(platform, shim):
    platform.clean()
    shim.forget()
    with platform.hurried():
        yield Templates("create_vm", inventory_of({"kvm1": _reach(platform)}), _around(platform, shim)).launch


_ANSWERS = {"vm_name": WEB, "provision_hypervisor": "kvm1", "vm_platform": "libvirt", "vm_state": "stopped"}


def _of(job):
    """What the module of the platform reported in a job."""
    results = [one for one in job.results("polyvirt.core.vm") if "vms" in one]
    return [vm for one in results for vm in one["vms"]]


@_ONLY
def test_check_of_a_template_shows_what_its_run_does(launch, platform):
    answers = {**_ANSWERS, "vm_description": "{{ not a template }}", "create_vm_tags": "awx\n web \n\n"}
    checked = launch("create_vm.yml", check=True, touched=True, **answers)
    assert (checked.rc, checked.changed > 0) == (0, True), checked.stdout
    assert platform.truth([WEB]) == {WEB: None}
    done = launch("create_vm.yml", touched=True, **answers)
    assert (done.rc, done.changed) == (0, checked.changed), done.stdout
    assert platform.truth([WEB])[WEB]["power"] == STOPPED
    ((planned,), (created,)) = _of(checked), _of(done)
    assert [one["verb"] for one in planned["steps"]] == [one["verb"] for one in created["steps"]]
    assert created["description"] == "{{ not a template }}"
    assert sorted(created["tags"]) == ["awx", "web"]


@_ONLY
@pytest.mark.rotated(6)
def test_answers_that_were_not_given_change_nothing(launch, platform):
    created = launch("create_vm.yml", **_ANSWERS)
    assert (created.rc, _of(created)[0]["tags"]) == (0, ["of the inventory"]), created.stdout
    again = launch("create_vm.yml", touched=True, **_ANSWERS)
    assert (again.rc, again.changed) == (0, 0), again.stdout
    changed = launch("create_vm.yml", touched=True, vm_autostart="true", **_ANSWERS)
    assert (changed.rc, changed.changed, _of(changed)[0]["autostart"]) == (0, 1, True), changed.stdout
    named = {key: value for key, value in _ANSWERS.items() if key != "vm_state"}
    gone = launch("remove_vm.yml", touched=True, **named)
    assert (gone.rc, platform.truth([WEB])) == (0, {WEB: None}), gone.stdout


@_ONLY
@pytest.mark.deep("tests/suite/test_provision_platforms.py; the template only passes its answers on")
def test_group_of_the_inventory_is_created_and_removed(platform, shim):
    platform.clean()
    shim.forget()
    vms = {name: {"provision_hypervisor": "kvm1", "vm_state": "stopped", **_reach(platform)} for name in (WEB, DB)}
    inventory = inventory_of({"kvm1": _reach(platform), **vms}, web=[WEB, DB])
    launch = Templates("provision_group", inventory, _around(platform, shim)).launch
    with platform.hurried():
        checked = launch("provision_group.yml", check=True, touched=True, provision_group="web")
        assert (checked.rc, platform.truth([WEB, DB])) == (0, {WEB: None, DB: None}), checked.stdout
        done = launch("provision_group.yml", touched=True, provision_group="web")
        assert (done.rc, [vm["power"] for vm in platform.truth([WEB, DB]).values()]) == (0, [STOPPED] * 2), done.stdout
        again = launch("provision_group.yml", touched=True, provision_group="web")
        assert (again.rc, again.changed) == (0, 0), again.stdout
        gone = launch("remove_group.yml", touched=True, provision_group="web")
        assert (gone.rc, platform.truth([WEB, DB])) == (0, {WEB: None, DB: None}), gone.stdout
