# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that VBoxManage prints or parses in a special way: the task uses the right VM, or fails with the reason."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from platforms.virtualbox.tasks import MIB, SMALL, snapshot, task

pytestmark = pytest.mark.deep("strange names on every platform: suite, test_ownership.py and test_snapshots.py")

UUID = "11111111-2222-3333-4444-555555555599"
NAMES = [
    'n"q\\b ü €',
    "it's",
    '" {' + UUID + "}",
    "two\nlines",
    UUID,
    "<inaccessible>",
    "a/b",
    "..",
    "%s $HOME `id`",
    "-",
]
POSSIBLE = [name for name in NAMES if not name.startswith("-")]
STEPS = ({"state": "started"}, {"state": "stopped", "config": {}}, {"config": {"description": 'one\n"two" \\ ü'}})


def ids(box):
    """{name: UUID} from the settings files, which contain each name unchanged."""
    machines = [ET.parse(file).getroot()[0] for file in box.machines.rglob("*.vbox")]
    return {machine.get("name"): machine.get("uuid").strip("{}") for machine in machines}


def test_vm_with_a_difficult_name_is_managed(box):
    """VMs are created, started, stopped, changed and deleted; another VM is not changed."""
    other = box.make("other", "ignores")
    before = (box.machines / "other" / "other.vbox").read_bytes()
    made = task(box, *POSSIBLE).succeeded()
    assert {vm["name"]: vm["id"] for vm in made.vms} == {name: ids(box)[name] for name in POSSIBLE}
    for step in STEPS:
        done = task(box, *POSSIBLE, **step).succeeded()
        assert [vm["id"] for vm in done.vms] == [vm["id"] for vm in made.vms]
        assert all(vm["changed"] for vm in done.vms)
        assert not task(box, *POSSIBLE, **step).succeeded().changed
    assert task(box, *POSSIBLE, state="absent", config={}).succeeded().changed
    assert ids(box) == {"other": other}
    assert (box.machines / "other" / "other.vbox").read_bytes() == before
    assert {path.name for path in box.machines.iterdir()} == {"other", f"{other}.vdi"}


def test_name_that_equals_the_uuid_of_another_vm(box):
    """The driver looks for a VM with this name before one with this UUID."""
    uuid = box.make("other", "ignores")
    made = task(box, uuid).succeeded().vm
    assert made["id"] != uuid
    task(box, uuid, config={"memory": 20 * MIB}).succeeded()
    assert [vm["memory_mib"] for vm in (task(box, uuid).vms[0], task(box, "other", config={}).vms[0])] == [16, 16]
    task(box, uuid, state="absent", config={}).succeeded()
    assert list(ids(box)) == ["other"]


def test_snapshots(box):
    uuid = task(box).succeeded().vm["id"]
    names = ['s "1"', "s\\", "two\nlines", "ü €", UUID]
    for name in names:
        assert snapshot(box, name, description=f"of {name}").succeeded().changed
        assert not snapshot(box, name).succeeded().changed
    output = box.run("snapshot", uuid, "list", "--machinereadable")
    assert all(name in output for name in names)
    for name in names:
        assert snapshot(box, name, state="absent").succeeded().changed
    assert "does not have any snapshots" in box.call("snapshot", uuid, "list").stdout
    snapshot(box, "-x").refused("an option")


def test_mark_with_special_characters(box):
    """The mark is JSON, passed to VBoxManage as one argument."""
    uuid = task(box, config={**SMALL, "tags": ("-x", 'a "b"', "ü")}).succeeded().vm["id"]
    said = box.run("getextradata", uuid, "polyvirt/mark").partition("Value: ")[2]
    assert json.loads(said)["tags"] == ["-x", 'a "b"', "ü"]
