# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vagrant and the tools of its providers destroy is in the plan, and is compared directly before the call."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.delete import destroy
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_libvirt import InLibvirt
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files, permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant import Vagrant
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Virsh

from unit.module_utils._drivers.vagrant.test_foreign_disks import CONTENT, WithLibvirt, WithVirtualBox, _with_a_vm


@pytest.fixture(params=[WithLibvirt, WithVirtualBox], ids=lambda kind: kind.provider)
def platform(request, tmp_path):
    return _with_a_vm(request.param(tmp_path))


def _driver(platform):
    return platform.world.driver(vagrantfile=None, managed=True, executable="vagrant", provider=platform.provider)


def _meanwhile(platform, monkeypatch, act):
    """Call ``act`` when the drives are read again, after the plan."""
    kind = type(_driver(platform).tool_of_new(platform.provider, {}))
    drives, done = kind.drives, []

    def changed(tool, identifier):
        done.append(act())
        return drives(tool, identifier)

    monkeypatch.setattr(kind, "drives", changed)
    return done


def _assert_refused(platform, path):
    state = platform.attached()
    assert not platform.world.run(state="absent", check=True).failed
    answer = platform.world.run(state="absent")
    assert f"{path}: a step was about to delete this file" in answer.error
    assert not answer.changed
    assert state[0] in platform.attached()


def test_disk_that_looks_like_one_of_vagrant_is_compared_with_the_plan(tmp_path, monkeypatch):
    """It has the name and the alias of a disk that Vagrant creates."""
    platform, path = _with_a_vm(WithLibvirt(tmp_path)), tmp_path / "project_web-vdb.img"
    path.write_bytes(CONTENT)
    disks = [*platform._machine()["disks"]]
    late = {"path": str(path), "target": "vdb", "device": "disk", "alias": "ua-disk-volume-1"}
    _meanwhile(platform, monkeypatch, lambda: platform.change(disks=[*disks, late]))
    _assert_refused(platform, path)
    assert path.read_bytes() == CONTENT


def test_disk_attached_after_the_plan_is_kept(platform, monkeypatch):
    late = _meanwhile(platform, monkeypatch, lambda: platform.attach("late.qcow2"))
    done = platform.world.run(state="absent")
    assert (done.failed, late[0].exists()) == (False, True), done.msg


def test_file_that_replaced_a_disk_after_the_plan_stays(platform, monkeypatch):
    path = Path(platform.own_disk())

    def replace():
        path.with_suffix(".new").write_bytes(path.read_bytes())
        os.replace(path.with_suffix(".new"), path)
        return path.stat().st_ino

    replaced = _meanwhile(platform, monkeypatch, replace)
    _assert_refused(platform, path)
    assert path.stat().st_ino == replaced[-1]


def test_vm_that_was_created_again_after_the_plan_stays(platform):
    path = platform.own_disk()
    driver, permit = _driver(platform), Permit([(path, files.identity(path))], frozenset({("vm", "former")}))
    with permits.granted(permit), pytest.raises(Refused, match=platform.id):
        destroy(driver, driver.project_vm("web"))
    assert platform.own_disk() == path
    assert Path(path).exists()


def test_volume_that_no_plan_lists_is_not_deleted(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(CONTENT)
    with permits.granted(Permit()), pytest.raises(Refused, match=str(path)):
        InLibvirt(Virsh(None, "virsh", "test:///default")).delete_files([str(path)])
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "words",
    [
        ("destroy", "-f", "web"),
        ("snapshot", "delete", "web", "s"),
        ("snapshot", "restore", "web", "s"),
        ("box", "remove", "b"),
        ("upload", "x"),
    ],
    ids=" ".join,
)
def test_command_that_names_nothing_of_a_plan_is_refused(words):
    with permits.granted(Permit(things=frozenset({("vm", "id"), ("snapshot", "id", "s"), ("state", "id")}))):
        with pytest.raises(Refused, match="does not list"):
            Vagrant(None, "/project").run(*words)
        with pytest.raises(Refused, match="other"):
            Vagrant(None, "/project").run(*words, loses=("vm", "other"))
