# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine carries steps out with a permit for what their plans lose: a driver that destroys more is refused."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

from unit.module_utils._engine.claiming import DATA, IMAGE, Claiming, existing, host, path_of
from unit.module_utils._engine.tasks import new, run, vm
from unit.module_utils._engine.world import refusal


class Careless(Claiming):
    """It deletes a file with each VM that no plan lists."""

    def _delete(self, deleted, step):
        super()._delete(deleted, step)
        self.host.delete_file(DATA)


@pytest.mark.parametrize("others", [0, 2])
def test_file_that_is_in_no_plan_is_not_deleted(others):
    """Also with several VMs, whose steps are carried out in threads."""
    names = ["web", *(f"other{number}" for number in range(others))]
    world = host(*map(existing, names))()
    outcome = run(Careless(world), *(vm(name, "absent") for name in names))
    assert outcome.failed and f"{DATA}: a step was about to delete this file" in outcome.msg
    assert DATA in world.files
    assert not [name for name in names if path_of(name, "disk0") in world.files]


def test_plan_of_another_vm_permits_nothing():
    """Each VM is in a batch of its own, if it has a lane of its own."""
    world = host(existing("web"), existing("other"))()

    class OfAnother(Claiming):
        def _delete(self, deleted, step):
            if deleted.name == "web":
                self.host.delete_file(path_of("other", "disk0"))
            super()._delete(deleted, step)

    outcome = run(OfAnother(world), vm("web", "absent"), vm("other", "started"))
    assert outcome.failed and "a step was about to delete this file" in outcome.msg
    assert path_of("other", "disk0") in world.files


@pytest.mark.parametrize("check", [True, False])
def test_what_another_program_takes_is_listed_as_deleted(check):
    taking = Claiming(host(existing("web"))())
    taking.claims.takes = lambda plan, step: [DATA] if step.verb == "delete" else []
    outcome = run(taking, vm("web", "absent"), check=check)
    assert outcome.vms[0]["deleted"] == sorted([DATA, path_of("web", "disk0")])
    assert run(taking, vm("other", "absent"), check=check).vms[0]["deleted"] == []


def test_step_may_not_destroy_what_another_one_may():
    class Hasty(Claiming):
        def _kill(self, vm, step):
            super()._kill(vm, step)
            self.host.delete_file("/vms/web-disk0.img")

    driver = Hasty(host(existing("web", power=RUNNING))())
    outcome = run(driver, vm("web", "absent", policy={"stop_mode": "force"}.items()))
    assert "/vms/web-disk0.img: a step was about to delete this file" in outcome.msg


def test_created_vm_that_cannot_be_started_is_deleted_again():
    """No plan lists what this task has created; it is permitted nevertheless, and nothing else is."""

    class Unable(Claiming):
        def _start(self, vm, step):
            raise refusal("no accelerator")

    for driver, left in ((Unable, {IMAGE, DATA}), (type("Both", (Unable, Careless), {}), {IMAGE, DATA})):
        world = host()()
        outcome = run(driver(world), new("web", "started"))
        assert outcome.failed and "no accelerator" in outcome.msg
        assert ("a step was about to delete" in outcome.msg) == (driver is not Unable)
        assert world.files.keys() == left, outcome.msg


def test_nothing_is_permitted_after_a_task():
    run(Claiming(host(existing("web"))()), vm("web", "absent"))
    with pytest.raises(Refused):
        permits.check_thing("vm", "id-web")
