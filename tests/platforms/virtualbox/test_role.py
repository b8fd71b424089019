# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role vm on VirtualBox: create a VM and a snapshot, list the users of an image, delete the VM."""

from __future__ import annotations

import json

import pytest

from platforms.virtualbox.tasks import SMALL, task
from suite.by_ansible import ansible_playbook

pytestmark = pytest.mark.full


def play(box, *roles, debug=None, **variables):
    """The output of ansible-playbook for a play with these entry points of the role."""
    tasks = [{"include_role": {"name": "polyvirt.core.vm", "tasks_from": entry}} for entry in roles]
    tasks += [{"debug": debug}] if debug else []
    common = {"vm_name": "web", "vm_platform": "virtualbox", "vm_module_options": {"executable": str(box.executable)}}
    document = {"hosts": "all", "gather_facts": False, "vars": {**common, **variables}, "tasks": tasks}
    return ansible_playbook(box.folder, document, environment={"HOME": str(box.folder)})


def users_of(box, image):
    """The result of the role's entry point image_users."""
    output = play(box, "image_users", debug={"var": "vm_image_users"}, vm_image=str(image), vm_name="another")
    return json.loads(output.partition('"vm_image_users": ')[2].partition("]")[0] + "]")


def test_users_of_an_image(double):
    """A VM uses an image that is attached to it, by any path. A linked clone uses a VM's disk, not the image."""
    image, link = double.folder / "base.vdi", double.folder / "link.vdi"
    double.run("createmedium", "disk", "--filename", image, "--size", 2)
    double.run("closemedium", "disk", image)
    for name, disk in (("copied", {"image": {"source": str(image), "linked": False}}), ("attached", {})):
        disks = {} if disk else {"disks": {"#0": {"source": str(image)}}}
        task(double, name, config={**SMALL, "disks": {}, **disks}, **disk).succeeded()
    task(double, "copied", snapshot={"name": "base"}).succeeded()
    clone = {"source": "copied", "snapshot": "base", "linked": True}
    task(double, "linked", config={}, clone=clone).succeeded()
    link.symlink_to(image)
    assert users_of(double, image) == users_of(double, link) == ["attached"]
    task(double, "attached", state="absent").succeeded()
    assert users_of(double, image) == []


def test_vm_and_snapshot_are_created_and_deleted(double):
    image = double.folder / "base.img"
    image.write_bytes(b"\0" * (1 << 20))
    variables = {"vm_state": "stopped", "vm_image": str(image), "vm_memory": "64M", "vm_snapshot": "new"}
    output = play(double, "main", "snapshot", "image_users", **variables)
    assert "changed=2" in output
    assert '"web"' in double.run("list", "vms")
    assert 'SnapshotName="new"' in double.run("showvminfo", "web", "--machinereadable")
    assert "changed=0" in play(double, "main", "snapshot", **variables)
    play(double, "main", vm_state="absent")
    assert double.run("list", "vms") == ""
