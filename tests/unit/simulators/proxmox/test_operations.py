# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that the recorded calls do not reach: migration, pools, media, cloud-init, moved disks."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, worlds
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.invariants import orphans, violations

VM1, VM2 = "/nodes/pve1/qemu/100", "/nodes/pve2/qemu/101"


@pytest.fixture
def gateway():
    gateway = Gateway(worlds.with_cases())
    yield gateway
    assert gateway.world.tasks.crashes == []
    assert violations(gateway.world) == []
    assert orphans(gateway.world) == []


def run(gateway, method, path, **params):
    """Make a call and await its task; how that ended, or the reason of a refusal."""
    answer = gateway.call(method, path, {key.replace("_", "-"): value for key, value in params.items()})
    if answer.status >= 400:
        return answer.errors or answer.reason
    return gateway.finished(answer.data).exitstatus if str(answer.data).startswith("UPID") else "OK"


def config(gateway, path):
    return gateway.call("GET", f"{path}/config").data


def test_a_machine_that_is_off_takes_its_local_disks_to_another_node(gateway):
    assert run(gateway, "POST", f"{VM2}/migrate", target="pve3") == "OK"
    assert gateway.call("GET", f"{VM2}/config").status == 500
    assert config(gateway, "/nodes/pve3/qemu/101")["name"] == "web2"
    assert run(gateway, "POST", "/nodes/pve3/qemu/101/status/start") == "OK"


def test_a_running_machine_migrates_online_and_with_its_disks_only_if_told(gateway):
    assert run(gateway, "POST", f"{VM1}/migrate", target="pve2", online=1) == "migration aborted"
    assert run(gateway, "POST", f"{VM1}/migrate", target="pve2", online=1, with_local_disks=1) == "OK"
    assert gateway.world.cluster.machines[100].running
    assert "lock" not in config(gateway, "/nodes/pve2/qemu/100")


def test_a_node_starts_no_machine_with_more_processors_than_its_own(gateway):
    gateway.world.cluster.nodes["pve2"].cpus = 2
    allowed = "MAX 2 vcpus allowed per VM on this node"
    run(gateway, "PUT", f"{VM2}/config", cores=2, sockets=2)
    assert run(gateway, "POST", f"{VM2}/status/start") == allowed
    assert config(gateway, VM2)["cores"] == 2
    assert gateway.call("GET", f"{VM2}/status/current").data["cpus"] == 2
    run(gateway, "PUT", f"{VM2}/config", sockets=1)
    assert run(gateway, "POST", f"{VM2}/status/start") == "OK"
    run(gateway, "PUT", f"{VM1}/config", cores=4)
    run(gateway, "POST", f"{VM1}/status/stop")
    run(gateway, "POST", f"{VM1}/status/start")
    assert run(gateway, "POST", f"{VM1}/migrate", target="pve2", online=1, with_local_disks=1) == "migration aborted"
    assert config(gateway, VM1)["cores"] == 4


def test_a_local_medium_keeps_a_machine_where_it_is(gateway):
    run(gateway, "PUT", f"{VM2}/config", ide2="local:iso/debian.iso,media=cdrom")
    assert run(gateway, "POST", f"{VM2}/migrate", target="pve3") == "migration aborted"


def test_a_clone_goes_to_another_node_if_all_is_shared(gateway):
    assert "local storage" in run(gateway, "POST", "/nodes/pve1/qemu/9000/clone", newid=300, full=1, target="pve2")
    run(gateway, "POST", "/nodes/pve1/qemu", vmid=301, scsi0="nfs:4,format=qcow2", name="shared")
    assert run(gateway, "POST", "/nodes/pve1/qemu/301/clone", newid=302, target="pve2", name="far") == "OK"
    found = config(gateway, "/nodes/pve2/qemu/302")
    assert (found["name"], found["scsi0"]) == ("far", "nfs:302/vm-302-disk-0.qcow2,size=4G")


def test_a_clone_of_a_snapshot_is_as_the_machine_was(gateway):
    run(gateway, "POST", f"{VM2}/snapshot", snapname="before")
    run(gateway, "PUT", f"{VM2}/config", memory=8192)
    assert run(gateway, "POST", f"{VM2}/clone", newid=300, full=1, snapname="before") == "OK"
    assert config(gateway, "/nodes/pve2/qemu/300")["memory"] == "2048"


def test_a_linked_clone_needs_a_template(gateway):
    reason = "Linked clone feature is not supported for 'local-lvm:vm-101-disk-0' (scsi0)"
    assert run(gateway, "POST", f"{VM2}/clone", newid=300, full=0) == reason


def test_an_overlays_name_tells_its_base_where_volumes_are_files(gateway):
    run(gateway, "POST", "/nodes/pve1/qemu", vmid=300, scsi0="local:1,format=qcow2")
    run(gateway, "POST", "/nodes/pve1/qemu/300/template")
    assert run(gateway, "POST", "/nodes/pve1/qemu/300/clone", newid=301) == "OK"
    name = "local:300/base-300-disk-0.qcow2/301/vm-301-disk-0.qcow2"
    assert config(gateway, "/nodes/pve1/qemu/301")["scsi0"] == f"{name},size=1G"


def test_a_raw_file_has_no_snapshots(gateway):
    run(gateway, "POST", "/nodes/pve1/qemu", vmid=300, scsi0="local:1")
    assert run(gateway, "POST", "/nodes/pve1/qemu/300/snapshot", snapname="one") == "snapshot feature is not available"


def test_a_restore_with_start_is_followed_by_a_start_of_its_own(gateway):
    run(gateway, "POST", f"{VM1}/snapshot", snapname="one")
    assert run(gateway, "POST", f"{VM1}/snapshot/one/rollback", start=1) == "OK"
    assert not gateway.world.cluster.machines[100].running
    gateway.world.engine.advance(gateway.world.timing.start)
    assert gateway.world.cluster.machines[100].running


def test_a_moved_disk_leaves_its_source_as_unused_unless_told(gateway):
    assert run(gateway, "POST", f"{VM2}/move_disk", disk="scsi0", storage="nfs") == "OK"
    found = config(gateway, VM2)
    assert (found["scsi0"], found["unused0"]) == ("nfs:101/vm-101-disk-0.raw,size=32G", "local-lvm:vm-101-disk-0")
    same = "you can't move to the same storage with same format"
    assert run(gateway, "POST", f"{VM2}/move_disk", disk="scsi0", storage="nfs") == same
    assert run(gateway, "POST", f"{VM2}/move_disk", disk="scsi0", storage="zfs", delete=1) == "OK"
    assert config(gateway, VM2)["scsi0"] == "zfs:vm-101-disk-0,size=32G"


def test_unlinking_is_deleting(gateway):
    assert run(gateway, "PUT", f"{VM2}/unlink", idlist="scsi0", force=1) == "OK"
    assert "scsi0" not in config(gateway, VM2)


def test_a_start_needs_its_media(gateway):
    run(gateway, "PUT", f"{VM2}/config", ide2="local:iso/debian.iso,media=cdrom")
    run(gateway, "DELETE", "/nodes/pve2/storage/local/content/iso/debian.iso")
    assert run(gateway, "POST", f"{VM2}/status/start") == "volume 'local:iso/debian.iso' does not exist"


def test_a_download_does_not_replace_a_file_unless_it_can_be_compared(gateway):
    asked = {"url": "https://example.com/debian.iso", "content": "iso", "filename": "debian.iso"}
    path = "/nodes/pve1/storage/local/download-url"
    assert run(gateway, "POST", path, **asked) == (
        "refusing to override existing file '/var/lib/vz/template/iso/debian.iso'"
    )
    assert run(gateway, "POST", path, **asked, checksum="00", checksum_algorithm="sha256") == "OK"
    assert run(gateway, "POST", path, **{**asked, "filename": "new one.iso"}) == "OK"
    listed = gateway.call("GET", "/nodes/pve1/storage/local/content", {"content": "iso"}).data
    assert [entry["volid"] for entry in listed] == ["local:iso/debian.iso", "local:iso/new_one.iso"]
    assert run(gateway, "POST", path, **{**asked, "filename": "x.txt"}) == {"filename": "wrong file extension"}


def test_cloud_init_changes_are_pending_until_the_drive_is_created_again(gateway):
    run(gateway, "PUT", f"{VM1}/config", scsi2="local-lvm:cloudinit")
    run(gateway, "PUT", f"{VM1}/config", ciuser="debian", name="renamed")
    told = {entry["key"]: entry for entry in gateway.call("GET", f"{VM1}/cloudinit").data}
    assert told["ciuser"] == {"key": "ciuser", "pending": "debian"}
    run(gateway, "POST", f"{VM1}/status/stop")
    run(gateway, "POST", f"{VM1}/status/start")
    told = {entry["key"]: entry for entry in gateway.call("GET", f"{VM1}/cloudinit").data}
    assert told["ciuser"] == {"key": "ciuser", "value": "debian"}
    assert "hostname: renamed" in gateway.call("GET", f"{VM1}/cloudinit/dump", {"type": "user"}).data


def test_pools_take_and_leave_machines(gateway):
    assert run(gateway, "POST", "/pools", poolid="prod") == "create pool failed: pool 'prod' already exists"
    assert run(gateway, "PUT", "/pools", poolid="x", vms=100) == "update pools failed: pool 'x' does not exist"
    assert run(gateway, "PUT", "/pools", poolid="prod", vms=100) == "OK"
    assert (
        run(gateway, "PUT", "/pools", poolid="prod", vms=100) == "update pools failed: VM 100 is already a pool member"
    )
    listed = gateway.call("GET", "/cluster/resources", {"type": "vm"}).data
    assert {entry["vmid"]: entry.get("pool") for entry in listed} == {100: "prod", 101: None, 9000: None}
    run(gateway, "POST", "/pools", poolid="other")
    assert "allow-move" in run(gateway, "PUT", "/pools", poolid="other", vms=100)
    assert run(gateway, "PUT", "/pools", poolid="other", vms=100, allow_move=1) == "OK"
    assert (
        run(gateway, "PUT", "/pools", poolid="prod", vms=100, delete=1)
        == "update pools failed: VM 100 is not a pool member"
    )
    assert gateway.call("GET", "/pools", {"poolid": "other"}).data[0]["members"][0]["vmid"] == 100


def test_a_number_is_given_once(gateway):
    assert gateway.call("GET", "/cluster/nextid").data == "102"
    assert run(gateway, "GET", "/cluster/nextid", vmid=100) == {"vmid": "VM 100 already exists"}


def test_a_drive_that_takes_an_unused_disk_takes_it_off_the_list(gateway):
    run(gateway, "PUT", f"{VM2}/config", delete="scsi0")
    assert config(gateway, VM2)["unused0"] == "local-lvm:vm-101-disk-0"
    run(gateway, "PUT", f"{VM2}/config", virtio0="local-lvm:vm-101-disk-0")
    assert "unused0" not in config(gateway, VM2)


def test_a_disk_can_be_made_of_an_image(gateway):
    assert run(gateway, "POST", "/nodes/pve1/qemu", vmid=300, scsi0="local-lvm:0,import-from=local:import/x.qcow2") == (
        "OK"
    )
    assert config(gateway, "/nodes/pve1/qemu/300")["scsi0"] == "local-lvm:vm-300-disk-0,size=2G"


def test_what_is_not_simulated_says_so(gateway):
    reason = run(gateway, "DELETE", "/storage/local")
    assert reason == "Method 'DELETE /storage/local' not implemented"


def test_a_list_tells_what_emulators_say_only_if_it_is_asked_in_full(gateway):
    behind.pause(gateway.world, 100)
    plain, full = (gateway.call("GET", "/nodes/pve1/qemu", {"full": flag}).data for flag in ("0", "1"))
    assert [("qmpstatus" in one, one["status"]) for one in plain] == [(False, "running"), (False, "stopped")]
    assert [(one["qmpstatus"], one["status"]) for one in full] == [("paused", "running"), ("stopped", "stopped")]


def test_what_a_guest_wrote_is_cloned_and_comes_back_with_a_snapshot(gateway):
    world = gateway.world
    behind.write(world, 101, "scsi0", 1)
    assert run(gateway, "POST", f"{VM2}/snapshot", snapname="then") == "OK"
    behind.write(world, 101, "scsi0", 2)
    assert run(gateway, "POST", f"{VM2}/clone", newid=300, full=1) == "OK"
    assert run(gateway, "POST", f"{VM2}/clone", newid=301, full=1, snapname="then") == "OK"
    assert [_written(world, vmid) for vmid in (101, 300, 301)] == [2, 2, 1]
    assert run(gateway, "POST", f"{VM2}/snapshot/then/rollback") == "OK"
    assert [_written(world, vmid) for vmid in (101, 300, 301)] == [1, 2, 1]


def _written(world, vmid):
    return world.storages.existing(f"local-lvm:vm-{vmid}-disk-0", "pve2").written


def test_a_disk_that_cannot_be_written_stops_the_emulator(gateway):
    behind.fail(gateway.world, 100)
    assert gateway.call("GET", f"{VM1}/status/current").data["qmpstatus"] == "io-error"


def test_memory_below_the_stored_balloon_is_refused(gateway):
    """As the server's own code has it: only a balloon that is given in the same call replaces the stored one."""
    run(gateway, "PUT", f"{VM2}/config", memory=2048, balloon=1024)
    refusal = "balloon value too large (must be smaller than assigned memory)"
    assert run(gateway, "PUT", f"{VM2}/config", memory=512) == refusal
    assert run(gateway, "PUT", f"{VM2}/config", memory=512, delete="balloon") == refusal
    assert run(gateway, "PUT", f"{VM2}/config", cores=1) == "OK"
    assert run(gateway, "PUT", f"{VM2}/config", memory=512, balloon=512) == "OK"


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("net1", "virtio,bridge=nope", "hotplug problem - VM 100 qmp command 'netdev_add' failed - network script "),
        ("scsi4", "local-lvm:5,import-from=local:import/x.qcow2", "'import-from' requires special syntax - use "),
        ("scsi4", "local:iso/debian.iso", "explicit 'media=cdrom' is required for iso images"),
        ("scsi4", "local:import/x.qcow2", "content type needs to be 'images' or 'iso'"),
    ],
)
def test_what_a_running_vm_does_not_accept(gateway, option, value, error):
    assert run(gateway, "PUT", f"{VM1}/config", **{option: value})[option].startswith(error)
