# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An expired VM that has to be stopped before it is deleted: guests that obey or not, and somebody who extends it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, RUNNING, STOPPED, Policy
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import Expiry, iso
from ansible_collections.polyvirt.core.plugins.module_utils._engine.together import Pruning, run_together

from unit.module_utils._engine.claiming import Claiming, Host, owned
from unit.module_utils._engine.tasks import FLEET, run, vm
from unit.module_utils._engine.world import refusal

NOW, HOUR = 1_800_000_000, 3600
EXPIRED, EXTENDED = Expiry("1h", NOW - HOUR), Expiry("8h", NOW + HOUR)
LEASE = {"expired_for": 0, "controller_time": NOW}


class Extending(Claiming):
    """A platform on which somebody sets another expiry while a step with the verb ``during`` is under way."""

    during, other = None, EXTENDED

    def host_time(self, _vm):
        return iso(NOW + self.clock.now())

    def _do(self, vm, step):
        if step.verb == self.during:
            self._existing(vm).config["expires"] = self.other
        super()._do(vm, step)


def _driver(during=None, power=RUNNING, other=EXTENDED, **machine):
    one = owned("web", power, expires=EXPIRED, fleet=FLEET)
    for name, value in machine.items():
        setattr(one, name, value)
    driver = Extending(Host([one]))
    driver.during, driver.other = during, other
    return driver


def _end(driver, **policy):
    return run(driver, vm("web", "absent", policy={**LEASE, **policy}))


@pytest.mark.parametrize("stop_mode", [None, "graceful", "graceful_then_force"])
def test_guest_that_stops_in_a_few_seconds_is_not_forced(stop_mode):
    driver = _driver(stop_seconds=5)
    outcome = _end(driver, stop_mode=stop_mode)
    assert (outcome.failed, outcome.changed, driver.machines) == (False, True, []), outcome.msg
    assert driver.verbs() == ["stop", "delete"]


def test_vm_of_a_guest_that_ignores_the_request_is_kept_and_runs():
    driver = _driver(stop_seconds=None)
    outcome = _end(driver, stop_mode="graceful")
    assert (outcome.failed, outcome.changed) == (True, False)
    assert "graceful_then_force" in outcome.msg
    assert (driver.machine("web").power, "delete" in driver.verbs()) == (RUNNING, False)


@pytest.mark.parametrize("stop_mode", ["graceful_then_force", "force"])
def test_vm_of_a_guest_that_ignores_the_request_is_deleted_by_force(stop_mode):
    driver = _driver(stop_seconds=None)
    outcome = _end(driver, stop_mode=stop_mode)
    assert (outcome.failed, outcome.changed, driver.machines) == (False, True, []), outcome.msg


@pytest.mark.parametrize("mode, during", [("graceful", "stop"), ("force", "kill"), ("graceful_then_force", "kill")])
@pytest.mark.parametrize("other", [EXTENDED, Expiry("")])
def test_vm_that_is_extended_while_it_stops_is_kept_and_started_again(mode, during, other):
    driver = _driver(during, other=other, stop_seconds=None if mode == "graceful_then_force" else 5)
    outcome = _end(driver, stop_mode=mode)
    assert (outcome.failed, outcome.changed) == (True, True)
    assert "web: the VM was stopped, but not deleted: somebody extended its expiry" in outcome.msg
    assert (driver.machine("web").power, "delete" in driver.verbs()) == (RUNNING, False)


def test_paused_vm_that_is_extended_while_it_stops_is_kept():
    driver = _driver("kill", power=PAUSED)
    outcome = _end(driver, stop_mode="force")
    assert outcome.failed
    assert [machine.name for machine in driver.machines] == ["web"]


def test_vm_that_is_extended_before_a_deletion_is_repeated_is_kept():
    driver = _driver("delete", power=STOPPED)
    driver.inject_errors("delete", refusal("try later"))
    outcome = _end(driver)
    assert (outcome.failed, outcome.changed) == (False, False), outcome.msg
    assert (driver.machine("web").power, driver.verbs()) == (STOPPED, ["delete"])


def test_deletion_that_was_not_extended_is_repeated():
    driver = _driver(power=STOPPED)
    driver.inject_errors("delete", refusal("try later"))
    outcome = _end(driver)
    assert (outcome.failed, outcome.changed, driver.machines) == (False, True, []), outcome.msg


def test_another_client_deletes_the_vm_while_it_is_read_again():
    driver = _driver(power=STOPPED)
    driver.inject_errors("delete", refusal("try later"), done=True)
    outcome = _end(driver)
    assert (outcome.failed, driver.machines) == (False, []), outcome.msg


def test_vm_without_this_condition_is_deleted_although_it_is_extended():
    driver = _driver("stop", stop_seconds=5)
    outcome = run(driver, vm("web", "absent"))
    assert (outcome.failed, driver.machines) == (False, []), outcome.msg


@pytest.mark.parametrize("stop_mode, is_deleted", [("force", True), ("graceful", False)])
def test_guest_of_a_pruned_vm_that_ignores_the_request(stop_mode, is_deleted):
    driver = _driver(stop_seconds=None)
    driver.host.machines.append(owned("db", fleet=FLEET))
    asked = [vm("db", "started")]
    pruning = Pruning(FLEET, Policy(stop_mode=stop_mode, **LEASE), 9)
    outcome = run_together([(driver, asked, True)], asked, False, pruning, clock=driver.clock, probe=None)
    assert outcome.failed != is_deleted, outcome.msg
    assert [one.name for one in driver.machines] == (["db"] if is_deleted else ["web", "db"])
    assert driver.machine("db").power == RUNNING


@pytest.mark.parametrize("state", ["absent", "stopped"])
def test_vm_that_is_extended_while_its_guest_ignores_the_request_is_not_forced_off(state):
    driver = _driver("stop", stop_seconds=None)
    outcome = run(driver, vm("web", state, policy={**LEASE, "stop_mode": "graceful_then_force"}))
    assert outcome.failed and "asked to shut down, but not forced off: somebody extended" in outcome.msg, outcome.msg
    assert "kill" not in driver.verbs() and driver.machine("web").power == RUNNING
