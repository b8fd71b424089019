# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vm.conf that is copied to another host has records of files that are on the old one."""

from __future__ import annotations

import json
import os

import pytest

from unit.module_utils._drivers.vmm.in_process import rejected, task, well

HERE = os.uname().nodename
_MARK = "# polyvirt "
TWO = {"disks": [{"size": "16M"}, {"size": "16M"}]}


def _mark(host):
    (line,) = [one for one in host.text().splitlines() if one.startswith(_MARK)]
    return json.loads(line[len(_MARK) :])


def _moved(host, recorded, **more):
    """The path of a file that only the record of the VM web names; it was recorded elsewhere, or on no host (None)."""
    well(host, **TWO)
    well(host, disks=[{"slot": "disk1", "state": "absent"}])
    before = _mark(host)
    assert before["host"] == HERE
    mark = {**before, "host": recorded, **more}
    mark = {key: value for key, value in mark.items() if value is not None}
    old, new = (f"{_MARK}{json.dumps(one, sort_keys=True, separators=(',', ':'))}" for one in (before, mark))
    assert old in host.text()
    host.write("/etc/vm.conf", host.text().replace(old, new))
    host.well("vmctl", "reload")
    return str(host.storage / "web-disk1.qcow2")


def test_file_recorded_on_this_host_is_deleted(host):
    _moved(host, HERE)
    assert list(well(host, state="absent").vms[0]["kept"]) == []
    assert host.files() == []


@pytest.mark.parametrize("delete_disks", ["owned", "all"])
@pytest.mark.parametrize(("recorded", "why"), [("old", "recorded on the host old"), (None, "recorded without a host")])
def test_recorded_path_that_is_not_attached_is_kept_and_named(host, recorded, why, delete_disks):
    theirs = _moved(host, recorded, files=[str(host.storage / "no such seed")])
    for check in (True, False):
        outcome = task(host, check=check, state="absent", delete_disks=delete_disks)
        kept = [(one["path"], one["reason"]) for one in outcome.vms[0]["kept"]]
        assert (outcome.failed, kept) == (False, [(theirs, why)])
    assert host.files() == ["web-disk1.qcow2"]


def test_next_change_adds_the_host_to_a_record(host):
    theirs = _moved(host, None)
    well(host, description="moved")
    assert (_mark(host)["host"], theirs in _mark(host)["disks"]) == (HERE, True)
    well(host, state="absent")
    assert host.files() == []


def test_next_change_forgets_the_files_of_the_old_host(host):
    _moved(host, "old")
    well(host, description="moved")
    assert (_mark(host)["host"], _mark(host)["disks"]) == (HERE, [str(host.storage / "web-disk0.qcow2")])
    well(host, state="absent")
    assert host.files() == ["web-disk1.qcow2"]


def test_no_op_writes_no_record(host):
    _moved(host, None)
    before = host.text()
    assert (well(host, disks=[{}]).changed, host.text()) == (False, before)


@pytest.mark.parametrize("recorded", ["old", None])
def test_what_was_begun_on_another_host_is_no_leftover(host, recorded):
    theirs = str(host.storage / "web-disk1.qcow2")
    assert _moved(host, recorded, making=[theirs]) == theirs
    rejected(host, "web-disk1.qcow2", "already exists", **TWO)


def test_interrupted_deletion_is_completed_on_its_host_only(host):
    """Its record has no block any more, so the definition names none of the files."""
    well(host, **TWO)
    disks = [str(host.storage / f"web-disk{number}.qcow2") for number in range(2)]
    for recorded, left in (("old", ["web-disk0.qcow2", "web-disk1.qcow2"]), (HERE, [])):
        mark = {"v": 2, "id": "web", "host": recorded, "unfinished": True, "making": disks}
        host.write("/etc/vm.conf", f"# BEGIN polyvirt.core\n{_MARK}{json.dumps(mark)}\n# END polyvirt.core\n")
        host.well("vmctl", "reload")
        well(host, state="absent")
        assert (host.files(), _MARK in host.text()) == (left, False)
