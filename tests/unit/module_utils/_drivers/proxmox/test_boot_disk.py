# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing a disk: the server does not detach one in the boot order while the VM runs (recorded: destroy_refused).

With ``allow_restart`` the task restarts the VM for that, and never cuts its power unless ``stop_mode`` says so.
"""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.proxmox.simulated import applied, do, put, unchanged
from unit.module_utils._drivers.proxmox.tasks import done, failed

#: {guest: (power state before, seconds that it needs to shut down)}
GUESTS = {"obeys": ("started", 5.0), "deaf": ("started", None), "off": ("stopped", 5.0), "paused": ("paused", 5.0)}
_RUNNING = ["stop", "configure", "start"]
RESTARTS = {"obeys": _RUNNING, "deaf": _RUNNING, "paused": ["resume", *_RUNNING, "pause"]}


def _without(slot, **others):
    return {"name": "web1", "disks": [{"slot": slot, "state": "absent"}], "stop_timeout": 25, **others}


def _verbs(outcome):
    return [step["verb"] for step in outcome.vms[0]["steps"]]


def _calls(world):
    return [entry.path.rpartition("/")[2] for entry in world.journal.writes()]


@pytest.fixture(name="guest")
def _guest(world, request):
    state, seconds = GUESTS[request.param]
    done(world, name="web1", disks=[{"slot": "scsi1", "size": "1G"}], state=state)
    world.cluster.machines[100].guest.stops_within = seconds
    world.journal.clear()
    return request.param


@pytest.mark.parametrize("slot", ["scsi0", "scsi1"], ids=["boot disk", "other disk"])
@pytest.mark.parametrize("guest", GUESTS, indirect=True)
def test_removal_of_a_disk_is_complete_after_one_run_and_kills_no_guest(world, guest, slot):
    restarts = slot == "scsi0" and guest in RESTARTS
    requested, machine = _without(slot, allow_restart=True), world.cluster.machines[100]
    before = machine.running, machine.qmp, machine.text
    check = do(world, check=True, **requested)
    assert _verbs(check) == (RESTARTS[guest] if restarts else ["configure"])
    if (guest, slot) == ("deaf", "scsi0"):
        first, again = (failed(world, "after stop it is still running", **requested) for _run in range(2))
        assert (first.msg, _verbs(first)) == (again.msg, _verbs(again)) and not again.changed
        assert set(_calls(world)) == {"shutdown"} and (machine.running, machine.qmp, machine.text) == before
        machine.guest.stops_within = 5.0
    config = applied(world, **requested)
    assert slot not in config and "unused0" in config and "stop" not in _calls(world)
    assert (machine.running, machine.qmp) == before[:2]
    assert not (machine.config.pending or machine.config.deletes)


@pytest.mark.parametrize("guest", ["obeys"], indirect=True)
@pytest.mark.parametrize("boot", [{}, {"boot": "cdn", "bootdisk": "scsi0"}], ids=["order", "old form"])
def test_boot_disk_waits_without_permission_for_a_restart(world, guest, boot):
    if boot:
        put(world, 100, **boot)
        done(world, name="web1", state="restarted")
    check, real = (do(world, check=one, **_without("scsi0")) for one in (True, False))
    assert [one.vms[0]["restart_required"] for one in (check, real)] == [["disks.scsi0"]] * 2, real.msg
    assert check.diff == real.diff
    unchanged(world, **_without("scsi0"))


@pytest.mark.parametrize("guest", ["deaf"], indirect=True)
def test_only_a_mode_with_force_cuts_the_power_for_the_boot_disk(world, guest):
    applied(world, **_without("scsi0", allow_restart=True, stop_mode="graceful_then_force"))
    assert _calls(world).count("stop") == 1
