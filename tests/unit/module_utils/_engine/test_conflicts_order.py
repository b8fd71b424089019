# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the VMs of a task: sources, clones and bases that are created, recreated and deleted together."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._engine import execute
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

from unit.module_utils._engine.claiming import DATA, DISK, Claiming, disk1, existing, host, owned, path_of, with_disk1
from unit.module_utils._engine.tasks import (
    assert_accepted,
    assert_rejected,
    carried_out,
    in_both_orders,
    new,
    run,
    together,
    vm,
)
from unit.module_utils._engine.world import GIB

AGAIN = {"allow_recreate": True}.items()
LINKED = pytest.mark.parametrize("linked", [False, True], ids=["full", "linked"])


def bios(name, make=existing):
    """A VM that a task with ``firmware: uefi`` creates again."""
    return make(name, firmware="bios")


# Sources and clones ---------------------------------------------------------------------------------------------------


def test_vm_that_is_recreated_as_a_clone_keeps_nothing_of_its_only_disk():
    make = host(existing("src", firmware="uefi"), bios("kid"))
    done = carried_out(make, vm("kid", clone="src", firmware="uefi", policy=AGAIN))
    assert_accepted(done, "delete kid", "clone kid")
    assert "kid-disk0" not in str(done.outcome.diff[0]["after"])


def test_disk_that_the_task_attaches_to_a_source_has_no_known_size():
    requests = new("src", disks=disk1(DATA)), vm("clone", clone="src", disks={"disk1": {"size": GIB}})
    for done in in_both_orders(host(), *requests):
        assert_rejected(done, "clone: disks.disk1.size: the size of this disk of its source is not known.", "Omit")


@LINKED
def test_linked_clone_is_cloned(linked):
    """The disk of the VM below it is needed once more, and that VM is still not started."""
    make = host(existing("base"), existing("mid"), bases=[("mid", "base")])
    clone = vm("kid", clone="mid", linked=linked)
    assert_accepted(carried_out(make, clone), "clone kid")
    assert_accepted(carried_out(make, vm("more", clone="mid", linked=True), clone), "clone more", "clone kid")
    rejected = carried_out(make, clone, vm("base", "started"))
    assert_rejected(rejected, "base: ", "is the backing file of disks of")


@LINKED
def test_base_is_not_recreated_together_with_its_clone(linked):
    """The clone would have to be deleted before its source, and created after it."""
    make = host(bios("base"), bios("kid", with_disk1), bases=[("kid", "base")])
    base = new("base", firmware="uefi", policy=AGAIN)
    kid = vm("kid", clone="base", linked=linked, firmware="uefi", policy=AGAIN)
    for done in in_both_orders(make, base, kid):
        assert_rejected(done)


def test_base_is_not_recreated_together_with_a_clone_of_its_clone():
    make = host(bios("base"), bios("kid", with_disk1), bases=[("kid", "base")])
    base, mid = new("base", firmware="uefi", policy=AGAIN), vm("mid", clone="base")
    kid = vm("kid", clone="mid", firmware="uefi", policy=AGAIN)
    for order in ((base, mid, kid), (kid, mid, base)):
        assert_rejected(carried_out(make, *order))


def test_vms_are_not_recreated_as_clones_of_each_other():
    make = host(bios("a", with_disk1), existing("b", firmware="uefi"))
    first, second = (
        vm("a", clone="b", firmware="uefi", policy=AGAIN),
        vm("b", clone="a", firmware="bios", policy=AGAIN),
    )
    for done in in_both_orders(make, first, second):
        assert_rejected(done, "clone.source: its source is cloned from it in the same task. Use two tasks.")


@pytest.mark.parametrize("source", [vm("src", "absent"), vm("src", cpus=3)], ids=["deleted", "changed"])
def test_vm_that_is_not_recreated_does_not_need_its_source(source):
    """The option clone of a VM that exists, with the permission to create it again, which nothing requires."""
    driver = Claiming(host(existing("src"), existing("web"))())
    for verb in ("configure", "delete"):
        driver.inject_errors(verb, CommandFailed(("tool",), 1, "no"))
    outcome = run(driver, vm("web", "started", clone="src", policy=AGAIN), source)
    assert [entry["failed"] for entry in outcome.vms] == [False, True], outcome.msg


def test_source_may_be_started_before_the_copy_where_it_may_run():
    driver = Claiming(host(existing("src"))(), copies_running=True)
    driver.inject_errors("clone", CommandFailed(("tool",), 1, "no space"))
    outcome = run(driver, vm("kid", clone="src"), vm("src", "started"))
    assert [entry["failed"] for entry in outcome.vms] == [True, False], outcome.msg


class Unfinished(Claiming):
    """A host on which a killed task has left a VM with another name, and the disk of ``src``."""

    def __init__(self, made):
        super().__init__(made)
        made.machines.append(owned("tmp", disks={DISK: path_of("src", DISK)}))
        made.files[path_of("src", DISK)] = None
        held = self.held.held
        self.held.held = lambda wanted: [
            replace(one, name="src", also="src") if one.name == "tmp" else one for one in held(wanted)
        ]

    def observe(self, targets, facets):
        found = super().observe(targets, facets)
        return replace(found, vms=[one for one in found.vms if one.name != "tmp"])

    def preflight(self, plan, released=frozenset()):
        """The files of the unfinished VM are known to be its own."""


@LINKED
def test_source_whose_creation_was_killed_is_completed_with_its_clone(linked):
    for requests in ((new("src"), vm("kid", clone="src", linked=linked)),) * 2:
        outcome = run(Unfinished(host()()), *requests, check=True)
        assert not outcome.failed, outcome.msg


def test_file_of_an_unfinished_vm_is_not_that_of_others():
    driver = Unfinished(host()())
    rejected = run(driver, new("web", disks=disk1(path_of("src", DISK))), check=True)
    assert "is a disk of src" in rejected.msg


# Bases and their users ------------------------------------------------------------------------------------------------


def test_base_is_deleted_after_its_clone_is_recreated():
    """The clone is not moved before x, whose disk it gets."""
    make = host(existing("base"), with_disk1("x"), bios("kid"), bases=[("kid", "base")])
    kid = new("kid", firmware="uefi", disks=disk1(DATA), policy=AGAIN)
    done = carried_out(make, vm("base", "absent"), vm("x", disks=disk1(None)), kid)
    assert_accepted(done, "configure x", "delete kid", "create kid", "delete base")


def test_vm_with_the_name_of_a_clone_on_another_host_keeps_its_place():
    first = host(existing("base"), existing("kid"), bases=[("kid", "base")])()
    second = host(with_disk1("x"), bios("kid"))()
    second.name, second.clock = "host2", first.clock
    of_first = [vm("base", "absent"), vm("kid", "absent")]
    of_second = [vm("x", disks=disk1(None)), new("kid", firmware="uefi", disks=disk1(DATA), policy=AGAIN)]
    parts = [(Claiming(first), of_first, False), (Claiming(second), of_second, False)]
    outcome = together(parts, of_first[0], *of_second, of_first[1], check=True)
    assert not outcome.failed, outcome.msg


def test_order_that_the_user_has_listed_is_no_advice():
    make = host(existing("base"), with_disk1("x"), existing("kid"), bases=[("kid", "base")])
    taken = vm("kid", disks=disk1(DATA)), vm("x", disks=disk1(None))
    assert_rejected(carried_out(make, *taken), "List x before kid.")
    assert "List" not in carried_out(make, vm("x"), *taken[:1]).msg


def test_deletions_of_what_is_no_file_do_not_wait_for_each_other(monkeypatch):
    monkeypatch.setattr(permits, "check", lambda *_file: None)  # The paths of this driver are no files.
    driver = Claiming(host(existing("a"), existing("b"))())
    driver.held.file_identity = lambda path: None
    driver.inject_errors("delete", CommandFailed(("tool",), 1, "no"))
    assert [entry["failed"] for entry in run(driver, vm("a", "absent"), vm("b", "absent")).vms] == [True, False]


# One VM listed twice --------------------------------------------------------------------------------------------------


def test_two_new_vms_do_not_get_one_id():
    class WithIds(Claiming):
        def traits(self):
            return replace(super().traits(), id_fault=lambda one: None)

    outcome = run(WithIds(host()()), new("a", vm_id="105"), new("b", vm_id="105"), check=True)
    assert outcome.msg == "b: the VM is listed twice, as id 105. List each VM once."


def test_vm_that_is_listed_twice_is_rejected_although_nothing_changes():
    outcome = run(Claiming(host(existing("web"))()), vm("web"), vm(None, vm_id="id-web"))
    assert outcome.msg == "id-web: the VM is listed twice, as web and id id-web. List each VM once."


def test_vms_of_two_hosts_with_one_id_are_not_the_same():
    hosts = host(existing("web"))(), host(existing("web"))()
    requests = vm("web"), vm("web")
    parts = [(Claiming(one), [request], False) for one, request in zip(hosts, requests)]
    assert not together(parts, *requests).failed


# Never ----------------------------------------------------------------------------------------------------------------


def test_vms_that_wait_for_each_other_are_an_error_and_not_a_loop(monkeypatch):
    """No known task leads to that, so the works are made to wait here."""
    begin = execute.Execution.run

    def circular(execution):
        for work, other in zip(execution.works, execution.works[::-1]):
            work.after = [other]
        begin(execution)

    monkeypatch.setattr(execute.Execution, "run", circular)
    outcome = run(Claiming(host(existing("a"), existing("b"))()), vm("a", cpus=2), vm("b", cpus=2))
    assert outcome.vms[0]["msg"] == "a: VMs of this task wait for each other. Use two tasks."
    assert not outcome.changed


def test_many_conflicts_take_no_more_than_a_moment():
    """Whether another order helps is determined for few of them: it takes as long as the whole arrangement."""
    names = [f"vm{number}" for number in range(40)]
    driver = Claiming(host(*map(existing, names))())
    enters, count = [], driver.held.chain
    driver.held.chain = lambda path: enters.append(path) or count(path)
    outcome = run(driver, *(vm(name, disks=disk1(DATA)) for name in names), check=True)
    assert len(outcome.msg.splitlines()) == 39
    assert len(enters) < 1000
