# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed while the server restores a backup for it: the next one completes that and begins no second one.

Until the end of a restore its VM has neither a lock nor a name nor a record (recorded: restore_busy).
"""

from __future__ import annotations

import pytest

from simulators.proxmox.access import Token, User
from simulators.proxmox.gateway import Gateway
from unit.module_utils._drivers.proxmox.disturbed import Disturbed, Killed
from unit.module_utils._drivers.proxmox.simulated import Api, do, do_backup, machine_of
from unit.module_utils._drivers.proxmox.tasks import done
from unit.module_utils._drivers.proxmox.test_restored_backups import BESIDE, REPLACE, back_up, byte_of

IN_PLACE = {"name": "web1", "state": "restored", "backup": "newest"}


def _killed_meanwhile(world, asked, seconds=0):
    """A task is killed after its first request, which starts the restore; returns the restore, which still runs."""
    back_up(world)
    if asked is IN_PLACE:
        done(world, name="web1", id="100", state="stopped", stop_mode="force")
        done(world, name="web1", id="100", state="absent", delete_disks="all")
    with pytest.raises(Killed):
        do_backup(world, api=Disturbed(world, 0, "kill after"), **asked)
    world.engine.advance(seconds)
    world.journal.clear()
    (task,) = (task for task in world.tasks.by_upid.values() if task.type == "qmrestore")
    assert task.exitstatus is None
    return task


def _restored_to(world):
    """The numbers to which restores were begun since then."""
    return [entry.params["vmid"] for entry in world.journal.writes() if "archive" in entry.params]


@pytest.mark.parametrize("seconds", [0, 2, 10])
@pytest.mark.parametrize(("asked", "begun"), [(BESIDE, []), (REPLACE, ["100"]), (IN_PLACE, [])])
def test_next_task_waits_for_the_restore_that_a_killed_one_has_begun(world, asked, begun, seconds):
    _killed_meanwhile(world, asked, seconds)
    done(world, run=do_backup, **asked)
    # Of a VM that is replaced, the copy was begun by the killed task.
    assert _restored_to(world) == begun
    new = [asked["new_name"]] if "new_name" in asked else []
    names = [machine.config.current.get("name") for machine in world.cluster.machines.values()]
    assert sorted(names) == sorted(["tmpl", "web1", "web2", *new])
    assert byte_of(world, asked.get("new_name", "web1")) == 7
    machine_of(world, "web1").config.current.pop("unused0", None)


def test_task_ends_at_its_timeout_while_the_restore_runs(world):
    world.timing.restore_per_gib = 100
    _killed_meanwhile(world, BESIDE)
    outcome = do_backup(world, timeout=60, **BESIDE)
    assert outcome.failed and "VM 102 is being restored by this account" in outcome.msg
    assert _restored_to(world) == []


@pytest.mark.parametrize("log", ["vma extract {}", "pbs-restore vm/100/2026-01-01T00:00:00Z"])
def test_restore_of_another_backup_is_not_waited_for(world, log):
    task = _killed_meanwhile(world, BESIDE)
    task.say(log.format("/mnt/dump/vzdump-qemu-101-2026_01_01-00_00_00.vma.zst"))
    done(world, run=do_backup, **{**BESIDE, "new_name": "web1c"})
    assert _restored_to(world) == ["103"]


def test_restore_of_this_backup_is_known_by_its_log(world):
    task = _killed_meanwhile(world, BESIDE)
    (archive,) = (name for _node, name in world.storages.get("backups").volumes)
    task.say(f"restore vma archive: zstd -q -d -c /mnt/dump/{archive.rpartition('/')[2]} | vma extract")
    done(world, run=do_backup, **BESIDE)
    assert _restored_to(world) == []


def test_vms_of_one_task_do_not_wait_for_each_other(world):
    """The server still restores one VM while the task begins with the next."""
    back_up(world)
    back_up(world, "web2")
    world.timing.restore_per_gib = 10
    world.journal.clear()
    done(world, run=do_backup, timeout=30, **{**REPLACE, "name": ["web1", "web2"]})
    assert sorted(_restored_to(world)) == ["100", "101", "102", "103"]
    for vmid in (100, 101):
        world.cluster.machines[vmid].config.current.pop("unused0", None)


def test_restore_by_another_account_is_not_waited_for(world):
    _killed_meanwhile(world, BESIDE)
    world.access.accounts["root@pam"].tokens["other"] = Token("s", separated=False)
    other = Api(world, User("root@pam", "other"))
    done(world, run=do_backup, api=other, **{**BESIDE, "new_name": "web1c"})
    assert _restored_to(world) == ["103"]


def test_stopped_restore_of_a_killed_task_is_done_again(world):
    """Its rest has no record, so nothing proves that it is not what is left of another VM: it remains."""
    task = _killed_meanwhile(world, BESIDE)
    Gateway(world).call("DELETE", f"/nodes/pve1/tasks/{task.upid}")
    world.engine.advance(5)
    done(world, run=do_backup, **BESIDE)
    assert _restored_to(world) == ["103"] and byte_of(world, "web1b") == 7
    assert dict(world.cluster.machines[102].config.current) == {"memory": "128"}
    done(world, id="102", state="absent")
    assert not do(world, name="web1b", state="absent").failed
