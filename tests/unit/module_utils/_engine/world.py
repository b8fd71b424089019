# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in memory, with a fake clock.

It does not use the collection's own simulation of steps: each VM is a small state machine that behaves like real ones
(guests that stop slowly or ignore requests, starts that fail, temporary errors).
"""

from __future__ import annotations

import concurrent.futures
import threading
from dataclasses import dataclass, field

from ansible_collections.polyvirt.core.plugins.module_utils._core import model
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Field, Observation, Traits, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

GIB = 1 << 30


class FakeClock:
    """Time passes only in ``sleep``."""

    def __init__(self):
        self._seconds = 0.0
        self._one_at_a_time = threading.Lock()

    def now(self):
        return self._seconds

    def sleep(self, seconds):
        assert seconds > 0, "a wait that does not wait never ends"
        with self._one_at_a_time:
            self._seconds += seconds

    def wait(self, futures, seconds):
        """Calls in other threads take no time, except their own ``sleep``."""
        if not futures:
            self.sleep(seconds)
            return ()
        return concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED).done


@dataclass
class Machine:
    """One VM of the platform, and how its guest behaves."""

    name: str
    id: str
    power: str = model.STOPPED
    config: dict = field(default_factory=lambda: {"cpus": 2, "memory": 2 * GIB})
    reason: str = ""
    mark: dict | None = None
    addresses: tuple = ()
    ssh: dict | None = None
    #: Seconds from the stop request until the guest is off; None: it ignores all requests.
    stop_seconds: float | None = 2
    #: How many stop requests the guest ignores.
    ignored_stops: int = 0
    busy_until: float = 0
    #: The power state after a start.
    power_after_start: str = model.RUNNING
    stores: bool = True
    off_at: float | None = None
    snapshots: tuple = ()


class World:
    """Driver and platform: ``calls`` are (second, verb, name) of all steps, ``observations`` (second, facets)."""

    def __init__(self, *machines, lane=None, synchronous_verbs=()):
        self.clock = FakeClock()
        self.machines = list(machines)
        self.calls, self.segments, self.observations = [], [], []
        self.injected_errors = {}
        self.refused_by_host = {}
        self.observation_errors = {}
        self._lane, self._synchronous_verbs = lane, frozenset(synchronous_verbs)

    # For tests --------------------------------------------------------------------------------------------------------

    def inject_errors(self, verb, *errors, done=False):
        """Let ``verb`` fail with these errors, one after the other; ``done``: the step is carried out nevertheless."""
        self.injected_errors[verb] = [(error, done) for error in errors]

    def verbs(self, name=None):
        return [verb for _second, verb, called in self.calls if name in (None, called)]

    def machine(self, name):
        return next(machine for machine in self.machines if machine.name == name)

    # The driver -------------------------------------------------------------------------------------------------------

    def traits(self):
        return Traits(
            platform="memory",
            fields={
                "cpus": Field(cost=model.NEXT_BOOT),
                "memory": Field(cost=model.NEXT_BOOT),
                "firmware": Field(cost=model.POWER_OFF),
                "description": Field(cost=model.LIVE),
                "image": Field(),
            },
            sources=("image",),
            defaults={"cpus": 2, "memory": 2 * GIB},
            synchronous_verbs=self._synchronous_verbs,
            transient=lambda error: "try later" in str(error),
        )

    def observe(self, targets, facets):
        self.observations.append((self.clock.now(), facets))
        found = [
            machine
            for machine in self.machines
            if targets is None or any(one.key in (("id", machine.id), ("name", machine.name)) for one in targets)
        ]
        vms = [self._seen(machine, facets) for machine in found]
        known = tuple(machine.name for machine in self.machines)
        return Observation(vms=vms, known=known, errors=self.observation_errors, warnings=("the platform is old",))

    def preflight(self, plan, released=frozenset()):
        if plan.after.name in self.refused_by_host:
            raise self.refused_by_host[plan.after.name]

    def lane(self, vm):
        return self._lane or vm.id or vm.name

    def apply(self, segment):
        self.segments.append([vm.name for vm, _steps, _permit in segment])
        for vm, steps, permit in segment:
            for number, step in enumerate(steps):
                try:
                    with permits.granted(permit):
                        self._do(vm, step)
                except Exception as error:
                    error.steps_done = number
                    raise

    def carry_out(self, vm, step):
        """Carry out a step for ``one_by_one``, without adding it to ``calls``."""
        getattr(self, f"_{step.verb}")(vm, step)

    # The platform -----------------------------------------------------------------------------------------------------

    def _seen(self, machine, facets):
        now = self.clock.now()
        if machine.off_at is not None and now >= machine.off_at:
            machine.power, machine.off_at = model.STOPPED, None
        return Vm(
            name=machine.name,
            id=machine.id,
            power=machine.power,
            reason=machine.reason,
            busy="locked" if now < machine.busy_until else None,
            config=dict(machine.config) if "config" in facets else {},
            mark=machine.mark,
            addresses=machine.addresses(now) if callable(machine.addresses) else machine.addresses,
            ssh=machine.ssh,
            snapshots=machine.snapshots,
        )

    def _do(self, vm, step):
        self.calls.append((round(self.clock.now()), step.verb, vm.name))
        error, done = self.injected_errors[step.verb].pop(0) if self.injected_errors.get(step.verb) else (None, True)
        if done:
            getattr(self, f"_{step.verb}")(vm, step)
        if error:
            raise error

    def _create(self, vm, step):
        assert vm.name not in [machine.name for machine in self.machines], "created twice"
        vm_id = f"u-{vm.name}"
        created = Machine(vm.name, vm_id, config=dict(step.arguments["config"]), mark={"id": vm_id})
        self.machines.append(created)

    def _existing(self, vm):
        if vm.id is None and self._synchronous_verbs:  # The step before has created it.
            return self.machine(vm.name)
        return next(machine for machine in self.machines if machine.id == vm.id)

    def _configure(self, vm, step):
        machine = self._existing(vm)
        for change in step.changes:
            assert change.cost != model.POWER_OFF or machine.power == model.STOPPED, f"{change.path} while it runs"
            if machine.stores:
                machine.config[change.field] = change.new

    def _start(self, vm, step):
        machine = self._existing(vm)
        if machine.power == model.RUNNING:
            raise refusal("already active")
        machine.power = machine.power_after_start

    def _stop(self, vm, step):
        machine = self._existing(vm)
        if machine.power != model.RUNNING:
            raise refusal("not running")
        if machine.ignored_stops:
            machine.ignored_stops -= 1
        elif machine.stop_seconds is not None and machine.off_at is None:
            machine.off_at = self.clock.now() + machine.stop_seconds

    def _kill(self, vm, step):
        machine = self._existing(vm)
        machine.power, machine.off_at = model.STOPPED, None

    def _delete(self, vm, step):
        machine = self._existing(vm)
        assert machine.power == model.STOPPED, "deleted while on"
        self.machines.remove(machine)


def refusal(text):
    """The error of a platform's command that failed."""
    return CommandFailed(("platform",), 1, text)
