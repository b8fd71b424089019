# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of state and request on every platform: check mode predicts the run.

The platform in memory has a state machine of its own. It shares nothing with the core's ``simulate``, or the two would
agree in their mistakes.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, PolyvirtError, Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace as replace_value
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Field,
    Observation,
    Policy,
    Request,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import STATES
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._kit.one_by_one import one_by_one
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, permits
from hypothesis import strategies as st

from platforms.benches import WITH_PAIRS
from suite.disturbances import FAILS, LATE, UNDISTURBED
from suite.odd import odd_options
from suite.pairs import Pair, assert_true, generated, pairs
from unit.module_utils._engine.world import FakeClock

pytestmark = pytest.mark.full

GIB = 1 << 30
TRAITS = Traits(
    platform="memory",
    fields={
        "cpus": Field(cost="power_off"),
        "memory": Field(cost="next_boot"),
        "description": Field(cost="live"),
        "disks.add": Field(cost="live"),
        "disks.remove": Field(cost="live"),
        "disks.size": Field(cost="live"),
        "image": Field(),
    },
    sources=("image", "disks"),
    defaults={"cpus": 2, "memory": 2 * GIB, "disk_size": 2 * GIB},
)
#: {verb: (power states from which it is possible, power state afterwards)}.
MOVES = {
    "start": ({STOPPED, SUSPENDED}, RUNNING),
    "stop": ({RUNNING}, STOPPED),
    "kill": ({RUNNING, PAUSED, SUSPENDED}, STOPPED),
    "pause": ({RUNNING}, PAUSED),
    "resume": ({PAUSED}, RUNNING),
    "suspend": ({RUNNING, PAUSED}, SUSPENDED),
    "reset": ({RUNNING}, RUNNING),
}


@dataclass
class Machine:
    """A VM of the platform in memory: its stored configuration, and the one with which it runs."""

    power: str
    stored: dict
    running: dict | None = None
    mark: str | None = "u-web"
    #: The path of the image that it was created from.
    image: str | None = None


@dataclass
class InMemory:
    """A driver with a dictionary as its platform. ``disturbance`` applies to one of its steps."""

    machines: dict = field(default_factory=dict)
    disturbance: object = UNDISTURBED

    def traits(self):
        return TRAITS

    def observe(self, targets, facets):
        names = [name for name in self.machines if any(target.name == name or target.id for target in targets)]
        return Observation([self._seen(name) for name in names], tuple(self.machines))

    def _seen(self, name):
        machine = self.machines[name]
        return Vm(
            name=name,
            id=f"u-{name}",
            power=machine.power,
            config={**machine.stored, "disks": dict(machine.stored["disks"])},
            active=None if machine.running is None else {**machine.running, "disks": dict(machine.running["disks"])},
            mark={"id": machine.mark, "inputs": {"image": machine.image}},
        )

    def preflight(self, plan, released=frozenset()):
        """Do nothing: no step on this platform can fail with a part of it done."""

    def lane(self, vm):
        return vm.name

    def apply(self, batch):
        return one_by_one(self._carry_out, batch, change_counter.count, permits.granted)

    def _carry_out(self, vm, step):
        kind = self.disturbance.at_this_call(is_write=True)
        if kind == FAILS:
            raise CommandFailed([step.verb], 1, "it went wrong")
        self._do(vm, step)
        change_counter.note(doubtful=kind is not None)
        if kind == LATE:
            raise Timeout(f"{step.verb} had not ended.", waited=60)
        if kind is not None:
            raise CommandFailed([step.verb], -9, "")

    def _do(self, vm, step):
        if step.verb == "create":
            image = step.arguments["creation"].get("image", {}).get("source")
            stored = _stored(step.arguments["config"])
            self.machines[vm.name] = Machine(STOPPED, stored, mark=f"u-{vm.name}", image=image)
        elif step.verb == "delete":
            if self.machines.pop(vm.name).power != STOPPED:
                raise CommandFailed(["delete"], 1, "it is on")
        elif step.verb == "configure":
            self._set(self.machines[vm.name], step.changes)
        else:
            self._move(self.machines[vm.name], step.verb)

    def _move(self, machine, verb):
        allowed, end = MOVES[verb]
        if machine.power not in allowed:
            raise CommandFailed([verb], 1, f"it is {machine.power}")
        if verb == "start" and machine.power == STOPPED:
            machine.running = _stored(machine.stored)
        if end == STOPPED:
            machine.running = None
        machine.power = end

    def _set(self, machine, changes):
        for change in changes:
            if change.cost == "power_off" and machine.power != STOPPED:
                raise CommandFailed(["configure"], 1, f"{change.path} cannot be changed now")
            _put(machine.stored, change)
            if change.cost == "live" and machine.running is not None:
                _put(machine.running, change)


def _stored(config):
    # A disk that is created from an image without a size has the image's size.
    disks = {slot: {"size": disk.get("size", GIB)} for slot, disk in (config.get("disks") or {}).items()}
    return {"description": "", **{key: config[key] for key in ("cpus", "memory")}, **_text(config), "disks": disks}


def _text(config):
    return {"description": config["description"]} if config.get("description") else {}


def _put(config, change):
    if change.field != "disks":
        config[change.field] = change.new
    elif change.attribute == "size":
        config["disks"][change.key] = {"size": change.new}
    elif change.new is None:
        config["disks"].pop(change.key, None)
    else:
        config["disks"][change.key] = {"size": change.new["size"]}


# What is generated ---------------------------------------------------------------------------------------------------

SCALARS = {
    "cpus": st.integers(1, 3),
    "memory": st.sampled_from([GIB, 2 * GIB]),
    "description": st.sampled_from(["", "one", "two"]),
}
DISK = st.fixed_dictionaries({"size": st.sampled_from([GIB, 2 * GIB, 4 * GIB])})
SLOTS = st.sampled_from(["disk0", "disk1"])
CONFIGS = st.fixed_dictionaries({**SCALARS, "disks": st.dictionaries(SLOTS, DISK, max_size=2)})
ASKED = st.fixed_dictionaries({}, optional={**SCALARS, "disks": st.dictionaries(SLOTS, st.none() | DISK, max_size=2)})


@st.composite
def platforms(draw):
    power = draw(st.sampled_from([ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED]))
    if power == ABSENT:
        return InMemory()
    stored = draw(CONFIGS)
    running = None if power == STOPPED else draw(st.just(stored) | CONFIGS)
    # Generated examples may share objects; VMs must not.
    return InMemory({"web": Machine(power, deepcopy(stored), deepcopy(running))})


POLICIES = st.builds(
    Policy,
    stop_mode=st.sampled_from([None, "graceful", "force", "graceful_then_force"]),
    allow_restart=st.booleans(),
    purge=st.sampled_from([frozenset(), frozenset({"disks"})]),
)


@st.composite
def requests(draw):
    policy = draw(POLICIES)
    config = draw(ASKED)
    if policy.purge:
        config = {"disks": {}, **config}
    creation = draw(st.sampled_from([{}, {"image": {"source": "/image"}}]))
    return Request(name="web", state=draw(st.sampled_from(STATES)), config=config, creation=creation, policy=policy)


# What must hold -------------------------------------------------------------------------------------------------------


class _OnMemory(Pair):
    def __init__(self, driver, request):
        self._driver, self._request, self.state = driver, request, request.state

    def run(self, check=False, disturbance=UNDISTURBED, again=False):
        self._driver.disturbance = disturbance
        request = replace_value(self._request, state=self._request.target().state) if again else self._request
        return run(self._driver, [request], check=check, clock=FakeClock())

    def platform_state(self):
        return deepcopy(self._driver.machines)

    def assert_sound(self):
        """It has no state that could be inconsistent."""

    def assert_same(self, foretold, found):
        """All but the id of a VM that is yet to be created, and the sizes that the platform chooses."""
        promised = {disk["slot"]: disk.get("size") for disk in foretold.get("disks", ())}
        created = {
            disk["slot"]: disk["size"] if promised.get(disk["slot"]) else None for disk in found.get("disks", ())
        }
        assert promised == created
        own = {"id", "reason", "disks", "steps", "description"}
        assert {key: foretold[key] for key in foretold.keys() - own} == {key: found[key] for key in found.keys() - own}
        assert (foretold.get("description") or "") == (found.get("description") or "")


class _Odd(Pair):
    """A task with values that may be rejected before anything is read."""

    def run(self, *given, **more):
        try:
            return super().run(*given, **more)
        except PolyvirtError as error:
            return SimpleNamespace(failed=True, changed=False, diff=[], vms=[], msg=str(error))

    def verdict(self):
        """Return how check mode ends. If no VM is reported, assert that the run fails alike."""
        before, check = self.platform_state(), self.run(check=True)
        if check.vms or not check.failed:
            return "rejected" if check.failed else "accepted"
        real = self.run()
        assert (real.failed, real.changed, real.msg, self.platform_state()) == (True, False, check.msg, before)
        return "rejected as a whole"


def assert_odd(platform, case):
    """Assert that check mode predicts the run; returns how it ends."""
    pair = _Odd(platform, platform.asked(case))
    verdict = pair.verdict()
    if verdict != "rejected as a whole":
        assert_true(pair, None)
    return verdict


@pairs(2000, platforms(), requests())
def test_core_on_a_platform_in_memory(platform, request, disturbance):
    assert_true(_OnMemory(platform, request), disturbance)


@pytest.mark.core
@pytest.mark.parametrize("bench", WITH_PAIRS)
def test_check_mode_predicts_the_real_run(ground, bench):
    @pairs(bench.pair_count, bench.cases, at_most=bench.at_most)
    def holds(case, disturbance):
        with bench.opened(ground=ground) as platform:
            platform.prepare(case)
            assert_true(Pair(platform, platform.asked(case)), disturbance)

    holds()


@pytest.mark.parametrize("bench", WITH_PAIRS)
def test_odd_values_of_every_option(ground, bench, record_property):
    counts = Counter()

    @generated(bench.pair_count // 2, bench.cases, odd_options(bench), at_most=bench.at_most)
    def holds(case, odd):
        kept = {name: case.asked[name] for name in ("state", "stop_mode", "allow_restart") if name in case.asked}
        with bench.opened(ground=ground) as platform:
            platform.prepare(case)
            counts[assert_odd(platform, replace(case, asked={**kept, **odd}))] += 1

    holds()
    record_property("summary", f"odd values on {bench.name}: {dict(counts)}")


@pytest.mark.parametrize("bench", [one for one in WITH_PAIRS if one.values[0].foreign])
def test_odd_definitions_of_others(ground, bench, record_property):
    definitions, counts = st.lists(st.sampled_from(bench.foreign), min_size=1, max_size=3, unique_by=repr), Counter()

    @generated(bench.pair_count // 2, bench.cases, definitions, at_most=bench.at_most)
    def holds(case, changes):
        with bench.opened(ground=ground) as platform:
            platform.prepare(case)
            for definition in changes if platform.exists(case) else ():
                platform.change(definition)
            counts[assert_odd(platform, case)] += 1

    holds()
    record_property("summary", f"odd definitions on {bench.name}: {dict(counts)}")
