# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a project: the managed Vagrantfile, the records of its VMs, and VMs of other Vagrantfiles."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Stale
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.project import Busy, Project
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

FILE = "Vagrantfile.polyvirt"
WEB, DB = ({"name": name, "provider": "libvirt", "box": "a/b"} for name in ("web", "db"))


@pytest.fixture
def project(tmp_path):
    return Project(str(tmp_path / "shop"), FILE, managed=True)


def _create(project, name, identifier="u-1", provider="libvirt"):
    """Write the id that Vagrant stores when it has created a VM."""
    folder = os.path.join(project.dotfile, "machines", name, provider)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "id"), "w", encoding="ascii") as file:
        file.write(identifier)


def test_descriptions_are_read_back_and_the_file_is_private(project):
    project.define(WEB)
    project.define(DB, {"A": "b"})
    project.define({**WEB, "cpus": 2})
    contents = project.read()
    assert contents.descriptions() == [{**WEB, "cpus": 2}, DB]
    assert contents.environment == {"A": "b"}
    assert contents.vms["web"].created is None
    assert stat.S_IMODE(os.stat(project.path).st_mode) == 0o600


def test_vm_of_another_vagrantfile_is_foreign(project):
    project.define(WEB)
    _create(project, "web")
    _create(project, "default", "u-2")
    contents = project.read()
    assert (contents.foreign, contents.vms["web"].created.id) == ({"default"}, "u-1")
    project.remove("web")
    assert os.path.exists(os.path.join(project.dotfile, "machines", "default"))


def test_record_applies_only_to_the_vm_with_its_id(project):
    project.define(WEB)
    project.record("web", ran=WEB)
    assert project.read().vms["web"].record == {}
    _create(project, "web")
    project.record("web", ran=WEB)
    project.record("web", ssh={"user": "me"})
    location = {"file": "Vagrantfile.polyvirt", "folder": project.folder}
    expected = {"v": 1, "id": "u-1", **location, "ran": WEB, "ssh": {"user": "me"}}
    assert project.read().vms["web"].record == expected
    _create(project, "web", "u-2")
    assert project.read().vms["web"].record == {}


def test_description_that_another_task_changed_is_not_overwritten(project):
    """It was read before the lock, so that the last of two tasks would undo the change of the other."""
    project.define(WEB)
    first, second = {**WEB, "cpus": 2}, {**WEB, "memory": 1 << 30}
    project.define(first, before=WEB)
    project.define(DB, before=None)
    with pytest.raises(Stale, match="web: another task changed it while this task ran"):
        project.define(second, before=WEB)
    assert project.read().descriptions() == [first, DB]
    project.define({**first, **second}, before=first)
    assert project.read().descriptions() == [{**first, **second}, DB]


def test_only_one_task_at_a_time_writes_the_file(project):
    project.define(WEB)
    with files.held(project.folder), pytest.raises(Busy, match="another task"):
        project.define(DB)
    assert project.read().descriptions() == [WEB]
