# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks on a platform in memory: what is observed, the order of steps, and the results."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import DESTRUCTIVE, Field, Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine import claiming
from unit.module_utils._engine.claiming import Claiming, Host
from unit.module_utils._engine.world import GIB, Machine, World, refusal

IMAGE = {"image": {"source": "/images/base"}}
IMAGE_FILE = {"image": {"source": claiming.IMAGE}}


def ask(name, state="present", config=None, creation=None, vm_id=None, **policy):
    return Request(name, vm_id, state, config or {}, creation or {}, policy=Policy(**policy))


def carry_out(world, *requests, check=False):
    return task.run(world, requests, check, clock=world.clock, probe=None)


# Before the first observation -----------------------------------------------------------------------------------------


def test_driver_gets_plans_of_possible_creations_before_the_first_observation():
    class ReadingAhead(World):
        def expect(self, plans):
            assert not self.observations
            expected.extend((one.after.name, [step.verb for step in one.steps]) for one in plans)

    expected, clone = [], {"clone": {"source": "web"}}
    requests = [
        ask("web", "started", {"cpus": 3}, IMAGE),
        ask("new", "started", {"cpus": 1}, IMAGE),
        ask("old", "absent"),
        ask("unknown", "started"),
        ask("copy", "present", {}, clone),
    ]
    carry_out(ReadingAhead(Machine("web", "1")), *requests, check=True)
    assert expected == [("web", ["create", "start"]), ("new", ["create", "start"])]


# Rejected requests, failures ------------------------------------------------------------------------------------------


def test_one_rejected_request_stops_the_whole_task():
    world = World(Machine("one", "1"), Machine("three", "3"))
    outcome = carry_out(world, *(ask(name, "started") for name in ("one", "two", "three")))
    assert (outcome.failed, outcome.changed, world.calls) == (True, False, [])
    assert "two: the VM does not exist." in outcome.msg
    assert "Existing VMs: one, three." in outcome.msg
    assert [(vm["name"], vm["failed"], vm["changed"]) for vm in outcome.vms] == [
        ("one", False, False),
        ("two", True, False),
        ("three", False, False),
    ]
    assert outcome.diff == []


def test_check_mode_with_a_rejected_request_predicts_no_change():
    requests = (ask("one", "started"), ask("nosuch", "started"))
    real = carry_out(World(Machine("one", "one")), *requests)
    check = carry_out(World(Machine("one", "one")), *requests, check=True)
    assert (check.changed, check.diff) == (real.changed, real.diff) == (False, [])


def test_preflight_error_stops_the_whole_task():
    world = World(Machine("one", "1"), Machine("two", "2"))
    world.refused_by_host["two"] = Refused("two: no such network.", "Known networks: default.")
    outcome = carry_out(world, ask("one", "started"), ask("two", "started"))
    assert (outcome.msg, world.calls) == ("two: no such network. Known networks: default.", [])


def test_preflight_is_not_called_for_an_unchanged_vm():
    world = World(Machine("one", "1", power="running"))
    world.refused_by_host["one"] = Refused("never asked")
    assert not carry_out(world, ask("one", "started")).failed


def test_failure_of_one_vm_does_not_stop_the_others():
    world = World(
        Machine("one", "1"), Machine("two", "2", power_after_start="failed", reason="no disk"), Machine("three", "3")
    )
    outcome = carry_out(world, *(ask(name, "started") for name in ("one", "two", "three")))
    assert [machine.power for machine in world.machines] == ["running", "failed", "running"]
    assert outcome.failed and outcome.changed
    assert outcome.msg.startswith("two: it was started, but is failed (no disk).")
    assert [vm["failed"] for vm in outcome.vms] == [False, True, False]
    assert [vm["changed"] for vm in outcome.vms][::2] == [True, True]


def test_vms_with_the_same_name_are_selected_by_id():
    world = World(Machine("web", "id-a"), Machine("web", "id-b"))
    outcome = carry_out(world, ask("web", "started"))
    assert outcome.msg == "web: 2 VMs have this name. Set id to one of id-a, id-b."
    assert world.calls == []
    assert not carry_out(world, ask("web", "started", vm_id="id-b")).failed
    assert [machine.power for machine in world.machines] == ["stopped", "running"]


def test_observation_error_of_one_vm_stops_the_task():
    world = World(Machine("web", "1"), Machine("db", "2"))
    world.observation_errors = {"db": NotFound("db: its definition cannot be read.")}
    outcome = carry_out(world, ask("web", "started"), ask("db", "started"))
    assert (outcome.msg, world.calls) == ("db: its definition cannot be read.", [])


def test_warning_is_reported_once():
    assert carry_out(World(Machine("web", "1")), ask("web", "started")).warnings == ["the platform is old"]


# Check mode -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        ask("web", "started", {"cpus": 3}),
        ask("web", "stopped"),
        ask("web", "absent"),
        ask("new", "started", {"memory": GIB}, IMAGE),
        ask("web", "restarted", {"firmware": "uefi"}),
    ],
    ids=lambda request: f"{request.name} {request.state}",
)
def test_check_mode_changes_nothing_and_reports_the_same(request_):
    world, checked = World(Machine("web", "1", power="running")), World(Machine("web", "1", power="running"))
    checked.apply = None  # Any call fails.
    real, check = carry_out(world, request_), carry_out(checked, request_, check=True)
    assert (real.failed, real.changed, bool(world.calls)) == (False, True, True)
    assert (check.changed, check.diff) == (real.changed, real.diff)
    assert check.vms[0]["state"] == real.vms[0]["state"]
    assert [check.vms[0].get(name) for name in ("cpus", "memory_mib")] == [
        real.vms[0].get(name) for name in ("cpus", "memory_mib")
    ]
    assert checked.machine("web") == Machine("web", "1", power="running")


def test_check_mode_does_not_wait_for_guests():
    world = World(Machine("web", "1", power="running"))
    assert not carry_out(world, ask("web", "started", wait_for="ssh"), check=True).failed
    assert world.clock.now() == 0


def test_check_mode_waits_for_a_busy_vm():
    world = World(Machine("web", "1", busy_until=5))
    assert carry_out(world, ask("web", "started"), check=True).changed
    assert world.calls == []
    assert 5 <= world.clock.now() < 9


# Observations ---------------------------------------------------------------------------------------------------------


def test_task_without_changes_observes_once():
    world = World(Machine("one", "1", power="running"), Machine("two", "2", power="running"))
    outcome = carry_out(world, ask("one", "started"), ask("two", "started", {"cpus": 2}))
    assert (outcome.failed, outcome.changed, outcome.diff) == (False, False, [])
    assert world.observations == [(0, {"power", "config"})]


@pytest.mark.parametrize(
    ("request_", "more"),
    [
        (ask("web"), set()),
        (ask("web", "absent"), {"snapshots", "files", "unfinished"}),
        (ask("web", allow_recreate=True), {"snapshots"}),
        (ask("web", "started", wait_for="ssh"), {"addresses"}),
    ],
)
def test_only_needed_facets_are_observed(request_, more):
    world = World(Machine("web", "1"))
    carry_out(world, request_, check=True)
    assert world.observations[0][1] == {"power", "config"} | more


def test_files_are_observed_if_a_vm_may_be_recreated(monkeypatch):
    world = World(Machine("web", "1"))
    traits = world.traits()
    rebuilding = replace(traits, fields={**traits.fields, "firmware": Field(cost=DESTRUCTIVE)})
    monkeypatch.setattr(world, "traits", lambda: rebuilding)
    carry_out(world, ask("web", config={"firmware": "uefi"}, allow_recreate=True), check=True)
    assert world.observations[0][1] == {"power", "config", "snapshots", "files"}
    carry_out(world, ask("web", allow_recreate=True), check=True)
    assert world.observations[-1][1] == {"power", "config", "snapshots"}


def test_observed_vm_is_followed_by_id_and_not_by_name():
    world = World(Machine("web", "1", power="running", stop_seconds=3))
    stop = world._stop

    def rename_and_stop(vm, step):
        stop(vm, step)
        world.machines.append(Machine("web", "2", power="running"))

    world._stop = rename_and_stop
    outcome = carry_out(world, ask("web", "stopped"))
    assert not outcome.failed
    assert [(machine.id, machine.power) for machine in world.machines] == [("1", "stopped"), ("2", "running")]


def test_light_observation_keeps_other_values():
    world = World(Machine("web", "1", power="running", config={"cpus": 7, "memory": GIB}, stop_seconds=None))
    outcome = carry_out(world, ask("web", "stopped", stop_timeout=5))
    assert outcome.failed
    assert (outcome.vms[0]["cpus"], outcome.vms[0]["memory_mib"]) == (7, 1024)


# Final check ----------------------------------------------------------------------------------------------------------


def test_remaining_differences_are_reported():
    world = World(Machine("web", "1", stores=False))
    outcome = carry_out(world, ask("web", config={"cpus": 4, "memory": 4 * GIB}))
    assert outcome.msg == "web: the VM is not as requested yet: cpus, memory. Run the task again."
    assert outcome.vms[0]["steps"][0]["done"] is True


def test_restart_is_done_once_and_confirmed():
    world = World(Machine("web", "1", power="running"))
    outcome = carry_out(world, ask("web", "restarted"))
    assert (outcome.failed, world.verbs()) == (False, ["stop", "start"])
    assert outcome.diff[0]["after"] == {"restarted": True}


# Lanes ----------------------------------------------------------------------------------------------------------------


def test_number_of_parallel_lanes_is_limited():
    world = World(*(Machine(f"m{number}", str(number)) for number in range(8)))
    # Passed only if four run in parallel; they then wait for a fifth one, which must not come.
    meeting, fifth, inside, most, start = threading.Barrier(4, timeout=60), threading.Event(), [], [], world._start

    def start_together(vm, step):
        inside.append(vm.name)
        most.append(len(inside))
        if len(inside) > 4:
            fifth.set()
        meeting.wait()
        fifth.wait(0.3)
        start(vm, step)
        inside.remove(vm.name)

    world._start = start_together
    outcome = carry_out(world, *(ask(machine.name, "started") for machine in world.machines))
    assert not outcome.failed
    assert max(most) == 4
    assert {machine.power for machine in world.machines} == {"running"}


def test_vms_of_one_lane_are_sent_together():
    world = World(*(Machine(name, name) for name in ("a", "b", "c")), lane="the host")
    outcome = carry_out(world, *(ask(name, "started") for name in ("a", "b", "c")))
    assert (outcome.failed, world.segments) == (False, [["a", "b", "c"]])


def test_lane_continues_without_a_failed_vm():
    world = World(
        Machine("a", "a", power="running", stop_seconds=None), Machine("b", "b", power="running"), lane="the host"
    )
    outcome = carry_out(world, ask("a", "absent", stop_timeout=15), ask("b", "absent", stop_timeout=15))
    assert [machine.name for machine in world.machines] == ["a"]
    assert outcome.msg.startswith("a: after stop it is still running")
    assert [vm["failed"] for vm in outcome.vms] == [True, False]


@pytest.mark.parametrize("check", [True, False])
def test_one_mac_for_two_vms_of_a_task_is_rejected(check):
    """Both VMs are new, so a driver cannot see the MAC of the other one."""
    driver = Claiming(Host())
    nic = {"type": "network", "source": "lan", "mac": "52:54:00:00:00:01"}
    requests = [Request(name, config={"networks": {"1": nic}}, creation=IMAGE_FILE) for name in ("web", "db")]
    outcome = task.run(driver, requests, check, clock=driver.clock, probe=None)
    assert (outcome.failed, driver.calls, driver.machines) == (True, [], [])
    assert outcome.msg == (
        "db: networks.1.mac: 52:54:00:00:00:01 is used by web, as this task makes it."
        " Set another MAC, or omit mac to have one generated."
    )


def test_deleted_vm_may_have_the_mac_of_another():
    world = World(Machine("web", "u-web"))
    mac = {"networks": {"0": {"mac": "52:54:00:00:00:01"}}}
    requests = [Request(name, config=mac, state="absent") for name in ("web", "db")]
    outcome = task.run(world, requests, False, clock=world.clock, probe=None)
    assert (outcome.failed, world.machines) == (False, [])


def test_changed_mark_counts_as_a_change_after_a_lost_answer():
    class Announcing(World):
        def _configure(self, vm, step):
            self.machine("web").mark = {"id": "u-web", "files": ["new.img"]}
            error = refusal("no answer")
            error.wrote = None  # Not known.
            raise error

    world = Announcing(Machine("web", "u-web", mark={"id": "u-web"}))
    outcome = carry_out(world, ask("web", config={"cpus": 4}))
    assert (outcome.failed, outcome.changed, outcome.diff) == (True, True, [])
