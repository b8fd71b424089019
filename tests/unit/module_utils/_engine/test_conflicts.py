# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks with several VMs that share files, MAC addresses and ports: each in check mode and in both list orders."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request, Snapshot

from unit.module_utils._engine.claiming import (
    DATA,
    DISK,
    IMAGE,
    LINK,
    disk1,
    existing,
    forward,
    host,
    nic,
    owned,
    path_of,
    with_disk1,
)
from unit.module_utils._engine.tasks import (
    FLEET,
    assert_accepted,
    assert_rejected,
    carried_out,
    in_both_orders,
    new,
    pruned,
    vm,
)
from unit.module_utils._engine.world import GIB

#: The same file by other names.
SPELLINGS = (DATA, "/data/../data/data.img", "/data/link.img")


# A linked clone and its base ------------------------------------------------------------------------------------------


def test_vm_is_not_started_on_the_base_of_a_linked_clone_of_the_same_task():
    clone = vm("clone", clone="src", linked=True)
    listed, reversed_ = in_both_orders(host(existing("src")), clone, vm("src", "started"))
    assert listed.msg == (
        "src: disks.disk0.source: /vms/src-disk0.img must not be written to, because it is the backing file of disks"
        " of clone, as this task makes it. Clone a snapshot of it, or use full clones."
    )
    assert_rejected(reversed_, "clone: 'src' is running and cannot be cloned this way.")


def test_vm_is_not_started_on_the_base_of_an_existing_linked_clone():
    make = host(existing("src"), existing("clone"), bases=[("clone", "src")])
    assert carried_out(make, vm("src", "started")).msg == (
        "src: disks.disk0.source: /vms/src-disk0.img must not be written to, because it is the backing file of disks"
        " of clone. Delete those VMs or snapshots first, or work with a full clone of this VM."
    )


def test_base_of_a_linked_clone_does_not_grow():
    make = host(existing("src"), existing("clone"), bases=[("clone", "src")])
    done = carried_out(make, vm("src", disks={DISK: {"size": 2 * GIB}}))
    assert_rejected(done, "src: disks.disk0.size: /vms/src-disk0.img must not be written to", "disks of clone. Delete")


def test_base_of_a_linked_clone_is_not_restored():
    snapshot = Snapshot("before", config=owned("src").config)
    make = host(existing("src", snapshots=[snapshot]), existing("clone"), bases=[("clone", "src")])
    done = carried_out(make, restored("src", "before"))
    assert_rejected(done, "src: snapshots: /vms/src-disk0.img must not be written to", "disks of clone. Delete")


def restored(name, snapshot):
    from ansible_collections.polyvirt.core.plugins.module_utils._core.model import SnapshotRequest

    return Request(name, snapshot=SnapshotRequest(snapshot, "restored"))


def test_disk_that_grows_in_the_same_task_is_linked_afterwards():
    grown = vm("src", disks={DISK: {"size": 2 * GIB}})
    for done in in_both_orders(host(existing("src")), grown, vm("clone", clone="src", linked=True)):
        assert_accepted(done, "configure src", "clone clone")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_file_is_not_both_base_of_one_vm_and_disk_of_another(spelling):
    linked = vm("linked", image=DATA, linked=True)
    user = vm("user", "started", disks={"disk1": {"source": spelling}})
    listed, reversed_ = in_both_orders(host(), linked, user)
    assert_rejected(listed, f"user: disks.disk1.source: {spelling} must not be written to", "of linked, as this task")
    assert_rejected(reversed_, "linked: image.source: /data/data.img is a disk of user, which may write to it")


def test_disk_is_grown_and_copied_one_after_the_other():
    """A full clone of a VM whose disk grows has the grown disk."""
    grown = vm("src", disks={DISK: {"size": 2 * GIB}})
    for done in in_both_orders(host(existing("src")), grown, vm("clone", clone="src")):
        assert_accepted(done, "configure src", "clone clone")


# One file for two disks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_file_for_two_slots_of_a_new_vm_is_rejected(spelling):
    disks = {"disk1": {"source": DATA}, "disk2": {"source": spelling}}
    assert carried_out(host(), new("web", disks=disks)).msg == (
        "web: disks.disk1.source: /data/data.img is also that of disks.disk2.source. Use each file for one disk only."
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_file_for_a_second_slot_of_an_existing_vm_is_rejected(spelling):
    done = carried_out(host(with_disk1("web")), vm("web", disks={"disk2": {"source": spelling}}))
    assert done.msg == (
        f"web: disks.disk2.source: {spelling} is also that of disks.disk1.source. Use each file for one disk only."
    )


def test_disk_moves_to_another_slot_of_its_vm():
    done = carried_out(host(with_disk1("web")), vm("web", disks={"disk1": None, "disk2": {"source": DATA}}))
    assert_accepted(done, "configure web")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_file_for_two_vms_is_rejected(spelling):
    requests = new("web", disks=disk1(DATA)), new("db", disks=disk1(spelling))
    for done, second in zip(in_both_orders(host(), *requests), ("db", "web")):
        assert_rejected(done, f"{second}: disks.disk1.source: ", " is a disk of ", ", as this task makes it. Detach it")


def test_file_of_a_stopped_vm_is_not_attached_to_another_one():
    done = carried_out(host(with_disk1("web")), new("db", disks=disk1(DATA)))
    assert done.msg == (
        "db: disks.disk1.source: /data/data.img is a disk of web."
        " Detach it from that VM first, or use a copy that no VM writes to."
    )


def test_vm_with_a_disk_of_a_running_vm_is_not_started():
    make = host(with_disk1("web", power="running"), with_disk1("db"))
    assert_rejected(carried_out(make, vm("db", "started")), "db: disks.disk1.source: /data/data.img is a disk of web.")


def test_of_two_vms_with_one_disk_only_one_is_started():
    make = host(with_disk1("web"), with_disk1("db"))
    for done, second in zip(in_both_orders(make, vm("web", "started"), vm("db", "started")), ("db", "web")):
        assert_rejected(done, f"{second}: disks.disk1.source: /data/data.img is a disk of", "as this task makes it")
    assert_accepted(carried_out(make, vm("db", "started")), "start db")


def test_existing_conflict_does_not_reject_other_changes():
    make = host(with_disk1("web", power="running"), with_disk1("db"))
    assert_accepted(carried_out(make, vm("db", cpus=2, networks={"0": nic()})), "configure db")


# Sources and clones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linked", [True, False])
def test_source_and_its_clone_are_created_by_one_task(linked):
    for done in in_both_orders(host(), new("src"), vm("clone", "started", clone="src", linked=linked)):
        assert_accepted(done, "create src", "clone clone", "start clone")


def test_linked_clone_and_the_start_of_its_new_source_are_rejected():
    for done in in_both_orders(host(), new("src", "started"), vm("clone", clone="src", linked=True)):
        assert_rejected(done, "clone: 'src' is running and cannot be cloned this way.")


def test_source_is_started_after_its_clone_if_it_is_listed_later():
    requests = vm("clone", clone="src"), vm("src", "started")
    listed, reversed_ = in_both_orders(host(existing("src")), *requests)
    assert_accepted(listed, "clone clone", "start src")
    assert_rejected(reversed_, "clone: 'src' is running and cannot be cloned this way. Stop it first")


def test_running_source_is_copied_where_the_platform_can():
    requests = vm("clone", clone="src"), vm("src", "started")
    listed, reversed_ = in_both_orders(host(existing("src")), *requests, copies_running=True)
    assert_accepted(listed, "clone clone", "start src")
    assert_accepted(reversed_, "start src", "clone clone")


def test_recreated_source_is_cloned_with_its_new_disk():
    source = new("src", firmware="uefi", policy={"allow_recreate": True}.items())
    for done in in_both_orders(host(existing("src", firmware="bios")), source, vm("clone", clone="src")):
        assert not done.outcome.failed, done.msg
        assert done.steps[-1] == "clone clone"


def test_vm_is_recreated_as_a_clone_of_a_source_that_the_task_changes():
    """Its old disk is the base of another VM, so its deletion is planned again: with the same source."""
    make = host(existing("src"), existing("web", firmware="bios"), existing("user"), bases=[("user", "web")])
    policy = {"allow_recreate": True, "delete_disks": "owned"}.items()
    source = vm("src", cpus=3)
    again = vm("web", clone="src", policy=policy, firmware="uefi")
    done = carried_out(make, source, again)
    assert_rejected(done, "web: ")


def test_source_that_the_task_deletes_is_not_cloned():
    for done in in_both_orders(host(existing("src")), vm("clone", clone="src"), vm("src", "absent")):
        assert_rejected(done, "clone: clone.source: this task deletes 'src'.", "Delete it in a task after this one.")


def test_many_vms_are_created_from_one_image_at_once():
    """None waits for another one, so the failure of one does not matter to the others."""
    from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed

    from unit.module_utils._engine.claiming import Claiming
    from unit.module_utils._engine.tasks import run

    driver = Claiming(host()())
    driver.inject_errors("create", CommandFailed(("tool",), 1, "disk full"))
    outcome = run(driver, *(vm(name, image=image) for name, image in zip("abc", (IMAGE, LINK, IMAGE))))
    assert [entry["failed"] for entry in outcome.vms] == [True, False, False]


# One VM listed twice --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["started", "absent"])
def test_vm_listed_by_name_and_by_id_is_rejected(state):
    requests = vm("web", "present", memory=2 * GIB), vm(None, state, vm_id="id-web")
    listed, reversed_ = in_both_orders(host(existing("web")), *requests)
    assert listed.msg == "id-web: the VM is listed twice, as web and id id-web. List each VM once."
    assert reversed_.msg == "web: the VM is listed twice, as id id-web and web. List each VM once."


def test_vm_listed_twice_that_is_recreated_as_a_clone_is_rejected():
    """Its plan is made again with the changed source: the rejection remains."""
    policy = {"allow_recreate": True}.items()
    again = vm(None, clone="src", vm_id="id-web", firmware="uefi", policy=policy)
    requests = vm("web", memory=2 * GIB), vm("src", cpus=2), again
    done = carried_out(host(existing("web", firmware="bios"), existing("src")), *requests)
    assert done.msg == "id-web: the VM is listed twice, as web and id id-web. List each VM once."


# Deleting -------------------------------------------------------------------------------------------------------------


def test_base_is_deleted_with_its_linked_clones():
    make = host(existing("base"), existing("kid"), existing("kid2"), bases=[("kid", "base"), ("kid2", "kid")])
    for bound in (True, False):
        for done in in_both_orders(make, *(vm(name, "absent") for name in ("base", "kid", "kid2")), bound=bound):
            assert_accepted(done, "delete kid2", "delete kid", "delete base")
            assert done.host.files.keys() == {IMAGE, DATA}


def test_base_and_its_linked_clone_are_pruned():
    make = host(existing("base", fleet=FLEET), existing("kid", fleet=FLEET), bases=[("kid", "base")])
    done = pruned(make, new("web", fleet=FLEET))
    assert_accepted(done, "create web", "delete kid", "delete base")


def test_deleted_file_is_no_image():
    for options in ({}, {"linked": True}):
        request = vm("web", image=path_of("old", DISK), **options)
        done = carried_out(host(existing("old")), vm("old", "absent"), request)
        assert_rejected(done, "web: image.source: /vms/old-disk0.img is deleted by this task with old.")


def test_new_disk_has_the_path_of_a_disk_that_is_deleted_before():
    make = host(existing("old", disks={DISK: path_of("web", DISK)}))
    requests = vm("old", "absent", policy={"delete_disks": "all"}.items()), new("web")
    listed, reversed_ = in_both_orders(make, *requests)
    assert_accepted(listed, "delete old", "create web")
    assert_rejected(reversed_, "web: disks.disk0: /vms/web-disk0.img is a disk of old. List old before web.")


def test_new_disk_does_not_replace_a_file_that_is_only_detached():
    """Only a deleted file is free: what is detached still exists."""
    make = host(existing("old", disks={DISK: "/vms/old.img", "disk1": path_of("web", DISK)}))
    done = carried_out(make, vm("old", disks={"disk1": None}), new("web"))
    assert_rejected(done, "web: disks.disk0: /vms/web-disk0.img already exists.")


# Handing over, exchanging ---------------------------------------------------------------------------------------------

HAND_OVERS = {
    "disk": (with_disk1("a"), existing("b"), {"disks": disk1(None)}, {"disks": disk1(DATA)}),
    "mac": (existing("a", networks={"0": nic()}), existing("b"), {"networks": {"0": None}}, {"networks": {"0": nic()}}),
    "port": (
        existing("a", power="running", port_forwards=forward()),
        existing("b", power="running"),
        {"port_forwards": {"ssh": None}},
        {"port_forwards": forward()},
    ),
}


@pytest.mark.parametrize("kind", HAND_OVERS)
def test_what_one_vm_lets_go_of_is_given_to_a_vm_that_is_listed_later(kind):
    first, second, gone, taken = HAND_OVERS[kind]
    listed, reversed_ = in_both_orders(host(first, second), vm("a", **gone), vm("b", **taken))
    assert_accepted(listed, "configure a", "configure b")
    assert_rejected(reversed_, "b: ", "List a before b.")


@pytest.mark.parametrize("kind", HAND_OVERS)
def test_vm_does_not_take_what_the_other_one_could_not_let_go_of(kind):
    from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed

    from unit.module_utils._engine.claiming import Claiming
    from unit.module_utils._engine.tasks import run

    first, second, gone, taken = HAND_OVERS[kind]
    driver = Claiming(host(first, second)())
    driver.inject_errors("configure", CommandFailed(("tool",), 1, "no"))
    outcome = run(driver, vm("a", **gone), vm("b", **taken))
    assert outcome.vms[1]["msg"] == "b: not started, because a failed."
    assert [name for _second, _verb, name in driver.calls] == ["a"]


def test_port_of_a_vm_that_is_stopped_is_taken_by_one_that_is_started():
    make = host(existing("a", power="running", port_forwards=forward()), existing("b", port_forwards=forward()))
    listed, reversed_ = in_both_orders(make, vm("a", "stopped"), vm("b", "started"))
    assert_accepted(listed, "stop a", "start b")
    assert_rejected(reversed_, "b: port_forwards.ssh.host_port: 2222 is used by a. List a before b.")


def test_two_vms_with_the_same_stored_port_are_not_both_started():
    make = host(existing("a", port_forwards=forward()), existing("b", port_forwards=forward()))
    for done, second in zip(in_both_orders(make, vm("a", "started"), vm("b", "started")), "ba"):
        assert_rejected(done, f"{second}: port_forwards.ssh.host_port: 2222 is used by", "Set another host_port.")


def test_base_is_started_after_its_linked_clone_was_deleted():
    make = host(existing("base"), existing("kid"), bases=[("kid", "base")])
    listed, reversed_ = in_both_orders(make, vm("kid", "absent"), vm("base", "started"))
    assert_accepted(listed, "delete kid", "start base")
    assert_rejected(reversed_, "base: disks.disk0.source: ", "List kid before base.")


EXCHANGES = {
    "disks": (
        (with_disk1("a", "/data/a.img"), with_disk1("b", "/data/b.img")),
        ({"disks": disk1("/data/b.img")}, {"disks": disk1("/data/a.img")}),
        ("disks.disk1.source", "/data/b.img"),
    ),
    "macs": (
        (existing("a", networks={"0": nic()}), existing("b", networks={"0": nic("52:54:00:00:00:02")})),
        ({"networks": {"0": nic("52:54:00:00:00:02")}}, {"networks": {"0": nic()}}),
        ("networks.0.mac", "52:54:00:00:00:02"),
    ),
    "ports": (
        (
            existing("a", power="running", port_forwards=forward(1)),
            existing("b", power="running", port_forwards=forward(2)),
        ),
        ({"port_forwards": forward(2)}, {"port_forwards": forward(1)}),
        ("port_forwards.ssh.host_port", "2"),
    ),
}


@pytest.mark.parametrize("kind", EXCHANGES)
def test_exchange_is_rejected(kind):
    machines, (of_a, of_b), (path, text) = EXCHANGES[kind]
    listed, reversed_ = in_both_orders(host(*machines), vm("a", **of_a), vm("b", **of_b))
    assert f"a: {path}: a and b exchange {text}. Use two tasks." in listed.msg
    assert_rejected(reversed_, "b and a exchange ", "Use two tasks.")


def test_other_order_is_not_proposed_if_it_fails_too():
    """a would let go of the file, but takes one that a third VM keeps."""
    make = host(with_disk1("a"), existing("b"), with_disk1("c", "/data/c.img"))
    requests = vm("b", disks=disk1(DATA)), vm("a", disks=disk1("/data/c.img"))
    for done in in_both_orders(make, *requests):
        assert_rejected(done, "a: disks.disk1.source: /data/c.img is a disk of c. Detach it")
        assert "before" not in done.msg


def test_pruned_vm_keeps_what_an_entry_needs_until_a_task_before():
    done = pruned(host(with_disk1("old", fleet=FLEET)), new("web", fleet=FLEET, disks=disk1(DATA)))
    assert_rejected(done, "web: disks.disk1.source: /data/data.img is a disk of old. Prune in a task before this one.")


def test_other_order_is_not_proposed_if_a_third_plan_of_the_task_fails_then():
    """c needs the disk that b lets go of as soon as a has it."""
    make = host(with_disk1("a"), with_disk1("b", "/data/b.img"), existing("c"))
    requests = vm("b", disks=disk1(DATA)), vm("c", disks=disk1("/data/b.img")), vm("a", disks=disk1("/data/b.img"))
    assert "List" not in carried_out(make, *requests).msg


def test_source_cannot_be_listed_after_its_clone():
    """The clone lets go of nothing that its source could take before it is there."""
    make = host(existing("old", disks={DISK: "/vms/old.img", "disk1": DATA}))
    source = new("src", disks=disk1(DATA))
    clone = vm("old", clone="src", disks={"disk1": None})
    done = carried_out(make, source, clone)
    assert_rejected(done, "src: disks.disk1.source: /data/data.img is a disk of old. List old before src.")
