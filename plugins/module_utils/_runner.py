# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe, plan, apply, look again: one task's way through any driver.

Here alone is waited, and here alone is known whether this is a check. Returns an Outcome and never exits.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ._lifecycle.errors import PolyvirtError
from ._lifecycle.model import ABSENT, DESTRUCTIVE, Observation, Plan, Refusal, Target, Vm
from ._lifecycle.plan import plan
from ._lifecycle.plan_make import with_source_at_rest
from ._lifecycle.results import difference, entry
from ._lifecycle.simulate import simulate
from ._ports.clock import Clock
from ._ports.net import guest_answers

_FIRST_PAUSE, _LONGEST_PAUSE, _LEAST_PAUSE = 1, 5, 0.1


@dataclass
class Work:
    """One machine's way through a task: what is asked, how it stands, what was done to it."""

    request: Any
    vm: Vm = None
    plan: Optional[Plan] = None
    done: set = field(default_factory=set)
    notes: dict = field(default_factory=dict)
    made_here: bool = False
    error: Optional[PolyvirtError] = None

    def carried_out(self):
        """The plan as far as it was done."""
        done = tuple(step for number, step in enumerate(self.plan.steps) if number in self.done)
        return replace(self.plan, after=simulate(self.plan.before, done), segments=(done,))

    @property
    def target(self):
        # Once a machine was seen it is known by its id: a name may change hands, and may look like an id.
        found = self.vm is not None and self.vm.id
        return Target(name=self.request.name, id=self.vm.id if found else self.request.id)


@dataclass(frozen=True)
class Outcome:
    """What a front needs to exit: plain data."""

    vms: list
    diff: list
    changed: bool
    failed: bool
    msg: str
    warnings: list


class Run:
    """The state of one task: driver, clock and deadline, and the machines' works."""

    def __init__(self, driver, requests, clock, probe):
        self.driver, self.clock, self.probe = driver, clock, probe
        self.traits = driver.traits()
        self.works = [Work(request) for request in requests]
        self.warnings = []
        self._waits_until = clock.now() + max((request.policy.timeout for request in requests), default=0)
        self._lanes_at_work, self._at_work_since, self._one_at_a_time = 0, 0, threading.Lock()

    @property
    def deadline(self):
        """When waiting ends: the seconds in which the platform is at work, in any lane, are none of waiting."""
        with self._one_at_a_time:
            return self._waits_until + self._seconds_at_work()

    def _seconds_at_work(self):
        return self.clock.now() - self._at_work_since if self._lanes_at_work else 0

    @contextmanager
    def work_of_the_platform(self):
        """What it does by itself, such as copying a disk: it is not cut off, and takes nothing from what follows."""
        with self._one_at_a_time:
            self._at_work_since = self._at_work_since if self._lanes_at_work else self.clock.now()
            self._lanes_at_work += 1
        try:
            yield
        finally:
            with self._one_at_a_time:
                self._lanes_at_work -= 1
                if not self._lanes_at_work:
                    self._waits_until += self.clock.now() - self._at_work_since

    def look(self, works, facets):
        """See ``works`` afresh; a machine that is not there is seen as absent."""
        observation = self.driver.observe([work.target for work in works], facets)
        self.warnings += [warning for warning in observation.warnings if warning not in self.warnings]
        for work in works:
            found = [vm for vm in observation.vms if work.target.selects(vm, self.traits.name_key)]
            if len(found) > 1:
                work.error = _ambiguous(work.request.label, found)
            error = observation.errors.get(work.request.label)
            work.error = work.error or error
            work.vm = _merged(work.vm, found[0] if found else Vm.absent(work.request.label), facets)
        return observation

    def look_again(self, works, facets):
        """A look after something was done: what goes wrong now is these machines' failure, and the result is told."""
        try:
            return self.look(works, facets)
        except PolyvirtError as error:
            for work in works:
                work.error = work.error or error
            return Observation()

    def pauses(self):
        """Seconds between looks at what somebody else holds: ever longer ones, up to the deadline."""
        pause = _FIRST_PAUSE
        while True:
            yield max(min(pause, self.deadline - self.clock.now()), _LEAST_PAUSE)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def plan_all(self):
        """Plan every machine; a busy one is looked at until it is not, or until the deadline."""
        waiting, pauses = self.works, self.pauses()
        while waiting:
            observation = self.look(waiting, _facets(waiting, self.traits))
            sources = self._find_sources(waiting)
            for work in waiting:
                work.plan = self._planned(work, observation.known, sources)
            waiting = [work for work in waiting if work.plan.busy]
            if waiting and self.clock.now() >= self.deadline:
                _refuse_busy(waiting)
                return
            if waiting:
                self.clock.sleep(next(pauses))
        plans = [work.plan for work in self.works]
        for work in self.works:
            work.plan = with_source_at_rest(work.plan, plans)

    def check_all(self):
        """Let the driver look at what each plan needs from the host: a plan that would fail half-way is refused."""
        for work in self.works:
            if not work.plan.changed:
                continue
            try:
                self.driver.preflight(work.plan)
            except PolyvirtError as error:
                work.plan = Plan(work.vm, work.vm, refusal=Refusal(_labelled(work, error.message), error.remedy or ""))

    def _find_sources(self, works):
        """The machines that others shall be cloned from: {what the task calls it: machine as found}."""
        asked = sorted({_source_of(work) for work in works} - {None})
        if not asked:
            return {}
        targets = [Target(**{key: word}) for word in asked for key in ("name", "id")]
        found = self.driver.observe(targets, _OF_SOURCE).vms
        return {word: self._find_source(word, found) for word in asked}

    def _find_source(self, word, found):
        """A name goes before an id that looks like it."""
        for target in (Target(name=word), Target(id=word)):
            fitting = [vm for vm in found if target.selects(vm, self.traits.name_key)]
            if len(fitting) > 1:
                raise _ambiguous(word, fitting)
            if fitting:
                return fitting[0]
        return Vm.absent(word)

    def _planned(self, work, known, sources):
        if work.error is not None:
            refusal = Refusal(str(work.error))
            work.error = None
            return Plan(work.vm, work.vm, refusal=refusal)
        return plan(work.vm, work.request, self.traits, known, sources.get(_source_of(work)))

    def outcome(self, check):
        # One refusal ends the real task with nothing done, so a check of it foretells nothing either.
        would = check and not any(work.plan.refusal for work in self.works)
        vms = [self._entry(work, would) for work in self.works]
        faults = [(work, work.plan.refusal or work.error) for work in self.works]
        errors = [_labelled(work, str(fault)) for work, fault in faults if fault]
        diffs = [difference(work.plan if would else work.carried_out()) for work in self.works if would or work.done]
        return Outcome(
            vms=vms,
            diff=[one for one in diffs if one],
            changed=any(vm["changed"] for vm in vms),
            failed=bool(errors),
            msg="\n".join(errors),
            warnings=self.warnings,
        )

    def _entry(self, work, would):
        vm = work.plan.after.having(id=work.plan.before.id) if would and work.plan.changed else work.vm
        done = range(len(work.plan.steps)) if would else work.done
        return entry(vm, self.traits.platform, work.plan, done, work.plan.refusal or work.error, work.notes)


def _labelled(work, message):
    """A message that begins with its machine: a tool may speak of it by an id, or not at all."""
    known = (f"{work.request.label}: ", f"{work.vm.name}: ")
    return message if message.startswith(known) else f"{work.request.label}: {message}"


def _merged(known, seen, facets):
    """A light look brings power and addresses only; what was known besides stays."""
    if "config" in facets or known is None or known.id is None or known.id != seen.id:
        return seen
    return known.having(
        power=seen.power,
        reason=seen.reason,
        busy=seen.busy,
        persistent=seen.persistent,
        addresses=seen.addresses,
        ssh=seen.ssh,
    )


#: What is looked at of a machine to be cloned.
_OF_SOURCE = frozenset({"power", "config", "snapshots", "snapshot_configs"})


def _source_of(work):
    """What the machine shall be cloned from, where it may have to be made."""
    request = work.request
    if request.state == "absent" or not (work.vm.power == ABSENT or request.policy.allow_recreate):
        return None
    return request.creation.get("clone", {}).get("source")


def _ambiguous(label, found):
    ids = ", ".join(sorted(str(vm.id) for vm in found))
    return PolyvirtError(f"{label}: {len(found)} machines have this name.", f"Name one by its id: {ids}.")


def _refuse_busy(works):
    for work in works:
        seconds = work.request.policy.timeout
        message = f"{work.vm.name}: it is busy ({work.plan.busy}) and was for {seconds} seconds."
        work.plan = Plan(work.vm, work.vm, refusal=Refusal(message, "Wait for it to finish, or raise timeout."))


def _facets(works, traits):
    """What has to be looked at to plan these machines: no more is asked of the platform."""
    facets = {"power", "config"}
    # Who uses which file is dear to learn; a cost that depends on the machine is never that of rebuilding it.
    rebuilds = any(one.cost == DESTRUCTIVE for one in traits.fields.values())
    for request in (work.request for work in works):
        if request.state == "absent" or request.policy.allow_recreate or request.snapshot is not None:
            facets.add("snapshots")
        if request.snapshot is not None and request.snapshot.state == "restored":
            facets.add("snapshot_configs")
        if request.state == "absent" or (request.policy.allow_recreate and rebuilds):
            facets.add("files")
        if request.state == "absent":
            facets.add("unfinished")
        if request.policy.wait_for != "state":
            facets.add("addresses")
    return frozenset(facets)


def run(driver, requests, check=False, clock=None, probe=guest_answers):
    """Carry out ``requests`` (or only tell what would be, when ``check``) and return the Outcome.

    All machines are planned before the first step: one refusal ends the task with nothing done.
    """
    task = Run(driver, requests, clock or Clock(), probe)
    task.plan_all()
    task.check_all()
    if not any(work.plan.refusal for work in task.works) and not check:
        _act(task)
    return task.outcome(check)


def _act(task):
    """Do what is planned and wait for guests; a task that has nothing to do shall not pay for the imports."""
    if any(work.plan.changed for work in task.works):
        from ._apply import Applier

        Applier(task).apply_all()
    if any(work.request.policy.wait_for != "state" for work in task.works):
        from ._waits import wait_for_guests

        wait_for_guests(task)
