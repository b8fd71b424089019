# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role vm on VirtualBox: a machine, a snapshot of it, who uses an image, and away with it all."""

from __future__ import annotations

import json

from platforms.virtualbox.tasks import SMALL, task
from suite.by_ansible import ansible_playbook


def play(box, *roles, debug=None, **variables):
    """One play of entry points of the role, as ansible-playbook runs it; what it said."""
    tasks = [{"include_role": {"name": "polyvirt.core.vm", "tasks_from": entry}} for entry in roles]
    tasks += [{"debug": debug}] if debug else []
    common = {"vm_name": "web", "vm_platform": "virtualbox", "vm_module_options": {"executable": str(box.executable)}}
    document = {"hosts": "all", "gather_facts": False, "vars": {**common, **variables}, "tasks": tasks}
    return ansible_playbook(box.folder, document, environment={"HOME": str(box.folder)})


def users_of(box, image):
    """What the role finds to use an image."""
    said = play(box, "image_users", debug={"var": "vm_image_users"}, vm_image=str(image), vm_name="another")
    return json.loads(said.partition('"vm_image_users": ')[2].partition("]")[0] + "]")


def test_who_uses_an_image(played):
    """What is attached, by whatever path; a linked clone rests on a machine, not on the image."""
    image, link = played.folder / "base.vdi", played.folder / "link.vdi"
    played.run("createmedium", "disk", "--filename", image, "--size", 2)
    played.run("closemedium", "disk", image)
    for name, disk in (("copied", {"image": {"source": str(image), "linked": False}}), ("attached", {})):
        disks = {} if disk else {"disks": {"#0": {"source": str(image)}}}
        task(played, name, config={**SMALL, "disks": {}, **disks}, **disk).succeeded()
    task(played, "copied", snapshot={"name": "base"}).succeeded()
    clone = {"source": "copied", "snapshot": "base", "linked": True}
    task(played, "linked", config={}, clone=clone).succeeded()
    link.symlink_to(image)
    assert users_of(played, image) == users_of(played, link) == [str(image)]
    task(played, "attached", state="absent").succeeded()
    assert users_of(played, image) == []


def test_from_nothing_to_nothing(played):
    image = played.folder / "base.img"
    image.write_bytes(b"\0" * (1 << 20))
    variables = {"vm_state": "stopped", "vm_image": str(image), "vm_memory": "64M", "vm_snapshot": "new"}
    said = play(played, "main", "snapshot", "image_users", **variables)
    assert "changed=2" in said
    assert '"web"' in played.run("list", "vms")
    assert 'SnapshotName="new"' in played.run("showvminfo", "web", "--machinereadable")
    assert "changed=0" in play(played, "main", "snapshot", **variables)
    play(played, "main", vm_state="absent")
    assert played.run("list", "vms") == ""
