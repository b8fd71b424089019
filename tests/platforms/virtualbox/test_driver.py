# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver on the real VirtualBox: create, delete, pasted descriptions, files of unregistered VMs."""

from __future__ import annotations

import pytest

from platforms.virtualbox.tasks import MIB, SMALL, task

pytestmark = pytest.mark.deep("locks and half-made VMs on the double: unit belt, test_locks.py")


def test_vm_is_created_started_and_deleted(box):
    before = sorted(box.folder.rglob("*.v*"))
    assert task(box, state="started").succeeded().vm["state"] == "running"
    assert not task(box, state="started").succeeded().changed
    assert task(box, state="absent", config={}).succeeded().changed
    assert sorted(box.folder.rglob("*.v*")) == before
    assert not task(box, state="absent", config={}).succeeded().changed


def test_disk_of_an_image_is_a_copy(box):
    (box.folder / "ignores.img").write_bytes(b"\0" * MIB)
    task(box, image={"source": str(box.folder / "ignores.img"), "linked": False}).succeeded()
    assert [line for line in box.run("list", "hdds").splitlines() if line.startswith("Location")] == [
        f"Location:       {box.machines}/web/web-SATA-0.vdi"
    ]


def test_description_may_contain_output_of_showvminfo(box):
    """The parser finds neither a second VM nor an early end of the description."""
    web = task(box).succeeded().vm
    pasted = {
        **SMALL,
        "description": box.run("showvminfo", web["id"]) + f"* Snapshots:\n   Name: s (UUID: {web['id']})\n",
    }
    assert task(box, config=pasted).succeeded().outcome.changed
    assert not task(box, config=pasted).succeeded().outcome.changed
    box.run("snapshot", web["id"], "take", "s", "--description", pasted["description"])
    done = task(box, config=pasted).succeeded()
    assert not done.outcome.changed
    assert [one["description"] for one in done.vm["snapshots"]] == [pasted["description"]]
    assert task(box, state="absent", config={}).succeeded().outcome.changed
    assert box.run("list", "vms") == ""


def test_files_of_an_unregistered_vm_are_not_overwritten(box):
    """The files remain, and prevent the creation of a VM with this name, as the error message says."""
    made = task(box).succeeded().vm
    box.close()
    settings = box.machines / "web" / "web.vbox"
    settings.write_text("no settings", encoding="utf-8")
    task(box, state="absent", config={}).refused(made["id"], str(settings), "VBoxManage unregistervm")
    box.run("unregistervm", made["id"])
    task(box).refused(str(settings), "already exists")
    assert {"web-SATA-0.vdi", "web.vbox"} <= {path.name for path in settings.parent.iterdir()}
