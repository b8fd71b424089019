# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several VMs in one task: their entries need different drivers."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import check_unique
from ansible_collections.polyvirt.core.plugins.module_utils._engine.together import run_together
from ansible_collections.polyvirt.core.plugins.modules import proxmox_vm

from simulators.proxmox import behind
from simulators.proxmox.storage import GIB, Storage, Volume
from simulators.proxmox.worlds import add_machine
from unit.module_utils._drivers.proxmox.simulated import SimulatedClock, asked_of, do

IMAGE = {"image": {"source": "local:import/x.qcow2", "linked": False}}
#: A volume of a deleted VM.
FREE = "local-lvm:vm-300-disk-0"
MAC = "bc:24:11:00:00:01"
NICS = [{"type": "bridged", "source": "vmbr1", "mac": MAC}]
CLONE = {"clone": {"source": "new", "linked": False}}


def together(world, *entries, check=False):
    """Run a task in which each entry has a driver of its own."""
    parts = [asked_of(world, **entry) for entry in entries]
    asked = [request for _driver, requested in parts for request in requested]
    prepared = [(driver, requested, False) for driver, requested in parts]
    return run_together(prepared, asked, check, clock=SimulatedClock(world), probe=None)


def messages(world, *entries):
    """The message of a task that is rejected in check mode and without, and writes nothing."""
    world.journal.clear()
    outcomes = [together(world, *entries, check=check) for check in (True, False)]
    assert world.journal.writes() == []
    assert [outcome.failed for outcome in outcomes] == [True, True]
    assert outcomes[0].msg == outcomes[1].msg
    return outcomes[0].msg


def with_free_volume(world):
    world.storages.get("local-lvm").volumes["pve1", FREE.partition(":")[2]] = Volume(GIB)


def test_vms_of_one_name_are_described_and_kept_by_one_task(world):
    add_machine(world, 103, "pve3", {"name": "web1", "memory": "512"})
    entries = [{"name": "web1", "id": "100"}, {"name": "web1", "id": "103", "memory": "1G"}]
    asked = [request for entry in entries for request in asked_of(world, **entry)[1]]
    check_unique(asked, proxmox_vm.MODULE.options)
    outcome = together(world, *entries)
    assert [(vm["id"], vm["changed"], vm["memory_mib"]) for vm in outcome.vms] == [
        ("100", False, 2048),
        ("103", True, 1024),
    ]
    with pytest.raises(InvalidInput, match="web1 is listed twice"):
        check_unique([*asked, *asked_of(world, name="web1")[1]], proxmox_vm.MODULE.options)
    twice = {"name": "web1", "id": "103", "memory": "2G"}
    assert "the VM is listed twice, as id 103" in messages(world, twice, twice)


def test_id_of_a_vm_that_the_task_deletes_is_not_used_again(world):
    """The deleted VM is observed by its id, so a new VM with this id would look like it."""
    (old,) = do(world, name="old", **IMAGE).vms
    outcome = together(world, {"id": old["id"], "state": "absent"}, {"name": "new", **IMAGE})
    assert not outcome.failed, outcome.msg
    assert [vm["state"] for vm in outcome.vms] == ["absent", "stopped"]
    assert outcome.vms[1]["id"] != old["id"]


def test_id_that_a_task_requests_is_not_given_to_another_new_vm(world):
    (free,) = do(world, name="new", check=True, **IMAGE).vms
    assert free["id"] is None
    outcome = together(world, {"name": "new", **IMAGE}, {"name": "own", "id": "102", **IMAGE})
    assert not outcome.failed, outcome.msg
    assert [vm["id"] for vm in outcome.vms] == ["103", "102"]


def test_volume_of_a_deleted_vm_is_attached_to_one_vm_only(world):
    """No name of a VM is in the volume, so the options of all VMs are read."""
    with_free_volume(world)
    disk = [{"slot": "scsi1", "source": FREE}]
    assert not do(world, name="web1", disks=disk).failed
    world.journal.clear()
    message = messages(world, {"name": "new", "node": "pve1", "disks": disk, **IMAGE})
    assert message == (
        f"new: disks.scsi1.source: {FREE} is a disk of web1."
        " Detach it from that VM first, or use a copy that no VM writes to."
    )


def test_volume_is_attached_after_another_vm_of_the_task_was_deleted(world):
    with_free_volume(world)
    disk = [{"slot": "scsi1", "source": FREE}]
    assert not do(world, name="old", node="pve1", disks=disk, **IMAGE).failed
    entries = {"name": "old", "state": "absent"}, {"name": "new", "node": "pve1", "disks": disk, **IMAGE}
    outcome = together(world, *entries)
    assert not outcome.failed, outcome.msg


def test_own_disk_of_another_vm_needs_another_owner(world):
    volume = "local-lvm:vm-100-disk-0"
    new = {"name": "new", "disks": [{"slot": "scsi1", "source": volume}], **IMAGE}
    assert "Reassign Owner" in messages(world, {"name": "web1", "memory": "1G"}, new)
    # The clone of a VM that does not exist yet has a change of its own.
    clone = {**new, "name": "clone", **CLONE}
    del clone["image"]
    assert f"'{volume}' belongs to 'web1'" in messages(world, {"name": "new", **IMAGE}, clone)


@pytest.mark.parametrize(
    ("disk", "parts"),
    [
        ({"size": "1G", "format": "qcow2"}, ("format of scsi1 is 'qcow2'", "'local-lvm' has only raw data")),
        ({"source": FREE, "format": "qcow2"}, ("format of scsi1 is 'qcow2'", f"'{FREE}' is raw")),
        ({"size": "1G", "storage": "none"}, ("has no storage 'none'",)),
    ],
)
def test_new_disk_of_a_clone_of_a_new_vm_is_checked(world, disk, parts):
    """The VM that is cloned has no options yet, but the disk needs none of them."""
    with_free_volume(world)
    disks = [{"slot": "scsi1", **disk}]
    message = messages(world, {"name": "new", "node": "pve1", **IMAGE}, {"name": "clone", **CLONE, "disks": disks})
    assert message.startswith("clone: ")
    assert all(part in message for part in parts), message
    new = messages(world, {"name": "clone", "node": "pve1", **IMAGE, "disks": disks})
    assert message == new


@pytest.mark.parametrize("own", [True, False])
def test_new_disk_of_a_clone_of_a_new_vm_must_fit(world, own):
    world.storages.add(Storage("thick", "lvm", frozenset({"images"}), total=20 * GIB))
    storage = {"storage": "thick"}
    disk, of_task = {"slot": "scsi1", "size": "30G", **(storage if own else {})}, {} if own else storage
    message = messages(
        world, {"name": "new", "node": "pve1", **IMAGE}, {"name": "clone", **CLONE, "disks": [disk], **of_task}
    )
    assert "clone: disks: storage 'thick' on node 'pve1' has 20G free, and 30G are needed" in message


def test_clone_of_a_new_vm_on_another_node_needs_a_shared_storage(world):
    for source, accepted in (({"node": "pve1"}, False), ({"node": "pve2"}, True)):
        new, clone = {"name": "new", **source, **IMAGE}, {"name": "clone", "node": "pve2", **CLONE}
        if accepted:
            assert not together(world, new, clone, check=True).failed
        else:
            assert "its storage 'local-lvm' is not shared. Clone it on pve1" in messages(world, new, clone)
    on_nfs = {"name": "new", "node": "pve1", "storage": "nfs", "image": IMAGE["image"], "networks": []}
    outcome = together(world, on_nfs, {"name": "clone", "node": "pve2", **CLONE})
    assert not outcome.failed, outcome.msg
    assert [vm["settings"]["node"] for vm in outcome.vms] == ["pve1", "pve2"]


def test_running_vm_of_the_task_is_cloned(world):
    clone = {"name": "clone", "networks": NICS, "clone": {"source": "web1", "linked": False}}
    outcome = together(world, {"name": "web1", "memory": "1G"}, clone)
    assert not outcome.failed, outcome.msg


def test_vm_becomes_a_template_with_a_volume_of_another_name(world):
    """The server renames the volume; a second run finds it."""
    with_free_volume(world)
    new = {"name": "new", "node": "pve1", "template": True, "disks": [{"slot": "scsi1", "source": FREE}], **IMAGE}
    assert do(world, **new).changed
    again = do(world, **new)
    assert (again.failed, again.changed) == (False, False), again.msg


LINKED = {"name": "clone", "clone": {"source": "tmpl", "linked": True}}


@pytest.mark.parametrize("in_one_task", [True, False])
def test_template_with_a_new_disk_has_linked_clones(world, in_one_task):
    """As recorded: a new disk of a template becomes a base at once."""
    later = {"name": "tmpl", "disks": [{"slot": "scsi1", "size": "1G"}]}
    outcome = together(world, later, LINKED) if in_one_task else (do(world, **later), do(world, **LINKED))[1]
    assert not outcome.failed, outcome.msg
    assert world.cluster.machines[9000].config.current["scsi1"].startswith("local-lvm:base-9000-disk-1")


def test_template_with_a_volume_that_was_attached_later_has_no_linked_clones(world):
    world.storages.get("local-lvm").volumes["pve1", "vm-9000-disk-7"] = Volume(GIB, vmid=9000)
    behind.edit(world, 9000, scsi1="local-lvm:vm-9000-disk-7,size=1G")
    words = "clone: 'tmpl' has no linked clones: its disk scsi1 was added after it became a template. Set linked"
    assert messages(world, LINKED).startswith(words)
