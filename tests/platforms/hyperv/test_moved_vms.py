# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that is moved takes its record along: at a path in it, the new host can have a file of somebody else."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.mark import notes_of, split_notes

from platforms.hyperv.counts import host_with
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.tasks import done, run

NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}, {"size": "4G"}], "networks": []}
WEB = {"name": ["web"]}
FIRST, SECOND = (f"C:\\Hyper-V\\Disks\\web-scsi0-{number}.vhdx" for number in range(2))
MACHINE = HyperV().machine
SEED = "C:\\Hyper-V\\Disks\\web-seed.iso"


def _mark(host):
    return split_notes(host.vm("web").shown["Notes"])[1]


def _moved(recorded, **more):
    """A VM with a detached disk, and a record of another host, or without any (None)."""
    host = host_with()
    done(host, **{**NEW, "cloud_init": {"user_data": {}}})
    done(host, **WEB, disks=[{"slot": "SCSI 0:1", "state": "absent"}])
    host.vm("web").hardware.drives = host.vm("web").hardware.disks()
    mark = {**_mark(host), "host": recorded, **more}
    host.vm("web").shown["Notes"] = notes_of("", {key: value for key, value in mark.items() if value is not None})
    return host


def test_files_recorded_on_this_host_are_deleted():
    host = _moved(MACHINE)
    assert done(host, **WEB, state="absent")["vms"][0]["kept"] == []
    assert not {one.lower() for one in (FIRST, SECOND, SEED)} & set(host.files.contents)


@pytest.mark.parametrize("delete_disks", ["owned", "all"])
@pytest.mark.parametrize(
    ("recorded", "why"), [("OLD", "recorded on the host OLD"), (None, "without a host"), ("HOST", "on the host HOST")]
)
def test_recorded_path_that_is_not_attached_is_kept_and_named(recorded, why, delete_disks):
    host = _moved(recorded)
    for check in (True, False):
        result = run(host, check=check, **WEB, state="absent", delete_disks=delete_disks)
        kept = {one["path"]: one["reason"] for one in result["vms"][0]["kept"]}
        assert (result["failed"], set(kept), all(why in one for one in kept.values())) == (False, {SECOND, SEED}, True)
    assert FIRST.lower() not in host.files.contents
    assert {SECOND.lower(), SEED.lower()} <= set(host.files.contents)


def test_next_change_adds_the_host_to_a_record():
    host = _moved(None)
    done(host, **WEB, cpus=4)
    assert (_mark(host)["host"], _mark(host)["disks"]) == (host.machine, [FIRST, SECOND])
    assert done(host, **WEB, state="absent")["vms"][0]["kept"] == []


def test_next_change_forgets_the_files_of_the_old_host():
    host = _moved("OLD")
    done(host, **WEB, cpus=4)
    assert (_mark(host)["host"], _mark(host)["disks"], _mark(host)["files"]) == (host.machine, [FIRST], [])
    done(host, **WEB, state="absent")
    assert SECOND.lower() in host.files.contents


def test_host_without_an_id_proves_nothing():
    """Its user may not read the id: then no record shows that a file is of this host."""
    host = _moved("")
    host.machine = ""
    assert {one["path"] for one in done(host, **WEB, state="absent")["vms"][0]["kept"]} == {SECOND, SEED}


@pytest.mark.parametrize("recorded", ["OLD", None])
def test_what_was_begun_on_another_host_is_no_leftover(recorded):
    host = _moved(recorded, making=[SECOND])
    before = host.writes()
    for check in (True, False):
        result = run(host, check=check, **WEB, disks=[{}, {"size": "4G"}])
        assert (result["failed"], f"{SECOND} already exists" in result["msg"]) == (True, True), result["msg"]
    assert (host.writes(), SECOND.lower() in host.files.contents) == (before, True)


def test_no_op_writes_no_record():
    host = _moved(None)
    before = host.writes()
    assert not done(host, **WEB, cpus=2)["changed"]
    assert host.writes() == before
