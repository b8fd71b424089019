# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random lives of temporary VMs: created, extended, copied by users, and ended by the decisions of ``reap``.

A VM must never be deleted that has not expired, or that is not this collection's own, whatever happens in between.
"""

from __future__ import annotations

import random
from copy import deepcopy

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.leases import Expiry, beginning, expiry, iso
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING
from ansible_collections.polyvirt.core.plugins.plugin_utils.leases import decisions

from suite.depth import seed
from suite.pairs import number_of_pairs
from unit.module_utils._engine.claiming import Claiming, Host, owned
from unit.module_utils._engine.tasks import new, run, vm

NAMES, TEXTS = ("a", "b", "c", "d"), ("1h", "3h", "2d", "2027-03-28", "")
START, HOUR = 1_800_000_000, 3600
#: Sequences of a daily run; in a deep one, POLYVIRT_PAIRS.
DAILY = 60


class WithClock(Claiming):
    """A host with a clock; ``wrong_by`` are seconds."""

    now, wrong_by = START, 0

    def host_time(self, _vm):
        return iso(self.now + self.wrong_by)


class Lives:
    """One host with its VMs, and what is known of them without the code under test."""

    def __init__(self, number):
        self.random = random.Random(f"{seed()} {number}")
        self.host, self.now, self.log = Host([]), START, []
        #: {name: when it expires}, of VMs of this collection with a lease.
        self.leases = {}

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
            (self.create, self.create, self.pass_time, self.copy, self.change, self.reap, self.reap)
        )
        self.log.append(f"{iso(self.now)} {action.__name__}")
        action()

    def create(self):
        name, text = self.random.choice(NAMES), self.random.choice(TEXTS)
        if any(machine.name == name for machine in self.host.machines):
            return
        self._set(name, text, new)

    def change(self):
        """Set another expiry, the same one again, or extend it."""
        names = [name for name in NAMES if any(m.name == name and m.mark["id"] == m.id for m in self.host.machines)]
        if names:
            self._set(self.random.choice(names), self.random.choice(TEXTS), vm, self.random.random() < 0.3)

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
        self.host.machines.append(machine)
        self.host.files.update(dict.fromkeys(self.host.disks_of(machine)))

    def reap(self):
        grace = self.random.choice((0, 0, 60, 24 * 60))
        due = decisions.due([self._entry(machine) for machine in self.host.machines], self.now, grace * 60)
        for one in due:
            if self.random.random() < 0.2 and self._is_own(one):
                # Another client extends it before its turn.
                self._set(one["name"], self.random.choice(("4h", "5d")), vm, extend=True)
            self._end(one, grace)

    def _end(self, one, grace):
        before = {machine.name for machine in self.host.machines}
        wrong_by = self.random.choice((0, 0, 0, 250, -400, 86400))
        options = decisions.options_of(one, "delete", grace)
        policy = {"expired_for": grace * 60, "controller_time": self.now}
        driver = self.driver(wrong_by=wrong_by)
        if self.random.random() < 0.2:
            driver.inject_errors("delete", CommandFailed(("tool",), 1, "killed"), done=self.random.random() < 0.5)
        may_end = self._is_own(one) and abs(wrong_by) <= 300 and self._has_expired(one["name"], grace)
        run(driver, vm(None, options["state"], vm_id=options["id"], policy=policy))
        ended = before - {machine.name for machine in self.host.machines}
        assert ended <= {one["name"]}, self.log
        assert may_end or not ended, (self.log, one, wrong_by)
        if may_end and not driver.injected_errors:
            assert ended == {one["name"]}, (self.log, one)
        for name in ended:
            del self.leases[name]

    def _has_expired(self, name, grace):
        return name in self.leases and self.leases[name][1] + grace * 60 <= self.now

    def _is_own(self, one):
        return any(machine.id == one["id"] == machine.mark["id"] for machine in self.host.machines)

    def _entry(self, machine):
        found = machine.config.get("expires") or Expiry("")
        return {"name": machine.name, "id": machine.id, "owner": None, "expires": iso(found.at)}


def test_only_own_and_expired_vms_are_ever_deleted():
    ended = 0
    for number in range(number_of_pairs(DAILY)):
        lives = Lives(number)
        for _step in range(25):
            lives.step()
        ended += sum(1 for _second, verb, _name in lives.host.calls if verb == "delete")
        assert lives.host.damage == []
    assert ended > 0, "no VM was ended, so nothing was tested"


def test_running_vm_is_stopped_first():
    lives = Lives(0)
    lives._set("a", "1h", new)
    lives.host.machines[0].power = RUNNING
    lives.now += 2 * HOUR
    lives.random = random.Random(1)
    assert not run(lives.driver(), vm("a", "absent", policy={"expired_for": 0, "controller_time": lives.now})).failed
    assert lives.host.machines == []
