# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that a task does not see, because their node does not answer or the account may not read them.

An empty list proves nothing then: no older backup is restored in silence, and none counts as deleted.
"""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.backup_list import all_backups

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.simulated import do_backup, driver_of, rejected
from unit.module_utils._drivers.proxmox.tasks import account, done
from unit.module_utils._drivers.proxmox.test_backups import record_of, stored

SILENT = "the backups on 'local' of pve2 are unknown"


def offline(world):
    behind.node(world, "pve2", online=False)


def silent(world):
    """The list of the cluster is older than the failure of the node."""
    world.faults.request("reply", method="GET", path="/nodes/pve2/storage/.*", status=595, reason="No route", times=99)


@pytest.fixture(name="backup", params=[offline, silent])
def _backup(request, world):
    """The ID of a backup of web2 on the local storage of pve2, which does not answer."""
    world.storages.get("local").content |= {"backup"}
    assert do_backup(world, name="web2", storage="local").changed
    backup = record_of(stored(world, "local")[-1][1])["id"]
    request.param(world)
    return backup


@pytest.mark.parametrize("by_id", [False, True])
def test_restore_is_rejected(world, backup, by_id):
    asked = {"state": "restored", "backup": backup if by_id else "newest", "new_name": "web2b"}
    rejected(world, SILENT, "pvecm status", run=do_backup, name="web2", storage="local", **asked)


def test_restore_and_deletion_of_a_backup_that_is_seen(world, backup):
    assert do_backup(world, name="web1", storage="local").changed
    seen = next(record_of(one)["id"] for _name, one in stored(world, "local") if one.vmid == 100)
    asked = {"name": "web1", "storage": "local", "state": "restored", "new_name": "web1b"}
    rejected(world, SILENT, run=do_backup, **asked, backup="newest")
    assert done(world, run=do_backup, **asked, backup=seen).changed
    assert done(world, run=do_backup, name="web1", storage="local", state="absent", backup=seen).changed


def test_deletion_is_rejected(world, backup):
    rejected(world, SILENT, run=do_backup, name="web2", storage="local", state="absent", backup=backup)
    assert len(stored(world, "local")) == 1


def test_new_backup_is_created_with_a_warning(world, backup):
    """The VM may have been on the other node when it was backed up; one backup too many is no loss."""
    for check in (True, False):
        outcome = do_backup(world, check=check, name="web1", storage="local")
        assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
        assert any(SILENT in text for text in outcome.warnings)
    again = do_backup(world, name="web1", storage="local")
    assert (again.changed, [text for text in again.warnings if SILENT in text]) == (False, [])


def test_list_of_backups_warns(world, backup):
    found, warnings = all_backups(driver_of(world, params={"storage": "local"}), verifies=False)
    assert (found, len(warnings)) == ([], 1)
    assert SILENT in warnings[0]


def test_shared_storage_is_read_on_another_node(world):
    assert do_backup(world, name="web1").changed
    world.faults.request("reply", method="GET", path="/nodes/pve1/storage/.*", status=595, reason="No route", times=99)
    outcome = do_backup(world, name="web1")
    assert (outcome.failed, outcome.changed, outcome.warnings) == (False, False, []), outcome.msg


@pytest.fixture(name="api")
def _api(world):
    """The API for an account that sees all VMs and the storage, and backups of web1 only."""
    see = {"VM.Audit", "Datastore.Audit", "Datastore.AllocateSpace", "Sys.Audit"}
    return account(world, ("/", see), ("/vms/100", {"VM.Audit", "VM.Backup"}))


def test_account_that_may_not_see_all_backups(world, api):
    assert do_backup(world, name=["web1", "web2"]).changed
    hidden, seen = (
        record_of(next(one for _name, one in stored(world) if one.vmid == vmid))["id"] for vmid in (101, 100)
    )
    words = "ci@pve!t does not see the backups of all VMs"
    absent = do_backup(world, api=api, name="web2", state="absent", backup=hidden)
    assert (absent.failed, absent.changed) == (False, False)
    assert any(words in text for text in absent.warnings)
    restore = do_backup(world, api=api, name="web2", state="restored", backup="newest", new_name="web2b")
    assert restore.failed
    assert any(words in text for text in restore.warnings)
    found, warnings = all_backups(driver_of(world, api, {"storage": "backups"}), verifies=False)
    assert ([one.id for one in found], len(warnings)) == ([seen], 1)
    deleted = do_backup(world, api=api, name="web1", state="absent", backup=seen)
    assert (deleted.changed, deleted.warnings) == (True, [])


@pytest.mark.parametrize("asked", [{"state": "absent", "backup": "x"}, {"state": "restored", "backup": "newest"}])
def test_account_that_sees_no_backup_at_all(world, asked):
    """The server lists none, and reports no error."""
    assert do_backup(world, name="web1").changed
    seeing = {"VM.Audit", "VM.Backup", "Datastore.Audit", "Sys.Audit"}
    api, words = account(world, ("/", seeing)), "Datastore.AllocateSpace"
    rejected(world, words, "/storage/backups", run=do_backup, api=api, name="web1", **asked)
    found, warnings = all_backups(driver_of(world, api, {"storage": "backups"}), verifies=False)
    assert (found, [words in text for text in warnings]) == ([], [True])


def test_deletion_of_a_backup_says_nothing_about_hidden_vms(world):
    """Backups of VMs that are gone can be deleted; whether there is a VM with this name does not matter."""
    store = {"Datastore.Audit", "Datastore.Allocate", "Datastore.AllocateSpace"}
    api = account(world, ("/storage/backups", store), ("/vms/100", {"VM.Audit", "VM.Backup"}))
    outcome = do_backup(world, api=api, name="gone", state="absent", backup="x")
    assert (outcome.failed, outcome.changed, outcome.warnings) == (False, False, []), outcome.msg
