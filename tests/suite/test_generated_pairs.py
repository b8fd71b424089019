# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""2,000 generated pairs of state and request: what a check run foretells is what the real run does.

The runner works on a platform in memory that has a state machine of its own. It shares nothing with the core's
``simulate``, or the two would agree in their mistakes.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace

from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
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
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.options import STATES
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from suite import depth

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
#: From which powers a verb is taken, and where it leads.
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
    """A machine of the platform in memory: what is stored, and what it runs with."""

    power: str
    stored: dict
    running: dict | None = None
    mark: str | None = "u-web"


@dataclass
class InMemory:
    """A driver whose platform is a dictionary; it counts what writes."""

    machines: dict = field(default_factory=dict)
    writes: int = 0

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
            mark={"id": machine.mark},
        )

    def preflight(self, plan):
        """Nothing on this platform can fail half-way."""

    def lane(self, vm):
        return vm.name

    def apply(self, segment):
        for vm, steps in segment:
            for step in steps:
                self.writes += 1
                self._do(vm, step)

    def _do(self, vm, step):
        if step.verb == "create":
            self.machines[vm.name] = Machine(STOPPED, _stored(step.arguments["config"]), mark=f"u-{vm.name}")
        elif step.verb == "delete":
            if self.machines.pop(vm.name).power != STOPPED:
                raise CommandFailed(["delete"], 1, "it is on")
        elif step.verb == "configure":
            self._configure(self.machines[vm.name], step.changes)
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

    def _configure(self, machine, changes):
        for change in changes:
            if change.cost == "power_off" and machine.power != STOPPED:
                raise CommandFailed(["configure"], 1, f"{change.path} cannot be changed now")
            _put(machine.stored, change)
            if change.cost == "live" and machine.running is not None:
                _put(machine.running, change)


def _stored(config):
    # A disk made from an image without a word about its size has the image's.
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
    # Examples may share parts; machines must not.
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


@seed(depth.seed())
@settings(max_examples=2000, deadline=None, database=None)
@given(platforms(), requests())
def test_a_check_run_foretells_the_real_run(platform, request):
    check = run(platform, [request], check=True)
    assert platform.writes == 0
    real = run(platform, [request])
    assert (check.failed, check.msg) == (real.failed, real.msg)
    assert (check.changed, check.diff) == (real.changed, real.diff)
    if real.failed:
        assert platform.writes == 0
        return
    _same_machine(check.vms[0], real.vms[0])
    written, platform.writes = platform.writes, 0
    assert (written > 0) == real.changed
    again = run(platform, [replace(request, state=request.target().state)])
    assert (again.failed, again.changed, again.diff, platform.writes) == (False, False, [], 0), again.msg


def _same_machine(foretold, found):
    """Everything a check run says about a machine is so afterwards, but the id of one that was yet to be made."""
    promised = {disk["slot"]: disk.get("size") for disk in foretold.get("disks", ())}
    made = {disk["slot"]: disk["size"] if promised.get(disk["slot"]) else None for disk in found.get("disks", ())}
    assert promised == made
    own = {"id", "reason", "disks", "steps", "description"}
    assert {key: foretold[key] for key in foretold.keys() - own} == {key: found[key] for key in found.keys() - own}
    assert (foretold.get("description") or "") == (found.get("description") or "")
    assert [step["verb"] for step in foretold["steps"]] == [step["verb"] for step in found["steps"]]
