# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vagrant destroy`` deletes what is attached: disks and media that Vagrant did not create are detached before, on
every way to delete a VM, or the deletion is rejected.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import delete as vagrant_delete
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_libvirt import InLibvirt
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.needed import with_named
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.project import ProjectVm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.provider_vm import Drive

from unit.module_utils._drivers.vagrant.in_process import BOX, World, users_file

CONTENT = b"precious"
FLEET = {"fleet": "f", "prune": True, "prune_max": 1}


class WithLibvirt:
    """A VM of libvirt; ``attach`` is what a user does with virsh."""

    provider, iso_is_detached = "libvirt", True

    def __init__(self, folder):
        self.world = World(folder, self.provider, virsh=True)
        self.pool = Path(self.world.virsh.pool)

    @property
    def id(self):
        return next(self.world.project.glob(".vagrant/machines/web/*/id")).read_text(encoding="ascii")

    def attach(self, name, device="disk", where=None):
        path = (where or self.pool) / name
        path.write_bytes(CONTENT)
        self._attach_file(path, device)
        return path

    def _attach_file(self, path, device):
        machine = self._machine()
        target = f"vd{'abcdef'[len(machine['disks'])]}"
        disk = {"path": str(path), "target": target, "device": device, "alias": ""}
        self.change(disks=[*machine["disks"], disk])

    def _machine(self):
        return self.world.vagrant.state()["machines"][self.id]

    def change(self, **values):
        with self.world.vagrant.registry.open() as state:
            state["machines"][self.id].update(values)

    def attached(self):
        return [one["path"] for one in self._machine()["disks"]]

    def own_disk(self):
        return self.attached()[0]

    def hold(self):
        """A snapshot with everything that is attached now."""
        machine = self._machine()
        self.change(snapshots=[["s1", "shutoff"]], disks_of={"s1": machine["disks"]})

    def also_of_another_vm(self, path):
        with self.world.vagrant.registry.open() as state:
            disk = {"path": str(path), "target": "vda", "device": "disk", "alias": ""}
            other = {"name": "other", "state": "shutoff", "reason": "unknown", "nics": 1, "address": ""}
            state["machines"]["other-id"] = {**other, "snapshots": [], "external": [], "disks": [disk]}


class WithVirtualBox(WithLibvirt):
    """A VM of VirtualBox, changed with its double."""

    provider, iso_is_detached = "virtualbox", False

    def __init__(self, folder):
        self.world, self.pool = World(folder, self.provider), folder / "elsewhere"
        self.pool.mkdir()

    def _run(self, *words):
        return self.world.virtualbox.run(*words)

    def attach(self, name, device="disk", where=None, place=("1", "1")):
        path = (where or self.pool) / f"{name.partition('.')[0]}.{'vdi' if device == 'disk' else 'iso'}"
        if device == "disk":
            self._run("createmedium", "disk", "--filename", str(path), "--size", "8", "--format", "VDI")
        else:
            path.write_bytes(bytes(64 * 2048))
        self._attach_file(path, device, place)
        return path

    def _attach_file(self, path, device, place=("1", "1")):
        (port, number), kind = (place, "hdd") if device == "disk" else (("0", "1"), "dvddrive")
        slot = ("--storagectl", "IDE Controller", "--port", port, "--device", number)
        self._run("storageattach", self.id, *slot, "--type", kind, "--medium", str(path))

    def detach(self):
        slot = ("--storagectl", "IDE Controller", "--port", "1", "--device", "1")
        self._run("storageattach", self.id, *slot, "--type", "hdd", "--medium", "none")

    def base_disk_on(self, path, base):
        """Attach a new differencing image of an image."""
        self._run("createmedium", "disk", "--filename", str(path), "--diffparent", str(base))
        self._attach_file(path, "disk")

    def attached(self):
        text = self._run("showvminfo", self.id, "--machinereadable")
        values = [line.partition("=")[2].strip('"') for line in text.split("\n") if line.startswith('"IDE Controller-')]
        return [one for one in values if one.startswith("/")]

    def hold(self):
        self._run("snapshot", self.id, "take", "s1")

    def uuid_of(self, path):
        return self._run("showmediuminfo", "disk", str(path)).split()[1]

    def record(self, paths):
        """Vagrant's record of disks of the Vagrantfile."""
        recorded = [{"uuid": self.uuid_of(path), "name": path.stem} for path in paths]
        (folder,) = self.world.project.glob(".vagrant/machines/web/virtualbox")
        text = json.dumps({"disk": recorded, "floppy": [], "dvd": []})
        (folder / "disk_meta").write_text(text, encoding="utf-8")

    def id_of(self, name):
        return re.search(r'^UUID="(.*)"$', self._run("showvminfo", name, "--machinereadable"), re.MULTILINE)[1]

    def also_of_another_vm(self, path):
        self._run("createvm", "--name", "other", "--ostype", "Debian_64", "--register")
        self._run("storagectl", "other", "--name", "IDE", "--add", "ide")
        slot = ("--storagectl", "IDE", "--port", "0", "--device", "0", "--type", "hdd", "--mtype", "shareable")
        self._run("storageattach", "other", *slot, "--medium", str(path))


def _with_a_vm(platform):
    for done in (
        platform.world.create(state="started", provider=platform.provider),
        platform.world.run(state="stopped", stop_mode="force"),
    ):
        assert not done.failed, done.msg
    return platform


@pytest.fixture(name="libvirt")
def _libvirt(tmp_path):
    """A running VM of libvirt."""
    platform = WithLibvirt(tmp_path)
    assert platform.world.create(state="started").vm
    return platform


@pytest.fixture(params=[WithLibvirt, WithVirtualBox], ids=lambda kind: kind.provider)
def platform(request, tmp_path):
    return _with_a_vm(request.param(tmp_path))


def _content(path):
    return (os.stat(path).st_ino, path.read_bytes())


def _kept(answer):
    return [one["path"] for vm in answer.vms if vm["name"] == "web" for one in vm["kept"]]


def _absent(platform, check, **more):
    return platform.world.run(state="absent", check=check, **more)


def _recreated(platform, check, **more):
    # The provider cannot change it for an existing VM of libvirt; the box neither.
    other = {"box_version": "1"} if check else {"box_version": "0"}
    return platform.world.run(allow_recreate=True, box=BOX, check=check, **other, **more)


def _pruned(platform, check, **more):
    entries = [{"name": "other", "box": BOX, "provider": platform.provider}]
    return platform.world.run_all(entries, check, **FLEET, **more)


WAYS = {"absent": _absent, "recreate": _recreated, "prune": _pruned}


def _prepare(platform, way):
    if way == "prune":
        assert not platform.world.run(fleet="f").failed


def check_that_a_disk_is_kept(platform, way, where=None):
    """Check mode and the run keep a disk that a user attaches to the VM, also in the folder ``where``."""
    _prepare(platform, way)
    path, own = platform.attach("precious.qcow2", where=where), Path(platform.own_disk())
    before = _content(path)
    foreseen, done = WAYS[way](platform, True), WAYS[way](platform, False)
    assert (foreseen.failed, done.failed, done.changed) == (False, False, True), (foreseen.msg, done.msg)
    assert _content(path) == before
    assert not own.exists() or way == "recreate"
    if way != "recreate":
        assert _kept(done) == [str(path)] == _kept(foreseen)


@pytest.mark.parametrize("way", list(WAYS))
def test_foreign_disk_is_kept_on_every_way_to_delete(platform, way):
    check_that_a_disk_is_kept(platform, way)


@pytest.mark.parametrize("way", list(WAYS))
def test_iso_is_never_deleted(platform, way):
    _prepare(platform, way)
    path = platform.attach("user.iso", "cdrom")
    before = _content(path)
    with_all = {"delete_disks": "all"} if way == "absent" else {}
    for check, more in ((True, {}), (True, with_all), (False, with_all)):
        done = WAYS[way](platform, check, **more)
        assert not done.failed, done.msg
    assert _content(path) == before


def test_foreign_disk_is_deleted_with_permission_alone(platform):
    path = platform.attach("precious.qcow2")
    done = _absent(platform, False, delete_disks="all")
    assert (done.failed, _kept(done), path.exists()) == (False, [], False), done.msg


@pytest.mark.parametrize(("more", "is_kept"), [({}, True), ({"delete_disks": "all"}, False)], ids=["kept", "deleted"])
def test_foreign_disk_in_no_pool_is_deleted_with_permission_alone(libvirt, tmp_path, more, is_kept):
    libvirt.attach("precious.qcow2", where=tmp_path)
    done = _absent(libvirt, False, stop_mode="force", **more)
    assert (done.failed, libvirt.world.file.exists()) == (False, False), done.msg
    assert [one.read_bytes() for one in tmp_path.glob("precious.qcow2")] == [CONTENT] * is_kept


def test_disk_that_a_snapshot_contains_needs_permission(platform):
    path = platform.attach("precious.qcow2")
    platform.hold()
    before = platform.attached()
    platform.world.rejected("delete_disks: all", state="absent")
    assert (path.exists(), platform.attached()) == (True, before)
    assert not _absent(platform, False, delete_disks="all").failed
    assert not path.exists()


def test_disk_of_another_vm_is_kept_with_permission_too(libvirt):
    path = libvirt.attach("shared.qcow2")
    libvirt.also_of_another_vm(path)
    done = _absent(libvirt, False, stop_mode="force", delete_disks="all")
    assert [one["reason"] for one in done.vms[0]["kept"]] == ["used by other"]
    assert path.read_bytes() == CONTENT


def test_own_disk_that_another_vm_uses_is_not_deleted(libvirt):
    libvirt.also_of_another_vm(libvirt.own_disk())
    libvirt.world.rejected("needed by other", state="absent", stop_mode="force", delete_disks="all")
    assert Path(libvirt.own_disk()).exists()


def test_name_alone_does_not_make_a_disk_ours(libvirt):
    """Vagrant marks its disks by aliases, which a disk of the user does not have."""
    path = libvirt.attach("project_web-vdb.qcow2")
    assert not _absent(libvirt, False, stop_mode="force").failed
    assert path.read_bytes() == CONTENT


def test_disk_of_an_earlier_vagrant_is_ours_by_its_name(libvirt):
    """Before the aliases, vagrant-libvirt had the names alone."""
    own = Path(libvirt.own_disk())
    libvirt.change(disks=[{"path": str(own), "target": "vda", "device": "disk", "alias": ""}])
    other = libvirt.attach("precious.qcow2")
    done = _absent(libvirt, False, stop_mode="force")
    assert (done.failed, own.exists(), other.exists()) == (False, False, True), done.msg


@pytest.mark.parametrize(
    ("native", "path", "ours"),
    [
        ({"storage": [[":file", {"path": "data.qcow2"}]]}, "/pool/data.qcow2", True),
        ({"storage": [[":file", {"path": "data.qcow2", "allow_existing": True}]]}, "/pool/data.qcow2", False),
        ({"storage": [[":file", {"path": "other.qcow2"}]]}, "/pool/data.qcow2", False),
        ({}, "/pool/data.qcow2", False),
    ],
)
def test_disk_that_the_managed_file_names_is_ours(native, path, ours):
    drive = Drive("vdb", path, "disk", named=True)
    project_vm = ProjectVm("web", {"name": "web", "provider": "libvirt", "native": native})
    assert [one.ours for one in with_named([drive], project_vm, "")] == [ours]
    assert not with_named([Drive("vdb", path, "disk", named=False)], project_vm, "")[0].ours


def test_disks_are_attached_again_if_the_deletion_fails(platform):
    path = platform.attach("precious.qcow2")
    before = platform.attached()
    platform.world.vagrant.fails("destroy", "VagrantError", "It went wrong.")
    failed = _absent(platform, False)
    assert "It went wrong" in failed.error
    assert platform.attached() == before
    assert path.exists()


def test_only_what_vagrant_left_is_deleted_after_it(libvirt, monkeypatch):
    path = libvirt.attach("precious.qcow2")
    monkeypatch.setattr(InLibvirt, "delete_files", lambda _tool, paths: paths)
    failed = _absent(libvirt, False, stop_mode="force", delete_disks="all")
    assert f"not {path}" in failed.error


def test_own_vagrantfile_deletes_its_disk_and_no_other(tmp_path):
    platform = WithLibvirt(tmp_path)
    platform.world.vagrant.write(users_file("web"), "Vagrantfile")
    assert platform.world.run(managed=False, state="started").vm
    own, path = Path(platform.own_disk()), platform.attach("precious.qcow2")
    done = platform.world.run(managed=False, state="absent", stop_mode="force")
    assert (done.failed, own.exists(), path.read_bytes()) == (False, False, CONTENT), done.msg
    assert _kept(done) == [str(path)]


@pytest.mark.parametrize(("provider", "accepted"), [("hyperv", True), ("vmware_desktop", False), ("libvirt", False)])
def test_disks_that_nobody_lists_need_permission(tmp_path, provider, accepted):
    world = World(tmp_path, provider)
    assert world.create(state="started", provider=provider).vm
    for check in (True, False):
        done = world.run(state="absent", stop_mode="force", check=check)
        assert done.failed != accepted
        assert accepted or ("cannot be listed" in done.error and not done.changed)
    assert accepted or not world.run(state="absent", stop_mode="force", delete_disks="all").failed


def test_image_of_a_lost_vm_is_not_deleted_by_its_name(libvirt):
    """The user has removed the VM from libvirt and uses its disk elsewhere: Vagrant would delete that."""
    own = Path(libvirt.own_disk())
    with libvirt.world.vagrant.registry.open() as state:
        del state["machines"][libvirt.id]
    for check in (True, False):
        done = _absent(libvirt, check)
        assert (done.failed, own.exists(), _kept(done)) == (False, True, [str(own)]), done.msg
    assert not libvirt.world.file.exists()


def test_start_of_a_lost_vm_names_the_image_that_is_left(libvirt):
    with libvirt.world.vagrant.registry.open() as state:
        left = state["machines"].pop(libvirt.id)["disks"][0]["path"]
    libvirt.world.rejected(f"libvirt has a volume '{left}' already", state="started")
    Path(left).unlink()
    assert libvirt.world.run(state="started").vm["state"] == "running"


def test_checkpoint_is_foreseen_before_the_vm_is_stopped(libvirt):
    assert libvirt.world.run(state="started").vm
    libvirt.change(checkpoints=["c1"])
    libvirt.world.rejected("web: it has checkpoints", f"virsh checkpoint-list {libvirt.id}", state="absent")
    assert libvirt.world.run(about="vm_info").vm["state"] == "running"


def test_virsh_without_checkpoints_deletes_as_before(libvirt):
    real = libvirt.world.port.programs["virsh"]
    libvirt.world.port.programs["virsh"] = lambda argv, environment: (
        (1, "", "error: command 'list' doesn't support option --with-checkpoint")
        if "--with-checkpoint" in argv
        else real(argv, environment)
    )
    assert not _absent(libvirt, False).failed


def test_deletion_costs_one_listing_more(platform):
    tool = "virsh" if platform.provider == "libvirt" else "VBoxManage"
    done = _absent(platform, False)
    assert not done.failed, done.msg
    # One process of libvirt's tool lists the VM, one all others, one the VM directly before the call.
    destroyed = next(place for place, call in enumerate(done.calls) if call[1:2] == ["destroy"])
    before = [call for call in done.calls[:destroyed] if call[0] == tool]
    # And one lists those with checkpoints, which Vagrant cannot delete.
    assert len(before) == (4 if platform.provider == "libvirt" else 2), before


def test_no_op_costs_nothing_more(platform):
    done = platform.world.run(state="stopped")
    assert (done.changed, len(done.calls)) == (False, 1), done.calls


def test_own_disk_that_vagrant_spares_is_kept(libvirt, monkeypatch):
    """Such as one with allow_existing in the Vagrantfile of a user, which nobody else can read."""
    own = Path(libvirt.own_disk())
    destroyed = vagrant_delete._destroy

    def destroy(driver, project_vm):
        destroyed(driver, project_vm)
        own.write_bytes(CONTENT)

    monkeypatch.setattr(vagrant_delete, "_destroy", destroy)
    failed = _absent(libvirt, False, stop_mode="force")
    assert f"the VM is deleted, but not {own}" in failed.error
    assert own.read_bytes() == CONTENT
    assert not _absent(libvirt, False).failed
