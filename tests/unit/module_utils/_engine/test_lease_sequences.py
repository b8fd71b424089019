# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random lives of temporary VMs and snapshots: created, extended, restored, copied by users, and ended by ``reap``.

No VM and no snapshot must ever be deleted that has not expired, or that is not this collection's own, whatever happens
in between: a lost answer, a wrong clock, or somebody who extends an expiry while the VM is shut down.
"""

from __future__ import annotations

import random
from copy import deepcopy

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    RUNNING,
    STOPPED,
    Field,
    Policy,
    Request,
    Snapshot,
    SnapshotRequest,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import (
    NEVER_EXPIRES,
    Expiry,
    beginning,
    described,
    expiry,
    in_text,
    iso,
    leased,
)
from ansible_collections.polyvirt.core.plugins.plugin_utils.leases import decisions

from suite.belts import seed
from suite.pairs import number_of_pairs
from unit.module_utils._engine.claiming import Claiming, Host, owned
from unit.module_utils._engine.tasks import new, run, vm

NAMES, TEXTS = ("a", "b", "c", "d"), ("1h", "3h", "2d", "2027-03-28", "")
SNAPSHOTS = ("daily", "before")
#: By how many seconds the clock of the host is wrong; more than five minutes end nothing.
WRONG = (0, 0, 0, 250, -400, 86400)
START, HOUR = 1_800_000_000, 3600
#: Sequences of a full run; in a deep one, POLYVIRT_PAIRS.
FULL = 40


class WithClock(Claiming):
    """A host with a clock, ``wrong_by`` some seconds. It stores the expiry of a snapshot in its description.

    ``during_stop`` is called for each VM that is asked to shut down, or powered off.
    """

    now, wrong_by, during_stop = START, 0, None

    def host_time(self, _vm):
        return iso(self.now + self.wrong_by)

    def traits(self):
        traits = super().traits()
        return replace(traits, fields={**traits.fields, "snapshot.expires": Field(cost=LIVE)})

    def _seen(self, machine, facets):
        seen = super()._seen(machine, facets)
        snapshots = [replace(one, **in_text(one.description, machine.id)) for one in machine.snapshots]
        return replace(seen, snapshots=tuple(snapshots))

    def _stop(self, vm, step):
        super()._stop(vm, step)
        self._tell(vm)

    def _kill(self, vm, step):
        super()._kill(vm, step)
        self._tell(vm)

    def _tell(self, vm):
        if self.during_stop is not None:
            self.during_stop(self._existing(vm))

    def _snapshot(self, vm, step):
        super()._snapshot(vm, step)
        machine = self._existing(vm)
        *others, taken = machine.snapshots
        text = described("", step.arguments["expires"], machine.id)
        parent = others[-1].name if others else None
        machine.snapshots = (*others, replace(taken, description=text, created=self.now, parent=parent))

    def _edit_snapshot(self, vm, step):
        machine, name = self._existing(vm), step.arguments["name"]
        text = described("", step.arguments["expires"], machine.id)
        edited = [replace(one, description=text) if one.name == name else one for one in machine.snapshots]
        machine.snapshots = tuple(edited)

    def _drop_snapshot(self, vm, step):
        machine = self._existing(vm)
        for name in step.arguments["names"]:
            (gone,) = [one for one in machine.snapshots if one.name == name]
            rest = [one for one in machine.snapshots if one is not gone]
            machine.snapshots = tuple(replace(one, parent=gone.parent) if one.parent == name else one for one in rest)

    def _restore(self, vm, step):
        machine = self._existing(vm)
        before = machine.config
        super()._restore(vm, step)
        machine.config = leased(machine.config, before)


class Lives:
    """One host with its VMs, and what is known of them without the code under test."""

    def __init__(self, number):
        self.random = random.Random(f"{seed()} {number}")
        self.host, self.now, self.log = Host([]), START, []
        #: {name: (text, when it expires)}, of VMs of this collection with a lease.
        self.leases = {}
        #: The same of snapshots by (name of the VM, name of the snapshot).
        self.of_snapshots = {}
        self.ended, self.ended_snapshots = 0, 0

    def driver(self, **attributes):
        driver = WithClock(self.host)
        driver.now = self.now
        for name, value in attributes.items():
            setattr(driver, name, value)
        return driver

    def carry_out(self, *requests, **attributes):
        return run(self.driver(**attributes), *requests)

    def step(self):
        action = self.random.choice(
            (self.create, self.create, self.pass_time, self.copy, self.change, self.reap, self.reap,
             self.start, self.take, self.take, self.take_with_other_tools, self.restore)
        )  # fmt: skip
        self.log.append(f"{iso(self.now)} {action.__name__}")
        action()

    def create(self):
        name, text = self.random.choice(NAMES), self.random.choice(TEXTS)
        if any(machine.name == name for machine in self.host.machines):
            return
        self._set(name, text, new)

    def change(self):
        """Set another expiry, the same one again, or extend it."""
        one = self._any_own()
        if one:
            self._set(one.name, self.random.choice(TEXTS), vm, self.random.random() < 0.3)

    def _any_own(self):
        own = [machine for machine in self.host.machines if machine.mark["id"] == machine.id]
        return self.random.choice(own) if own else None

    def start(self):
        """A VM that runs has a guest that obeys in a few seconds, late, or never."""
        one = self._any_own()
        if one:
            one.power, one.stop_seconds, one.off_at = RUNNING, self.random.choice((0, 3, 90, None)), None

    def take(self):
        """Take a snapshot, or set another expiry of an existing one, the same one again, or extend it."""
        one = self._any_own()
        if one:
            texts = (*TEXTS, None)
            self._set_snapshot(one.name, self.random.choice(SNAPSHOTS), self.random.choice(texts))

    def _set_snapshot(self, name, snapshot, text, extend=None):
        extend = self.random.random() < 0.3 if extend is None else extend
        asked = {} if text is None else beginning({"expires": expiry(text, "expires")}, self.now)
        policy = Policy(extend=extend, controller_time=self.now)
        outcome = self.carry_out(Request(name, snapshot=SnapshotRequest(snapshot, **asked), policy=policy))
        assert not outcome.failed, outcome.msg
        known = self.of_snapshots.get((name, snapshot))
        if text == "":
            self.of_snapshots.pop((name, snapshot), None)
        elif text is not None and (known is None or known[0] != text or extend):
            self.of_snapshots[name, snapshot] = (text, asked["expires"].at)
        self._check_stored(name)

    def take_with_other_tools(self):
        if self.host.machines:
            machine = self.random.choice(self.host.machines)
            taken = Snapshot(f"foreign-{len(self.log)}", power=STOPPED, config=deepcopy(machine.config))
            machine.snapshots = (*machine.snapshots, taken)

    def restore(self):
        """The lease of the VM, and those of its snapshots, are what they were before."""
        one = self._any_own()
        if one and one.snapshots:
            asked = SnapshotRequest(self.random.choice(one.snapshots).name, "restored")
            outcome = self.carry_out(Request(one.name, snapshot=asked, policy=Policy(controller_time=self.now)))
            assert not outcome.failed, outcome.msg
            self._check_stored(one.name)

    def _check_stored(self, name):
        """The leases on the platform are those that tasks have set."""
        machine = self._machine(name)
        found = {one.name: in_text(one.description, machine.id)["expires"].at for one in machine.snapshots}
        known = {key[1]: lease[1] for key, lease in self.of_snapshots.items() if key[0] == name}
        assert {key: at for key, at in found.items() if at} == known, self.log
        assert (machine.config.get("expires") or NEVER_EXPIRES).at == self.leases.get(name, ("", None))[1], self.log

    def _machine(self, name):
        return next((machine for machine in self.host.machines if machine.name == name), None)

    def _set(self, name, text, request, extend=False):
        asked = beginning({"expires": expiry(text, "expires")}, self.now)
        known = self.leases.get(name)
        policy = {"extend": extend, "controller_time": self.now}
        assert not self.carry_out(request(name, policy=policy, **asked)).failed
        if not text:
            self.leases.pop(name, None)
        elif known is None or known[0] != text or extend:
            self.leases[name] = (text, asked["expires"].at)

    def pass_time(self):
        self.now += self.random.choice((60, HOUR, 3 * HOUR, 30 * HOUR))

    def copy(self):
        """A user copies a VM with other tools: the copy has the mark of its source."""
        if not self.host.machines:
            return
        source, name = self.random.choice(self.host.machines), f"copy-{len(self.log)}"
        machine = owned(name)
        machine.config.update({key: deepcopy(source.config.get(key)) for key in ("owner", "expires")})
        machine.mark = deepcopy(source.mark)
        machine.snapshots = deepcopy(source.snapshots)
        self.host.machines.append(machine)
        self.host.files.update(dict.fromkeys(self.host.disks_of(machine)))

    def reap(self):
        grace = self.random.choice((0, 0, 60, 24 * 60))
        found = [self._entry(machine) for machine in self.host.machines]
        for one in decisions.due(found, self.now, grace * 60):
            if self.random.random() < 0.2 and self._is_own(one):
                # Another client extends it before its turn.
                self._set(one["name"], self.random.choice(("4h", "5d")), vm, extend=True)
            self._end(one, grace)
        for one in decisions.due_snapshots(found, self.now, grace * 60):
            if self.random.random() < 0.2 and self._is_own(one):
                self._set_snapshot(one["name"], one["snapshot"]["name"], self.random.choice(("4h", "5d")), extend=True)
            self._end_snapshot(one, grace)

    def _end(self, one, grace):
        before, is_own = {machine.name for machine in self.host.machines}, self._is_own(one)
        wrong_by = self.random.choice(WRONG)
        mode = self.random.choice((None, "graceful", "force", "graceful_then_force"))
        options = decisions.options_of(one, "delete", grace, mode)
        policy = {"expired_for": grace * 60, "controller_time": self.now, "stop_mode": mode}
        driver = self._disturbed("delete", wrong_by)
        driver.during_stop = self._extends if self.random.random() < 0.2 else None
        outcome = run(driver, vm(None, options["state"], vm_id=options["id"], policy=policy))
        # It may have been extended while it was shut down.
        may_end = is_own and abs(wrong_by) <= 300 and self._has_expired(self.leases.get(one["name"]), grace)
        ended = before - {machine.name for machine in self.host.machines}
        assert ended <= {one["name"]}, self.log
        assert may_end or not ended, (self.log, one, wrong_by)
        # A guest that ignores the request keeps its VM.
        if may_end and not (driver.injected_errors or (outcome.failed and mode in (None, "graceful"))):
            assert ended == {one["name"]}, (self.log, one)
        for name in ended & set(self.leases):
            del self.leases[name]
            self.of_snapshots = {key: lease for key, lease in self.of_snapshots.items() if key[0] != name}
            self.ended += 1

    def _disturbed(self, verb, wrong_by):
        driver = self.driver(wrong_by=wrong_by)
        if self.random.random() < 0.2:
            text = self.random.choice(("killed", "try later"))
            driver.inject_errors(verb, CommandFailed(("tool",), 1, text), done=self.random.random() < 0.5)
        return driver

    def _extends(self, machine):
        at = self.now + 5 * HOUR
        machine.config["expires"], self.leases[machine.name] = Expiry("5h", at), ("5h", at)

    def _end_snapshot(self, one, grace):
        before = {(m.name, taken.name) for m in self.host.machines for taken in m.snapshots}
        names = {machine.name for machine in self.host.machines}
        name, wrong_by = one["snapshot"]["name"], self.random.choice(WRONG)
        options = decisions.options_of(one, "delete", grace)
        policy = Policy(expired_for=grace * 60, controller_time=self.now)
        driver = self._disturbed("drop_snapshot", wrong_by)
        run(
            driver, Request(None, options["id"], snapshot=SnapshotRequest(options["snapshot"], "absent"), policy=policy)
        )
        lease = self.of_snapshots.get((one["name"], name))
        may_end = abs(wrong_by) <= 300 and self._has_expired(lease, grace) and self._is_own(one)
        ended = before - {(m.name, taken.name) for m in self.host.machines for taken in m.snapshots}
        assert names == {machine.name for machine in self.host.machines}, "a VM was deleted with its snapshot"
        assert ended <= {(one["name"], name)}, self.log
        assert may_end or not ended, (self.log, one, wrong_by)
        if may_end and not driver.injected_errors:
            assert ended, (self.log, one)
        for key in ended:
            del self.of_snapshots[key]
            self.ended_snapshots += 1

    def _has_expired(self, lease, grace):
        return lease is not None and lease[1] + grace * 60 <= self.now

    def _is_own(self, one):
        return any(machine.id == one["id"] == machine.mark["id"] for machine in self.host.machines)

    def _entry(self, machine):
        found = machine.config.get("expires") or Expiry("")
        snapshots = [
            {"name": one.name, "id": one.id, "expires": iso(in_text(one.description, machine.id)["expires"].at)}
            for one in machine.snapshots
        ]
        entry = {"name": machine.name, "id": machine.id, "owner": None, "expires": iso(found.at)}
        return {**entry, "snapshots": snapshots}


def test_only_own_and_expired_vms_and_snapshots_are_ever_deleted():
    ended, snapshots = 0, 0
    for number in range(number_of_pairs(FULL)):
        lives = Lives(number)
        for _step in range(25):
            lives.step()
        ended, snapshots = ended + lives.ended, snapshots + lives.ended_snapshots
        assert lives.host.damage == []
    assert min(ended, snapshots) > 0, "no VM or no snapshot was ended, so nothing was tested"


def test_running_vm_is_stopped_first():
    lives = Lives(0)
    lives._set("a", "1h", new)
    lives.host.machines[0].power = RUNNING
    lives.now += 2 * HOUR
    lives.random = random.Random(1)
    assert not run(lives.driver(), vm("a", "absent", policy={"expired_for": 0, "controller_time": lives.now})).failed
    assert lives.host.machines == []
