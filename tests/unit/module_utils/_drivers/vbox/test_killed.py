# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed after each of its calls: a second run completes the VM, and ``state: absent`` deletes it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Step

from unit.module_utils._drivers.vbox.in_process import (
    MIB,
    SMALL,
    InProcess,
    Killed,
    driver_of,
    info,
    killed_after,
    observed,
    snapshot,
    task,
)

TWO_DISKS = {**SMALL, "disks": {"#0": {}, "#1": {"size": 2 * MIB}}}
LARGER = {"memory": 20 * MIB}


def _create(vbox):
    image = {"source": vbox.disk("image.vdi"), "linked": False}
    return {"config": TWO_DISKS, "image": image, "cloud_init": {"user": "admin"}}


def _clone(linked):
    return lambda vbox: {"config": LARGER, "clone": {"source": "base", "linked": linked, "snapshot": "s"}}


def _add_disks(vbox):
    task(vbox).succeeded()
    return {"config": {**LARGER, "disks": {"SATA 1": {"size": 2 * MIB}, "NVMe 0": {"size": 2 * MIB}}}}


def _delete(vbox):
    """A VM with a detached disk of its own, and a foreign disk, which remains."""
    disks = {**TWO_DISKS["disks"], "SATA 2": {"source": vbox.disk("other.vdi")}}
    task(vbox, config={**SMALL, "disks": disks}).succeeded()
    task(vbox, config={"disks": {"SATA 1": None}}).succeeded()
    return {"state": "absent"}


SCENARIOS = {
    "create": _create,
    "linked clone": _clone(linked=True),
    "full clone": _clone(linked=False),
    "add disks": _add_disks,
    "delete": _delete,
}


@pytest.fixture(name="vbox")
def _with_base(vbox):
    """A registry with a VM that can be cloned."""
    task(vbox, "base").succeeded()
    snapshot(vbox, "s", "base").succeeded()
    return vbox


def is_killed(vbox, number, **more):
    """Run a task that is killed after ``number`` calls that change something; return False if it makes fewer."""
    try:
        task(vbox, commands=killed_after(InProcess, number)(vbox), **more).succeeded()
    except Killed:
        return True
    return False


def vms_and_files(vbox):
    """All VMs, registered disks and files, without the foreign disk."""
    return vbox.run("list", "vms"), [path for path in vbox.registered() if "other" not in path], vbox.files()


def result(vbox):
    """The state of a complete VM, without random names."""
    config = observed(vbox).config
    sizes = {slot: (disk["size"], disk["format"]) for slot, disk in config["disks"].items()}
    return config["memory"], sizes, config["ssh_forward"], vbox.values()["ioapic"], len(vbox.registered())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_task_leaves_nothing_after_state_absent(vbox, scenario):
    before = vms_and_files(vbox)
    for number in range(1, 99):
        more = SCENARIOS[scenario](vbox)
        killed = is_killed(vbox, number, **more)
        task(vbox, state="absent").succeeded()
        assert vms_and_files(vbox) == before, number
        if not killed:
            break
    assert number > 3


@pytest.mark.parametrize("scenario", [scenario for scenario in SCENARIOS if scenario != "delete"])
def test_killed_task_is_completed_by_the_next_run(vbox, scenario):
    expected = None
    for number in range(99):  # With 0, the task is not killed.
        more = SCENARIOS[scenario](vbox)
        killed = is_killed(vbox, number, **more)
        if number and not killed:
            break
        again = task(vbox, **more).succeeded()
        expected = expected or result(vbox)
        assert result(vbox) == expected, number
        assert info(vbox, "web")["vms"][0]["reason"] == ""
        assert (again.vm["id"], task(vbox, **more).succeeded().writes) == (observed(vbox).id, [])
        task(vbox, state="absent").succeeded()
    assert number > 3


def test_disk_of_a_killed_task_that_another_vm_uses_is_kept(vbox):
    more = _add_disks(vbox)
    assert is_killed(vbox, 3, **more)  # Just after createmedium.
    disk = f"{vbox.machines}/web/web-SATA-1.vdi"
    task(vbox, "other", config={**SMALL, "disks": {"SATA 0": {"source": disk}}}).succeeded()
    done = task(vbox, **more)
    assert (done.outcome.failed, f"{disk} is a disk of other" in done.outcome.msg) == (True, True)
    task(vbox, state="absent").succeeded()
    assert disk in vbox.registered()


def test_disk_that_a_killed_task_attached_is_owned(vbox):
    more = _add_disks(vbox)
    assert is_killed(vbox, 4, **more)  # Just after storageattach.
    assert observed(vbox).mark["making"]
    task(vbox, config={"disks": {"SATA 1": None}}).succeeded()
    mark = observed(vbox).mark
    assert (len(mark["disks"]), "making" in mark) == (2, False)


def test_unfinished_vm_is_reported(vbox):
    more = _create(vbox)
    assert is_killed(vbox, 2, **more)
    (found,) = info(vbox, "web")["vms"]
    assert (found["state"], found["reason"].partition(":")[0]) == ("stopped", "unfinished")
    assert task(vbox, **more).succeeded().vm["id"] == found["id"]


def test_vm_that_another_task_has_completed_is_not_deleted(vbox):
    more = _create(vbox)
    assert is_killed(vbox, 2, **more)
    planned = observed(vbox, "unfinished")
    task(vbox, **more).succeeded()
    with pytest.raises(Refused, match="web: another task has finished creating the VM in the meantime"):
        driver_of(vbox).apply([(planned, (Step("delete"),))])
    assert not task(vbox, **more).succeeded().changed
