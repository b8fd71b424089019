# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups on the simulated cluster: creating, protecting, deleting and choosing them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.backup_list import all_backups
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_api import Answer

from simulators.proxmox import behind, worlds
from simulators.proxmox.access import Account, Token, User
from unit.module_utils._drivers.proxmox.disturbed import before_request
from unit.module_utils._drivers.proxmox.simulated import Api, do, do_backup, driver_of, rejected

HOUR = 3600
#: The identity of another VM.
OTHER = "uuid=3f078c8c-3f1b-4bb0-8b0a-3c1b5ae0a0f1"


def stored(world, storage="backups"):
    """[(name, Volume)] of the backups on a storage, oldest first."""
    volumes = world.storages.get(storage).volumes
    found = [(key[1], volume) for key, volume in volumes.items() if volume.content == "backup"]
    return sorted(found, key=lambda pair: (pair[1].created, pair[0]))


def record_of(volume):
    return json.loads(volume.notes.partition("polyvirt ")[2])


def by_hand(world, **more):
    """Somebody creates a backup of web1 without this collection; ten minutes later it is complete."""
    Api(world).call("POST", "/nodes/pve1/vzdump", {"vmid": 100, "storage": "backups", **more})
    world.engine.advance(600)


def copy_notes(world):
    """A later VM with the number of web1 has a backup with the notes of one of web1; returns the record in them."""
    taken(world, name="web1")
    record, notes = record_of(stored(world)[0][1]), stored(world)[0][1].notes
    world.storages.get("backups").volumes.clear()
    behind.edit(world, 100, smbios1=OTHER)
    by_hand(world, **{"notes-template": notes})
    return record


def taken(world, **options):
    """Assert that a task creates backups as check mode predicts, and nothing when it runs again."""
    check, real = do_backup(world, check=True, **options), do_backup(world, **options)
    assert (check.failed, real.failed, real.changed, check.changed) == (False, False, True, True), real.msg
    assert real.diff == check.diff
    unchanged(world, **options)
    return real


def unchanged(world, **options):
    world.journal.clear()
    again = do_backup(world, **options)
    assert (again.failed, again.changed, again.diff) == (False, False, []), again.msg
    assert world.journal.writes() == []


def reject(world, *words, **options):
    rejected(world, *words, run=do_backup, **options)


def test_backup_is_created_once_in_its_age(world):
    result = taken(world, name="web1").vms[0]
    ((_name, volume),) = stored(world)
    assert record_of(volume)["consistency"] == "filesystem"
    assert [one["consistency"] for one in result["backups"]] == ["filesystem"]
    assert result["backups"][0]["id"] == record_of(volume)["id"]
    assert "lock" not in world.cluster.machines[100].config.current
    world.engine.advance(HOUR * 0.8)
    unchanged(world, name="web1")
    world.engine.advance(HOUR * 0.2)
    taken(world, name="web1")
    assert len(stored(world)) == 2


def test_stopped_vm_and_several_vms(world):
    result = taken(world, name=["web1", "web2"])
    assert [vm["backups"][0]["consistency"] for vm in result.vms] == ["filesystem", "stopped"]
    assert not world.cluster.machines[101].running


def test_storage_of_each_node_and_backup_server(world):
    world.storages.get("local").content |= {"backup"}
    taken(world, name=["web1", "web2"], storage="local")
    volumes = world.storages.get("local").volumes
    assert sorted(key[0] for key, volume in volumes.items() if volume.content == "backup") == ["pve1", "pve2"]
    taken(world, name="web1", storage="pbs")


@pytest.mark.parametrize(("agent", "warned"), [("0", False), ("1,freeze-fs=0", True)])
def test_crash_consistency_without_an_agent(world, agent, warned):
    """A guest that has an agent, and was not frozen, is a warning."""
    behind.edit(world, 100, agent=agent)
    assert any("were not frozen" in text for text in taken(world, name="web1").warnings) is warned
    assert record_of(stored(world)[0][1])["consistency"] == "crash"
    reject(world, "consistency: filesystem", name="web1", consistency="filesystem")


def test_filesystem_needs_an_agent_that_answers(world):
    world.cluster.machines[100].started_at = world.now
    reject(world, "consistency: filesystem: QEMU guest agent is not running", name="web1", consistency="filesystem")
    world.engine.advance(60)
    taken(world, name="web1", consistency="filesystem")


def test_freeze_that_fails_is_an_error_if_it_was_requested(world):
    guest = world.cluster.machines[100].guest
    guest.agent_error = "failed to freeze /var: Device or resource busy"
    failed = do_backup(world, name="web1", consistency="filesystem")
    assert failed.failed
    assert "the backup was created, but its consistency is crash" in failed.msg
    assert "failed to freeze /var" in failed.msg
    assert record_of(stored(world)[0][1])["consistency"] == "crash"


def test_verification_is_that_of_the_backup_server(world):
    taken(world, name="web1", storage="pbs")
    unchanged(world, name="web1", storage="pbs", verify=True)
    stored(world, "pbs")[0][1].verification = "failed"
    assert do_backup(world, name="web1", storage="pbs", verify=True).changed
    reject(world, "verify", "vma verify", name="web1", verify=True)


def test_stopped_consistency_stops_and_starts_with_permission(world):
    reject(world, "allow_restart: true", name="web1", consistency="stopped")
    world.cluster.machines[100].started_at = world.now - 100
    taken(world, name="web1", consistency="stopped", allow_restart=True)
    assert world.cluster.machines[100].running
    assert record_of(stored(world)[0][1])["consistency"] == "stopped"


def test_warnings_of_vzdump_are_a_success(world):
    world.faults.task("vzdump", "EFI disk without 2023 certificates", warnings=1)
    outcome = do_backup(world, name="web1")
    assert not outcome.failed
    assert any("2023 certificates" in text for text in outcome.warnings)


def test_failed_vzdump_is_a_failure_and_the_next_run_succeeds(world):
    for step in (0, 1, 2):
        world.faults.task("vzdump", "write error", step=step)
        outcome = do_backup(world, name="web1")
        assert outcome.failed
        assert "Backup of VM 100 failed - write error" in outcome.msg
        assert stored(world) == []
    taken(world, name="web1")


def test_answer_without_a_task_is_no_success(world):
    """The VM has moved to another node since it was observed."""
    volumes = world.storages.get("local-lvm").volumes
    volumes["pve2", "vm-100-disk-0"] = volumes["pve1", "vm-100-disk-0"]
    api = before_request(world, "POST", "/vzdump", lambda: setattr(world.cluster.machines[100], "node", "pve2"))
    outcome = do_backup(world, api=api, name="web1")
    assert not outcome.failed, outcome.msg
    assert record_of(stored(world)[0][1])["host"] == "pve2"


@pytest.mark.parametrize("kind", ["reset_after", "reset"])
def test_lost_answer_creates_no_second_backup(world, kind):
    world.faults.request(kind, method="POST", path=".*/vzdump")
    outcome = do_backup(world, name="web1")
    assert not outcome.failed, outcome.msg
    assert len(stored(world)) == 1
    unchanged(world, name="web1")


def test_running_backup_of_a_killed_task_is_awaited(world):
    """A task that was killed has started it: the next one waits, and creates none."""
    do_backup(world, name="web1")
    ((_name, volume),) = stored(world)
    notes = volume.notes
    world.storages.get("backups").volumes.clear()
    Api(world).call("POST", "/nodes/pve1/vzdump", {"vmid": 100, "storage": "backups", "notes-template": notes})
    outcome = do_backup(world, name="web1")
    assert (outcome.failed, outcome.changed) == (False, False), outcome.msg
    assert len(stored(world)) == 1


def test_backups_of_others_do_not_count(world):
    by_hand(world)
    taken(world, name="web1", keep_last=1)
    assert len(stored(world)) == 2


def test_backups_with_a_record_are_listed_also_those_of_deleted_vms(world):
    by_hand(world)
    do_backup(world, name="web1")
    assert do(world, name="web1", state="absent", delete_disks="all", stop_mode="force").changed
    driver = driver_of(world, params={"storage": "backups"})
    found, warnings = all_backups(driver, verifies=False)
    assert ([one.vm for one in found], warnings) == (["web1"], [])
    with pytest.raises(Unsupported, match="vm_backup_info: verify: Proxmox VE verifies backups only on"):
        all_backups(driver, verifies=True)


def test_copied_notes_do_not_make_a_backup(world):
    record = copy_notes(world)
    behind.edit(world, 100, smbios1=f"uuid={record['birth'].split(':')[2]}")
    outcome = do_backup(world, name="web1")
    assert any("its configuration is of another VM" in text for text in outcome.warnings)
    assert len(stored(world)) == 2


def test_notes_of_another_number_do_not_count(world):
    """Somebody gave the notes of a backup of web1 to one of web2, and deleted the first one."""
    taken(world, name="web1")
    ((name, _volume),) = stored(world)
    storage = world.storages.get("backups")
    other = name.replace("-100-", "-101-")
    storage.volumes[None, other] = replace(storage.volumes.pop((None, name)), vmid=101)
    taken(world, name="web1", keep_last=1)
    assert [volume.vmid for _name, volume in stored(world)] == [101, 100]


def test_retention_counts_one_vm_and_keeps_protected_ones(world):
    taken(world, name="web2")
    for number in range(4):
        taken(world, name="web1", protected=number == 0)
        world.engine.advance(HOUR)
    taken(world, name="web1", keep_last=2)
    assert [(volume.vmid, volume.protected) for _name, volume in stored(world)] == [
        (101, False), (100, True), (100, False), (100, False),
    ]  # fmt: skip


def test_clock_that_is_wrong_makes_no_backup_old(world, monkeypatch):
    monkeypatch.setattr("simulators.proxmox.api_cluster.time.time", lambda: world.now)
    for _number in range(3):
        taken(world, name="web1")
        world.engine.advance(HOUR)
    ahead = int(world.now) + 400 * 24 * HOUR
    for check in (True, False):
        outcome = do_backup(world, check=check, name="web1", keep_within="24h", controller_time=ahead)
        assert "web1: keep_within: the clock of the host shows" in outcome.msg
        assert len(stored(world)) == 3
    done = do_backup(world, name="web1", keep_within="2h")
    assert (done.failed, len(stored(world))) == (False, 2), done.msg


def test_no_retention_after_a_failure(world):
    for _number in range(2):
        taken(world, name="web1")
        world.engine.advance(HOUR)
    world.faults.task("vzdump", "write error", step=1)
    assert do_backup(world, name="web1", keep_last=1).failed
    assert len(stored(world)) == 2


def test_protection_and_deletion(world):
    taken(world, name="web1", protected=True)
    backup = record_of(stored(world)[0][1])["id"]
    reject(world, "is protected", name="web1", state="absent", backup=backup)
    taken(world, name="web1", protected=False)
    ((volume, _stored),) = stored(world)
    done = taken(world, name="web1", state="absent", backup=backup)
    assert done.vms[0]["deleted"] == [f"backups:{volume}"]
    assert stored(world) == []


@pytest.mark.parametrize("line", ["ERROR: an unknown text", "WARN: an unknown text", "an unknown text"])
def test_unknown_end_of_a_freeze_is_no_freeze(world, line):
    """Only a log that shows the freeze proves it."""
    real = Api.call

    class Logging(Api):
        def call(self, method, path, parameters=None):
            answer = real(self, method, path, parameters)
            if path.endswith("/log"):
                place = next(number for number, one in enumerate(answer.data) if "fs-freeze" in one["t"])
                answer.data.insert(place + 1, {"n": place + 1, "t": line})
            return answer

    outcome = do_backup(world, api=Logging(world), name="web1")
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert record_of(stored(world)[0][1])["consistency"] == "crash"
    assert any("were not frozen" in text and "an unknown text" in text for text in outcome.warnings)


def cannot_be_read(world, **answer):
    """There is a backup with a configuration that cannot be read any more; returns its id."""
    taken(world, name="web1")
    world.faults.request("reply", method="GET", path=".*/extractconfig", times=999, **answer)
    return record_of(stored(world)[0][1])["id"]


def test_damaged_backup_can_be_deleted(world):
    backup = cannot_be_read(world, status=500, reason="archive is corrupt")
    taken(world, name="web1", state="absent", backup=backup)
    assert stored(world) == []


def test_backup_on_a_node_that_does_not_answer_is_not_deleted(world):
    """An error of the node is no proof that the backup is damaged."""
    backup = cannot_be_read(world, status=595, reason="No route")
    assert do_backup(world, name="web1", state="absent", backup=backup).failed
    assert len(stored(world)) == 1


def test_backup_of_another_vm_is_not_deleted(world):
    outcome = do_backup(world, name="web1", state="absent", backup=copy_notes(world)["id"])
    assert outcome.failed
    assert "its configuration is of another VM" in outcome.msg
    assert len(stored(world)) == 1


def test_retention_leaves_a_backup_that_cannot_be_read(world):
    """A damaged backup is reported; only a task that names it deletes it."""
    for _number in range(3):
        taken(world, name="web1")
        world.engine.advance(HOUR)
    damaged = stored(world)[0][0]
    taken(world, name="web1")

    class Damaged(Api):
        def call(self, method, path, parameters=None):
            if path.endswith("/extractconfig") and parameters["volume"].endswith(damaged):
                return Answer(500, "archive is corrupt", None, None)
            return super().call(method, path, parameters)

    outcome = do_backup(world, api=Damaged(world), name="web1", keep_last=1)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert any("archive is corrupt" in text for text in outcome.warnings)
    assert stored(world)[0][0] == damaged
    assert len(stored(world)) == 2


def test_damaged_backup_does_not_count(world):
    taken(world, name="web1", storage="pbs")
    stored(world, "pbs")[0][1].verification = "failed"
    outcome = do_backup(world, name="web1", storage="pbs")
    assert outcome.changed
    assert any("has failed" in text for text in outcome.warnings)
    assert len(stored(world, "pbs")) == 2


def test_excluded_disks_are_named_by_the_task(world):
    do(world, name="web2", disks=[{"slot": "scsi0"}, {"slot": "scsi1", "size": "1G"}])
    behind.edit(world, 101, scsi1=world.cluster.machines[101].config.current["scsi1"] + ",backup=0")
    reject(world, "scsi1", "exclude: [scsi1]", name="web2")
    reject(world, "exclude: scsi0", name="web2", exclude=["scsi0", "scsi1"])
    taken(world, name="web2", exclude=["scsi1"])


def test_rejections_before_the_first_request(world):
    reject(world, "no node that is online has the storage 'nfs' for backups", name="web1", storage="nfs")
    reject(world, "does not exist", name="nothing")
    world.storages.get("backups").total = 0
    behind.edit(world, 100, smbios1=None)
    reject(world, "nothing identifies this VM", name="web1")


def test_storage_without_space(world):
    taken(world, name="web1")
    world.engine.advance(HOUR)
    storage = world.storages.get("backups")
    storage.total = sum(volume.size for volume in storage.volumes.values()) + 1
    world.statistics.renew()
    reject(world, "free, and the backups of the task need about", name="web1")


def test_privileges(world):
    world.access.accounts["a@pve"] = Account(tokens={"t": Token("x", separated=False)})
    held = {"VM.Audit", "Datastore.Audit", "Sys.Audit"}
    for missing in ("VM.Backup", "Datastore.AllocateSpace", None):
        world.access.roles["Some"] = frozenset(held)
        world.access.allow("/", "a@pve", "Some")
        outcome = do_backup(world, api=Api(world, User("a@pve", "t")), name="web1")
        assert (missing or "") in outcome.msg
        assert outcome.failed is (missing is not None), outcome.msg
        held.add(missing)


def test_old_server_has_no_notes():
    world = worlds.with_cases(version=(7, 0))
    reject(world, "Update it to 7.1 or later", name="web1")
