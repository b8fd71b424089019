# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks with several VMs on the platform in memory, with what must hold for each of them."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task
from ansible_collections.polyvirt.core.plugins.module_utils._engine.together import Pruning, run_together

from unit.module_utils._engine.claiming import IMAGE, Claiming, Host

#: The fleet of the VMs in tests of pruning.
FLEET = "web farm"


def vm(name, state="present", image="", clone="", linked=False, snapshot=None, vm_id=None, policy=(), **config):
    """A request; with ``image`` or ``clone`` the VM can be created from it."""
    creation = {"image": {"source": image, "linked": linked}} if image else {}
    if clone:
        creation = {"clone": {"source": clone, "linked": linked, "snapshot": snapshot}}
    return Request(name, vm_id, state, config, creation, policy=Policy(**dict(policy)))


def new(name, state="present", **config):
    """A request for a VM that is created from an image."""
    return vm(name, state, image=IMAGE, **config)


@dataclass
class Done:
    """The outcome of a task, and the host after it."""

    outcome: object
    host: Host

    @property
    def msg(self):
        return self.outcome.msg

    @property
    def steps(self):
        return [f"{verb} {name}" for _second, verb, name in self.host.calls]


def run(driver, *requests, check=False):
    return task.run(driver, requests, check, clock=driver.clock, probe=None)


def carried_out(make_host, *requests, carry_out=None, **options):
    """Carry out a task on a new host, in check mode before; asserts what holds for each task. Returns Done."""
    carry_out = carry_out or (lambda host, check: run(Claiming(host, **options), *requests, check=check))
    host, checked = make_host(), make_host()
    before = host.state()
    check = carry_out(checked, check=True)
    assert (checked.state(), checked.calls) == (before, []), "check mode has written"
    outcome = carry_out(host, check=False)
    assert (check.failed, check.msg) == (outcome.failed, outcome.msg)
    assert (check.changed, check.diff) == (outcome.changed, outcome.diff)
    assert host.damage == []
    if outcome.failed:
        assert (host.state(), host.calls) == (before, []), "a rejected task has written"
    else:
        again = carry_out(host, check=False)
        assert (again.failed, again.changed, again.diff) == (False, False, [])
    return Done(outcome, host)


def in_both_orders(make_host, *requests, **options):
    """[Done with the VMs as listed, Done with the VMs listed the other way round]."""
    return [carried_out(make_host, *order, **options) for order in (requests, requests[::-1])]


def together(parts, *requests, check=False, fleet="", prune_max=None):
    """Carry out a task with several drivers; ``parts`` are (driver, requests, whether to prune)."""
    pruning = Pruning(fleet, Policy(), prune_max) if fleet else None
    return run_together(parts, requests, check, pruning, clock=parts[0][0].clock, probe=None)


def pruned(make_host, *requests, prune_max=9):
    """Carry out a task of one driver that deletes the other VMs of the fleet."""

    def carry_out(host, check):
        parts = [(Claiming(host), list(requests), True)]
        return together(parts, *requests, check=check, fleet=FLEET, prune_max=prune_max)

    return carried_out(make_host, *requests, carry_out=carry_out)


def assert_rejected(done, *parts):
    assert done.outcome.failed
    for part in parts:
        assert part in done.msg


def assert_accepted(done, *steps):
    assert not done.outcome.failed, done.msg
    assert done.steps == list(steps)
