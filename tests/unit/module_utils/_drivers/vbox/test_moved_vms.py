# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A settings file that is moved to another host has a record of files that are on the old one."""

from __future__ import annotations

import json
import os

import pytest

from unit.module_utils._drivers.vbox.in_process import MIB, configure, observed, rejected, task

HERE = os.uname().nodename
KEY = "polyvirt/mark"


def _stored(vbox):
    return json.loads(vbox.run("getextradata", "web", KEY).partition("Value: ")[2])


def _moved(vbox, recorded, **more):
    """(seed ISO, new disk): files of others at paths that only the record names, of another host or of none (None)."""
    task(vbox, cloud_init={"user": "admin"}).succeeded()
    assert _stored(vbox)["host"] == HERE
    (seed,) = (vbox.machines / "web").glob("*.iso")
    (slot,) = [key for key, value in vbox.values("web").items() if value == str(seed)]
    controller, port, device = slot.rsplit("-", 2)
    words = ("--storagectl", controller, "--port", port, "--device", device)
    vbox.run("storageattach", "web", *words, "--medium", "none")
    disk = vbox.machines / "web" / "web-SATA-3.vdi"
    disk.write_bytes(b"somebody's")
    seed.write_bytes(b"somebody's")
    mark = {**_stored(vbox), "host": recorded, "making": [str(disk)], **more}
    mark = {key: value for key, value in mark.items() if value is not None}
    vbox.run("setextradata", "web", KEY, json.dumps(mark))
    return seed, disk


def test_files_recorded_on_this_host_are_deleted(vbox):
    seed, disk = _moved(vbox, HERE)
    assert list(task(vbox, state="absent").succeeded().vm["kept"]) == []
    assert (seed.exists(), disk.exists()) == (False, False)


@pytest.mark.parametrize("delete_disks", ["owned", "all"])
@pytest.mark.parametrize(("recorded", "why"), [("old", "recorded on the host old"), (None, "recorded without a host")])
def test_recorded_path_that_is_not_attached_is_kept_and_named(vbox, recorded, why, delete_disks):
    seed, disk = _moved(vbox, recorded)
    for check in (True, False):
        done = task(vbox, state="absent", delete_disks=delete_disks, check=check).succeeded()
        assert {one["path"]: one["reason"] for one in done.vm["kept"]} == {str(seed): why, str(disk): why}
    assert (seed.read_bytes(), disk.read_bytes()) == (b"somebody's", b"somebody's")
    assert not (vbox.machines / "web" / "web-SATA-0.vdi").exists()


@pytest.mark.parametrize("recorded", ["old", None])
def test_what_was_begun_on_another_host_is_no_leftover(vbox, recorded):
    _seed, disk = _moved(vbox, recorded)
    rejected(vbox, "already exists", config={"disks": {"SATA 3": {"size": 2 * MIB}}})
    assert disk.read_bytes() == b"somebody's"


@pytest.mark.parametrize(("recorded", "files"), [("old", []), (None, ["web.polyvirt-seed.iso"])])
def test_next_change_adds_the_host_to_a_record(vbox, recorded, files):
    _moved(vbox, recorded, answers=["web.polyvirt-seed.iso"])
    assert task(vbox, config={}).succeeded().writes == []
    configure(vbox, memory=24 * MIB)
    stored = _stored(vbox)
    assert (stored["host"], stored["files"], len(stored["disks"])) == (HERE, files, 1)
    assert not stored.get("making") and not stored["answers"]
    assert observed(vbox).mark == stored
