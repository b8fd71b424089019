# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in memory with a clock that is only turned by those who sleep.

It shares nothing with the core's own idea of what a step does: each machine is a small state machine of its own, with
the manners of real ones (guests that take their time, or miss the button; starts that fail; errors that come and go).
"""

from __future__ import annotations

import concurrent.futures
import threading
from dataclasses import dataclass, field

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle import model
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Field, Observation, Traits, Vm

GIB = 1 << 30


class FakeClock:
    """Time passes only while somebody sleeps."""

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
        """What is under way takes no time but what it sleeps itself."""
        if not futures:
            self.sleep(seconds)
            return ()
        return concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED).done


@dataclass
class Machine:
    """One machine of the platform, and how its guest behaves."""

    name: str
    id: str
    power: str = model.STOPPED
    config: dict = field(default_factory=lambda: {"cpus": 2, "memory": 2 * GIB})
    reason: str = ""
    mark: dict | None = None
    addresses: tuple = ()
    ssh: dict | None = None
    #: Seconds between hearing the power button and being off; None never obeys.
    stops_within: float | None = 2
    #: So many presses of the button are not heard.
    deaf_for: int = 0
    busy_until: float = 0
    #: What a start leads to.
    wakes_as: str = model.RUNNING
    stores: bool = True
    off_at: float | None = None


class World:
    """The driver and the platform in one: ``calls`` are (second, verb, name) of all that was done."""

    def __init__(self, *machines, lane=None, synchronous_verbs=()):
        self.clock = FakeClock()
        self.machines = list(machines)
        self.calls, self.segments, self.looks = [], [], []
        self.troubles = {}
        self.refused_by_host = {}
        self.observation_errors = {}
        self._lane, self._synchronous_verbs = lane, frozenset(synchronous_verbs)

    # What tests say ---------------------------------------------------------------------------------------------------

    def trouble(self, verb, *errors, done=False):
        """Let ``verb`` fail with these errors, one after the other; ``done`` says that it is done all the same."""
        self.troubles[verb] = [(error, done) for error in errors]

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
        self.looks.append((self.clock.now(), facets))
        found = [machine for machine in self.machines if any(target.selects(machine) for target in targets)]
        vms = [self._seen(machine, facets) for machine in found]
        known = tuple(machine.name for machine in self.machines)
        return Observation(vms=vms, known=known, errors=self.observation_errors, warnings=("the platform is old",))

    def preflight(self, plan):
        if plan.after.name in self.refused_by_host:
            raise self.refused_by_host[plan.after.name]

    def lane(self, vm):
        return self._lane or vm.id or vm.name

    def apply(self, segment):
        self.segments.append([vm.name for vm, _steps in segment])
        for vm, steps in segment:
            for number, step in enumerate(steps):
                try:
                    self._do(vm, step)
                except Exception as error:
                    error.steps_done = number
                    raise

    def carry_out(self, vm, step):
        """As ``one_by_one`` wants it: without the list of calls."""
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
        )

    def _do(self, vm, step):
        self.calls.append((round(self.clock.now()), step.verb, vm.name))
        error, done = self.troubles[step.verb].pop(0) if self.troubles.get(step.verb) else (None, True)
        if done:
            getattr(self, f"_{step.verb}")(vm, step)
        if error:
            raise error

    def _create(self, vm, step):
        assert vm.name not in [machine.name for machine in self.machines], "made twice"
        machine_id = f"u-{vm.name}"
        made = Machine(vm.name, machine_id, config=dict(step.arguments["config"]), mark={"id": machine_id})
        self.machines.append(made)

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
        machine.power = machine.wakes_as

    def _stop(self, vm, step):
        machine = self._existing(vm)
        if machine.power != model.RUNNING:
            raise refusal("not running")
        if machine.deaf_for:
            machine.deaf_for -= 1
        elif machine.stops_within is not None and machine.off_at is None:
            machine.off_at = self.clock.now() + machine.stops_within

    def _kill(self, vm, step):
        machine = self._existing(vm)
        machine.power, machine.off_at = model.STOPPED, None

    def _delete(self, vm, step):
        machine = self._existing(vm)
        assert machine.power == model.STOPPED, "deleted while on"
        self.machines.remove(machine)


def refusal(text):
    """What a platform's command says when it fails."""
    return CommandFailed(("platform",), 1, text)
