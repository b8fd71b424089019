# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a task is correct whatever fails: thousands of random tasks on a platform where every call may fail.

Calls fail before or after they did their work, answers get lost, observations fail, guests ignore requests, VMs are
busy, someone else changes them meanwhile.
"""

from __future__ import annotations

import random

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import ApiError, Refused, Stale, Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task
from ansible_collections.polyvirt.core.plugins.module_utils._kit.one_by_one import one_by_one
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, permits

from suite.belts import is_deep, seed
from unit.module_utils._engine.world import GIB, Machine, World, refusal

_ENDS = {"started": "running", "stopped": "stopped", "absent": None, "restarted": "running"}
_FIELDS = {"cpus": (1, 2, 3), "memory": (GIB, 2 * GIB), "firmware": ("bios", "uefi"), "description": ("", "text")}
_STOP = 20


class Chaos(World):
    """``written`` are the names of VMs that were changed, ``complete`` the steps that were reported as complete."""

    def __init__(self, chance, error_rate, *machines, lane=None, synchronous_verbs=()):
        super().__init__(*machines, lane=lane, synchronous_verbs=synchronous_verbs)
        self.chance, self.error_rate = chance, error_rate
        self.written, self.complete, self.sent_again, self.undo_failed = set(), [], [], set()
        #: {name: previous power state} of VMs with guests that were requested to stop.
        self.asked_to_stop = {}

    def is_hit(self, share=1.0):
        return self.chance.random() < self.error_rate * share

    # The driver -------------------------------------------------------------------------------------------------------

    def observe(self, targets, facets):
        if self.segments and self.is_hit(0.5):
            self.observations.append((self.clock.now(), facets))
            raise self.chance.choice([ApiError("the connection was lost", None), Refused("no more permission")])
        return super().observe(targets, facets)

    def apply(self, batch):
        self.segments.append([vm.name for vm, _steps, _permit in batch])
        one_by_one(self.carry_out, batch, change_counter.count, permits.granted)

    def __getattribute__(self, name):
        if name[1:] in ("create", "configure", "start", "stop", "kill", "delete") and name[0] == "_":
            real = super().__getattribute__(name)
            return lambda vm, step: self._troubled(name[1:], real, vm, step)
        return super().__getattribute__(name)

    def _troubled(self, verb, real, vm, step):
        self.calls.append((round(self.clock.now()), verb, vm.name))
        if any(step is one for one in self.complete):
            self.sent_again.append((verb, vm.name))
        if verb in ("create", "start"):
            self.clock.sleep(self.chance.choice([0.1, 5]))
        if verb == "configure" and self.is_hit():
            self._change_meanwhile(vm)
        if self.is_hit():
            self._fail_before(verb, vm)
        power = next((machine.power for machine in self.machines if machine.id == vm.id), None)
        real(vm, step)
        if verb == "stop":
            self.asked_to_stop.setdefault(vm.name, power)
        else:
            self.written.add(vm.name)
        change_counter.note()
        if self.is_hit():
            self._fail_after(verb, vm)
        self.complete.append(step)

    def _change_meanwhile(self, vm):
        """Someone else changes the VM first, and the driver notices it (Stale)."""
        name = self.chance.choice(sorted(_FIELDS))
        self._existing(vm).config[name] = self.chance.choice(_FIELDS[name])
        raise Stale("somebody else changed it")

    def _fail_before(self, verb, vm):
        if verb == "delete":
            self.undo_failed.add(vm.name)
        error = self.chance.choice([refusal("try later"), refusal("no"), Timeout("cut off", 60), ValueError("a bug")])
        if isinstance(error, Timeout):
            change_counter.note(doubtful=True)
        raise error

    def _fail_after(self, verb, vm):
        if verb == "delete":
            self.undo_failed.add(vm.name)
        raise self.chance.choice([refusal("try later"), Timeout("cut off", 60), ApiError("lost", None)])

    def _start(self, vm, step):
        if self._existing(vm).busy_until > self.clock.now():
            raise refusal("try later")
        super()._start(vm, step)


def _machine(chance, number):
    config = {name: chance.choice(values) for name, values in _FIELDS.items()}
    return Machine(
        f"vm{number}",
        f"id-{number}",
        power=chance.choice(["stopped", "running"]),
        config=config,
        stop_seconds=chance.choice([0, 2, 15, None]),
        ignored_stops=chance.choice([0, 0, 1]),
        busy_until=chance.choice([0, 0, 0, 4]),
        mark={"id": f"id-{number}"},
    )


def _request(chance, number, exists):
    config = {name: chance.choice(values) for name, values in _FIELDS.items() if chance.random() < 0.3}
    state = chance.choice(["present", "started", "stopped", "restarted", "absent"])
    if not exists and state == "restarted":
        state = "started"
    policy = Policy(
        stop_mode=chance.choice([None, "force", "graceful_then_force"]),
        stop_timeout=_STOP,
        timeout=chance.choice([0, 5, 60]),
        allow_restart=chance.random() < 0.7,
        on_failure=chance.choice(["rollback", "keep"]),
    )
    creation = {} if exists else {"image": {"source": "/i"}}
    return Request(f"vm{number}", state=state, config=config, creation=creation, policy=policy)


def _situation(number):
    chance = random.Random(number)
    count = chance.choice([1, 1, 2, 3])
    existing = [chance.random() < 0.7 for _one in range(count)]
    machines = [_machine(chance, one) for one in range(count) if existing[one]]
    error_rate, lane = chance.choice([0, 0.05, 0.2]), chance.choice([None, None, "host"])
    synchronous_verbs = chance.choice([(), ("create",)])
    world = Chaos(chance, error_rate, *machines, lane=lane, synchronous_verbs=synchronous_verbs)
    return world, [_request(chance, one, existing[one]) for one in range(count)]


def _check(world, requests, existed, outcome):
    assert [vm["name"] for vm in outcome.vms] == [request.name for request in requests]
    assert world.sent_again == []
    assert outcome.failed == any(vm["failed"] for vm in outcome.vms)
    if outcome.failed and not world.segments:  # One rejected request ends the task before any change.
        assert not world.written and not outcome.changed
        return
    for request, vm in zip(requests, outcome.vms):
        real = next((machine for machine in world.machines if machine.name == request.name), None)
        _check_changed(world, request, vm, real, request.name in existed)
        if not vm["failed"]:
            _check_reached(request, real)
        elif not vm["changed"] and request.name not in existed:
            assert real is None, "a VM was left behind, and the result says that nothing was changed"


def _check_changed(world, request, vm, real, existed):
    # A stop request that the guest ignores is not a change.
    has_stopped = vm["state"] != world.asked_to_stop.get(request.name, vm["state"])
    was_written = request.name in world.written or has_stopped
    if vm["state"] == "unknown":
        # If the VM cannot be observed at the end, a change may be reported although there was none.
        assert vm["changed"] or not was_written
    elif existed or real is not None:
        assert vm["changed"] == was_written
    elif vm["failed"]:
        assert not vm["changed"] or request.name in world.undo_failed, "nothing is left of it"


def _check_reached(request, real):
    wanted = _ENDS.get(request.state)
    if request.state == "absent":
        assert real is None
        return
    assert wanted in (None, real.power)
    assert {name: real.config.get(name) for name in request.config} == dict(request.config)


def _check_rolled_back(world, request, vm, existed):
    verbs = world.verbs(request.name)
    if existed or not vm["failed"] or "create" not in verbs or "start" in verbs or "delete" not in verbs:
        return
    if request.name not in world.undo_failed:
        assert request.name not in [machine.name for machine in world.machines]


def _check_power_back(world, request, vm, existed):
    """A VM that the task stopped for a change is running again, unless its start failed as well."""
    verbs = world.verbs(request.name)
    changed_while_off = [one for one in verbs[_last_stop(verbs) :] if one != "configure"] == []
    if not (existed and vm["failed"] and _last_stop(verbs) and "configure" in verbs and changed_while_off):
        return
    is_reported = "brought back to" in vm["msg"] or vm["state"] == "unknown"
    assert request.state == "stopped" or is_reported, "the task left the VM off"


def _last_stop(verbs):
    """The number of verbs up to the last stop; 0 if there is none."""
    return max((number for number, verb in enumerate(verbs, 1) if verb in ("stop", "kill")), default=0)


def _longest(requests):
    """Maximum seconds of a task: timeout, stop_timeout for each stop, and the way back to the previous power state."""
    return max(request.policy.timeout for request in requests) + 2 * _STOP + 60 + 60


@pytest.mark.parametrize("part", range(4))
def test_results_are_correct_whatever_fails(request, part):
    count = 2500 if is_deep(request.config) else 500
    for number in range(count):
        key = (seed() * 4 + part) * 10_000 + number
        world, requests = _situation(key)
        existed = {machine.name for machine in world.machines}
        outcome = task.run(world, requests, clock=world.clock, probe=None)
        try:
            _check(world, requests, existed, outcome)
            for one, vm in zip(requests, outcome.vms):
                _check_rolled_back(world, one, vm, one.name in existed)
                _check_power_back(world, one, vm, one.name in existed)
            assert world.clock.now() <= _longest(requests)
        except AssertionError as error:
            raise AssertionError(f"situation {key}: {error}\n{requests}\n{world.calls}\n{outcome.msg}") from error
