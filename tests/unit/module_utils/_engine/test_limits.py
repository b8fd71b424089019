# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of what the VMs of an owner, a fleet or a host use together."""

from __future__ import annotations

from copy import deepcopy

import pytest

from unit.module_utils._engine.claiming import Claiming, Host, owned
from unit.module_utils._engine.tasks import carried_out, new, run, together, vm
from unit.module_utils._engine.world import GIB


def asked(make, name, limits, **options):
    return make(name, policy={"limits": limits}, **options)


def host(*machines):
    return lambda: Host(deepcopy(list(machines)))


ANNAS = (owned("a1", owner="anna", cpus=2), owned("a2", owner="anna", cpus=2))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"vms": 2}, "owner anna would use 3 VMs, and 2 VMs are permitted; 2 VMs are in use."),
        ({"cpus": 5}, "owner anna would use 6 CPUs, and 5 CPUs are permitted; 4 CPUs are in use."),
        ({"memory": 2 * GIB}, "owner anna would use 3G of memory, and 2G of memory are permitted; 2G"),
        ({"disk_size": 2 * GIB}, "owner anna would use disks of 3G, and disks of 2G are permitted; disks of 2G"),
    ],
)
def test_vm_that_would_exceed_a_limit_is_rejected(limits, message):
    request = asked(new, "a3", limits, owner="anna", cpus=2, disks={"disk0": {"size": GIB}})
    done = carried_out(host(*ANNAS), request)
    assert f"a3: limits: {message}" in done.msg
    assert "Delete or shrink VMs first, or raise the limit." in done.msg


@pytest.mark.parametrize("limits", [{"vms": 3}, {"cpus": 6}, {"memory": 3 * GIB}, {}, {"vms": 0, "per": "fleet"}])
def test_vm_within_its_limits_is_created(limits):
    others = (owned("b1", owner="ben"), owned("b2"))
    options = {"fleet": "web"} if limits.get("per") == "fleet" else {}
    done = carried_out(host(*ANNAS, *others), asked(new, "a3", limits, owner="anna", cpus=2, **options))
    assert done.outcome.failed == ("fleet" in limits.get("per", ""))


def test_deleted_vm_makes_room_for_another_one_of_the_task():
    limits = {"vms": 2}
    requests = asked(new, "a3", limits, owner="anna"), asked(vm, "a1", limits, state="absent")
    assert not carried_out(host(*ANNAS), *requests).outcome.failed


@pytest.mark.parametrize("names", [("a1", "a2"), ("a2", "a1")])
def test_vm_that_shrinks_makes_room_for_another_one_in_any_order(names):
    sizes = {"a1": {"cpus": 3}, "a2": {"cpus": 1}}
    requests = [asked(vm, name, {"cpus": 4}, **sizes[name]) for name in names]
    assert not carried_out(host(*ANNAS), *requests).outcome.failed
    done = carried_out(host(*ANNAS), *requests, asked(new, "a3", {"cpus": 4}, owner="anna", cpus=1))
    assert "a3: limits: owner anna would use 5 CPUs, and 4 CPUs are permitted; 4 CPUs are in use." in done.msg


def test_two_owners_can_exchange_vms_within_their_limits():
    requests = [asked(vm, name, {"vms": 1}, owner=owner) for name, owner in (("a1", "ben"), ("b1", "anna"))]
    done = carried_out(host(owned("a1", owner="anna"), owned("b1", owner="ben")), *requests)
    assert not done.outcome.failed, done.msg


def test_vms_of_one_task_are_counted_together():
    limits = {"vms": 3}
    requests = [asked(new, name, limits, owner="anna") for name in ("a3", "a4")]
    done = carried_out(host(*ANNAS), *requests)
    assert "a4: limits: owner anna would use 4 VMs" in done.msg
    assert "a3:" not in done.msg


@pytest.mark.parametrize(
    ("change", "fails"),
    [({"cpus": 3}, True), ({"cpus": 1}, False), ({"description": "x"}, False), ({"owner": ""}, False)],
)
def test_what_exceeds_a_limit_already_can_shrink_and_change(change, fails):
    done = carried_out(host(*ANNAS), asked(vm, "a1", {"cpus": 3}, **change))
    assert done.outcome.failed is fails


def by_two_drivers(make_host, *requests):
    """A task of which the first VM needs another driver than the others, such as by another value of native."""

    def carry_out(host, check):
        first, second = Claiming(host), Claiming(host)
        parts = [(first, list(requests[:1]), False), (second, list(requests[1:]), False)]
        return together(parts, *requests, check=check)

    return carried_out(make_host, *requests, carry_out=carry_out)


def test_vms_of_several_drivers_of_one_host_are_counted_together():
    limits = {"vms": 3}
    done = by_two_drivers(host(*ANNAS), *(asked(new, name, limits, owner="anna") for name in ("a3", "a4")))
    assert "a4: limits: owner anna would use 4 VMs" in done.msg
    room = asked(vm, "a1", limits, state="absent"), asked(new, "a4", {"vms": 2}, owner="anna")
    assert not by_two_drivers(host(*ANNAS), *room).outcome.failed


def test_two_hosts_have_a_limit_each():
    requests = [asked(new, name, {"vms": 3}, owner="anna") for name in ("a3", "a4")]
    hosts = [Host(deepcopy(list(ANNAS)), name=name) for name in ("hv1", "hv2")]
    parts = [(Claiming(one), [request], False) for one, request in zip(hosts, requests)]
    outcome = together(parts, *requests)
    assert not outcome.failed, outcome.msg
    assert [len(one.machines) for one in hosts] == [3, 3]


def test_new_owner_must_have_room_for_the_vm():
    done = carried_out(host(*ANNAS, owned("b1", owner="ben")), asked(vm, "b1", {"vms": 2}, owner="anna"))
    assert "b1: limits: owner anna would use 3 VMs" in done.msg


def test_host_counts_foreign_vms_and_those_without_an_owner_are_one_group():
    foreign = owned("foreign")
    foreign.mark = None
    done = carried_out(host(foreign), asked(new, "web", {"vms": 1, "per": "host"}))
    assert "all VMs of this host would use 2 VMs" in done.msg
    done = carried_out(host(owned("old")), asked(new, "web", {"vms": 1}))
    assert "the VMs without owner would use 2 VMs" in done.msg


def test_size_that_only_the_image_knows_cannot_be_compared():
    done = carried_out(host(), asked(new, "web", {"disk_size": 9 * GIB}, owner="anna"))
    assert "web: limits: disk_size cannot be compared" in done.msg
    assert "the size of each disk" in done.msg


def test_task_that_uses_no_more_reads_no_other_vms():
    class Reading(Claiming):
        def observe(self, targets, facets):
            assert targets is not None
            return super().observe(targets, facets)

    outcome = run(Reading(host(*ANNAS)()), asked(vm, "a1", {"vms": 0}, state="started"))
    assert (outcome.failed, outcome.changed) == (False, True)
