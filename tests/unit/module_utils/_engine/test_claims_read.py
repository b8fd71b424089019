# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When it is read what VMs hold, and which error is reported if a plan has several."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request, SnapshotRequest
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import BASE, FILE, OWN

from unit.module_utils._engine.claiming import DISK, IMAGE, Claiming, Host, owned, path_of
from unit.module_utils._engine.tasks import new, run, together, vm
from unit.module_utils._engine.world import GIB

DATA = {"disks": {"disk1": {"source": "/data/data.img"}}}
FORWARD = {"ssh": {"guest_port": 22, "host_port": 2222}}


def readings(*requests, machines=None, check=True):
    """The ``wanted`` of each reading of a task."""
    driver = Claiming(Host(machines or [owned("web"), owned("on", power="running")]))
    outcome = run(driver, *requests, check=check)
    assert not outcome.failed, outcome.msg
    return driver.held.calls


@pytest.mark.parametrize(
    "requests",
    [
        [vm("web")],
        [vm("on", "started")],
        [vm("web", memory=2 * GIB)],
        [vm("web", description="one"), vm("on", cpus=3)],
        [vm("on", "stopped")],
        [vm("on", "restarted")],
        [vm("web", "absent", policy={"delete_disks": "none"}.items())],
        [vm("none", "absent")],
        [vm("web", iso="/iso/a.iso")],
    ],
    ids=lambda requests: " ".join(f"{one.name} {one.state} {','.join(one.config)}" for one in requests),
)
@pytest.mark.parametrize("check", [True, False])
def test_nothing_is_read_for_plans_that_claim_nothing(requests, check):
    assert readings(*requests, check=check) == []


@pytest.mark.parametrize(
    "request_",
    [
        vm("web", "started"),
        vm("web", disks={DISK: {"size": 2 * GIB}}),
        vm("web", **DATA),
        vm("web", log="/log/web"),
        vm("web", networks={"0": {"mac": "52:54:00:00:00:01", "type": "network", "source": "lan"}}),
        vm("web", port_forwards=FORWARD),
        vm("web", "absent"),
        new("new"),
        vm("new", clone="web"),
        Request("web", snapshot=SnapshotRequest("one")),
    ],
    ids=lambda request: f"{request.name} {request.state} {','.join([*request.config, *request.creation])}",
)
def test_what_vms_hold_is_read_once_if_a_plan_can_claim_something(request_):
    assert len(readings(request_)) == 1
    assert len(readings(request_, vm("on", cpus=3), new("other"))) == 1


def test_images_below_the_disks_of_a_source_are_claimed_by_its_clone():
    (wanted,) = readings(vm("new", clone="web", linked=True))
    assert (BASE, (None, path_of("web", DISK))) in [(claim.mode, claim.identity) for claim in wanted]


def rejected(driver, *requests):
    """The messages of the rejected VMs of a task in which nothing is done."""
    outcome = run(driver, *requests)
    assert (outcome.failed, outcome.changed, outcome.trace, driver.host.calls) == (True, False, "", [])
    assert [entry["name"] for entry in outcome.vms] == [request.name for request in requests]
    return [entry["msg"] for entry in outcome.vms if entry["failed"]]


def test_vms_that_cannot_be_compared_are_rejected():
    def held(wanted):
        raise Refused("The list cannot be read.", "Repair it.")

    driver = Claiming(Host([owned("web"), owned("db")]))
    driver.held.held = held
    messages = rejected(driver, vm("web", "started"), vm("db", cpus=2), new("api"))
    assert messages == [f"{name}: The list cannot be read. Repair it." for name in ("web", "api")]


def test_vm_whose_files_cannot_be_named_is_rejected():
    def step_files(plan, step):
        if plan.after.name == "web":
            raise Refused("web: no directory.", "Create it.")
        return ()

    driver = Claiming(Host([owned("web"), owned("db")]))
    driver.held.step_files = step_files
    assert rejected(driver, vm("web", "started"), vm("db", cpus=2)) == ["web: no directory. Create it."]


def test_driver_is_told_what_the_plans_claim():
    forwards = readings(vm("web", "started"), vm("on", port_forwards=FORWARD, cpus=3))
    assert [(claim.kind, claim.identity) for claim in forwards[0]] == [
        (OWN, "id-web"), ("port", (None, "tcp", 2222)),
    ]  # fmt: skip
    (grown,) = readings(vm("web", disks={DISK: {"size": 2 * GIB}}))
    assert [(claim.kind, claim.mode, claim.text) for claim in grown] == [(FILE, "grow", path_of("web", DISK))]


def test_what_does_not_exist_is_reported_before_a_conflict():
    """The image of the second VM is missing, and its disk is used; the third has only the conflict."""
    driver = Claiming(Host([owned("web", disks={DISK: "/data/data.img"})]))
    driver.refused_by_host["db"] = driver.refused_by_host["api"] = Refused("no space.")
    outcome = run(driver, vm("mail", image="/missing", **DATA), new("db", **DATA), new("api"))
    assert outcome.msg.splitlines() == [
        "mail: image.source: /missing does not exist.",
        "db: disks.disk1.source: /data/data.img is a disk of web."
        " Detach it from that VM first, or use a copy that no VM writes to.",
        "api: no space.",
    ]


def test_what_is_never_possible_is_reported_before_a_conflict():
    """Another order of the list would solve the conflict only."""
    driver = Claiming(Host([owned("web", disks={DISK: "/data/data.img"})]))
    driver.refused_by_host["db"] = Unsupported("it cannot be started.")
    outcome = run(driver, new("db", **DATA), vm("web", disks={DISK: None}))
    assert outcome.msg == "db: it cannot be started."


def test_message_lists_few_of_many_holders():
    machines = [owned("base"), *(owned(f"kid{number:02}") for number in range(20))]
    host = Host(machines)
    host.files.update({path_of(machine.name, DISK): path_of("base", DISK) for machine in machines[1:]})
    outcome = run(Claiming(host), vm("base", "started"))
    assert "backing file of disks of kid00, kid01, kid02, kid03, kid04 and 15 others. Delete" in outcome.msg


def test_plan_that_failed_before_blocks_only_those_that_wait_for_it():
    from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed

    driver = Claiming(Host([owned("a", disks={DISK: "/data/data.img"}), owned("b"), owned("c")]))
    driver.inject_errors("configure", CommandFailed(("tool",), 1, "no"))
    outcome = run(driver, vm("a", disks={DISK: None}), vm("b", **DATA), vm("c", cpus=2))
    assert [entry["failed"] for entry in outcome.vms] == [True, True, False]
    assert [entry["changed"] for entry in outcome.vms] == [False, False, True]


def test_what_earlier_plans_let_go_of_is_passed_to_the_check_of_the_host():
    machines = [owned("old"), owned("on", power="running", port_forwards=FORWARD), owned("web")]
    driver = Claiming(Host(machines))
    detached = vm("web", disks={DISK: None}, networks={})
    run(driver, vm("old", "absent"), vm("on", "stopped"), detached, new("new"), new("last", "started"), check=True)
    gone = {(FILE, (None, path_of("old", DISK))), ("port", (None, "tcp", 2222))}
    assert driver.released == {"old": set(), "on": {next(iter(sorted(gone)))}, "web": gone, "new": gone, "last": gone}


def test_images_are_not_read_again_for_a_source_that_does_not_exist_yet():
    driver = Claiming(Host())
    outcome = run(driver, new("src"), vm("clone", clone="src", linked=True), check=True)
    assert (outcome.failed, len(driver.held.calls)) == (False, 1)
    assert IMAGE in driver.host.files


def test_one_place_is_read_once_for_several_drivers():
    host = Host([owned("web"), owned("db")])
    drivers = Claiming(host), Claiming(host)
    requests = vm("web", "started"), vm("db", "started")
    parts = [(driver, [request], False) for driver, request in zip(drivers, requests)]
    assert not together(parts, *requests).failed
    assert sorted(len(driver.held.calls) for driver in drivers) == [0, 1]


@pytest.mark.parametrize("lists_all", [True, False])
def test_settings_of_the_tasks_own_vms_are_known_if_others_are_not_read(lists_all):
    driver = Claiming(Host([owned("web", disks={DISK: "/data/data.img"}), owned("other")]))
    driver.held.lists_all, driver.held.held = lists_all, lambda wanted: []
    outcome = run(driver, vm("web", cpus=2), new("db", **DATA), check=True)
    assert outcome.failed == (not lists_all)
    assert lists_all or outcome.msg.startswith("db: disks.disk1.source: /data/data.img is a disk of web.")


def test_vm_that_another_task_creates_after_the_observation():
    """What it holds is no conflict to be solved: the same task succeeds when it is run again."""
    driver = Claiming(Host())
    read = driver.held.held

    def created_meanwhile(wanted):
        driver.machines.append(owned("web"))
        return read(wanted)

    driver.held.held = created_meanwhile
    outcome = run(driver, new("web"), check=True)
    assert outcome.msg == (
        "web: another task created a VM with this name at the same time."
        " Run the task again to apply its options to that VM."
    )
