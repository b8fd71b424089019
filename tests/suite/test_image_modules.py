# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules image and image_info: images are fetched ahead of the VM, listed, and removed if no VM needs them."""

from __future__ import annotations

import pytest

from suite.answer import Task

VM = "pvc-named"
_PLATFORMS = {
    "virsh": "libvirt",
    "vbox": "virtualbox",
    "vmm": "vmd",
    "hyperv": "hyperv",
    "proxmox": "proxmox",
    "wsl": "wsl",
}


def _task(label, platform, store, about="image", check=False, **options):
    """A task of the module image or image_info."""
    family = platform.family.rpartition(".")[2]
    if family not in _PLATFORMS:
        pytest.skip("the modules image and image_info are for platforms that keep images")
    place = platform.image_options(store)
    return Task(label, {"platform": _PLATFORMS[family], **place, **options}, check, about)


def _knowing(vendor):
    """Options of the module image, as its action plugin completes them."""
    image = vendor.image()
    return {"name": [image["source"]], "catalogue": {image["source"]: image["catalogue"]}}


def _recorded(platform, answer):
    """The images in a result, with what the platform records of them."""
    keys = ("name", "path", "format", "fetched", "users", *(() if platform.forgets_images else ("digest", "checked")))
    return [{key: one[key] for key in keys} for one in answer.result["images"]]


def test_image_is_fetched_ahead_of_the_vm(platform, vendor, made, carry, store):
    named = _knowing(vendor)
    tasks = [
        _task("check", platform, store, check=True, **named),
        _task("fetch", platform, store, **named),
        _task("again", platform, store, **named),
    ]
    answers = carry(platform, tasks)
    for answer in answers.values():
        assert not answer.failed, answer.msg
    assert [answer.changed for answer in answers.values()] == [True, True, False]
    assert answers["check"].result["images"] == answers["fetch"].result["images"]
    assert _recorded(platform, answers["fetch"]) == _recorded(platform, answers["again"])
    assert (answers["check"].result["diff"], vendor.downloads()) == (answers["fetch"].result["diff"], 1)
    vendor.server.requests.clear()
    answer = carry(platform, [Task("make", made)], [VM])["make"]
    assert not answer.failed, answer.msg
    assert (vendor.server.requests, answer.vm(VM)["steps"][0]["verb"]) == ([], "create")


@pytest.mark.real
@pytest.mark.core
def test_image_is_removed_when_no_vm_uses_it(platform, vendor, made, carry, store):
    linked = {**made, "image": vendor.image(linked=True)}
    named = {"name": [vendor.name], "state": "absent"}
    if not platform.links_images:
        pytest.skip("images of this platform are always copied")
    first = carry(platform, [Task("make", linked), _task("list", platform, store, "image_info")], [VM])
    (image,) = first["list"].result["images"]
    assert (image["name"], image["users"], image["age"]) == (vendor.name, [VM], 0)
    tasks = [_task("check", platform, store, check=True, **named), _task("used", platform, store, **named)]
    for answer in carry(platform, tasks).values():
        assert f"name: {vendor.name}: disks of {VM} need {image['path']}." in answer.msg
    assert len(platform.stored_images(store)) == 1
    carry(platform, [Task("delete", {"name": [VM], "state": "absent"})], [VM])
    platform.leave_unfinished(store)
    tasks = [
        _task("check", platform, store, check=True, **named),
        _task("remove", platform, store, **named),
        _task("again", platform, store, **named),
        _task("list", platform, store, "image_info"),
    ]
    answers = carry(platform, tasks)
    assert [answer.changed for answer in answers.values()] == [True, True, False, False]
    assert answers["check"].result["diff"] == answers["remove"].result["diff"]
    assert (platform.stored_images(store), answers["list"].result["images"]) == ([], [])


def test_image_is_kept_for_a_disk_that_no_vm_has(platform, vendor, made, carry, store):
    """Its VM was deleted without it, or its definition was removed. Without the image, the disk would be worthless."""
    if not platform.links_images:
        pytest.skip("images of this platform are always copied")
    deleted = {"name": [VM], "state": "absent"}
    tasks = [Task("make", {**made, "image": vendor.image(linked=True)}), _task("list", platform, store, "image_info")]
    first = carry(platform, [*tasks, Task("delete", {**deleted, "delete_disks": "none"})], [VM])
    ((image,), (disk,)) = first["list"].result["images"], [one["path"] for one in first["delete"].vm(VM)["kept"]]
    named = {"name": [vendor.name], "state": "absent"}
    tasks = [_task("check", platform, store, check=True, **named), _task("run", platform, store, **named)]
    for answer in carry(platform, tasks).values():
        assert f"disk files that no VM has need {image['path']}: {disk}. Delete these files first" in answer.msg
    assert len(platform.stored_images(store)) == 1
    attached = {key: value for key, value in made.items() if key != "image"}
    tasks = [Task("attach", {**attached, "disks": [{"source": disk}]})]
    tasks += [Task("delete", {**deleted, "delete_disks": "all"}), _task("remove", platform, store, **named)]
    assert carry(platform, tasks, [VM])["remove"].changed
    assert platform.stored_images(store) == []


def test_image_that_is_only_copied_is_removed(platform, vendor, made, carry, store):
    if platform.links_images:
        pytest.skip("a linked VM shows more: the test above")
    named = {"name": [vendor.name], "state": "absent"}
    tasks = [Task("make", made), _task("list", platform, store, "image_info")]
    tasks += [_task(label, platform, store, check=label == "check", **named) for label in ("check", "remove", "again")]
    answers = carry(platform, [*tasks, _task("none", platform, store, "image_info")], [VM])
    for answer in answers.values():
        assert not answer.failed, answer.msg
    assert [one["users"] for one in answers["list"].result["images"]] == [[]]
    assert [answers[label].changed for label in ("check", "remove", "again")] == [True, True, False]
    assert answers["check"].result["diff"] == answers["remove"].result["diff"]
    assert (platform.stored_images(store), answers["none"].result["images"]) == ([], [])
    assert answers["none"].truth[VM] is not None


def test_image_remains_when_its_vm_is_deleted(platform, made, carry, store):
    carry(platform, [Task("make", made)], [VM])
    before = sorted(platform.stored_images(store))
    with_disks = {} if "delete_disks" in platform.traits().instead else {"delete_disks": "all"}
    answer = carry(platform, [Task("delete", {"name": [VM], "state": "absent", **with_disks})], [VM])["delete"]
    assert not answer.failed, answer.msg
    assert (answer.truth[VM], sorted(platform.stored_images(store)), len(before)) == (None, before, 1)


def test_names_of_the_users_catalogue_are_fetched_by_ansible(platform, vendor, carry, store, tmp_path):
    vendor.write_catalogue(tmp_path / "catalogue", f"{vendor.server.url}/latest")
    own = {"polyvirt_catalogue_directories": [str(tmp_path / "catalogue")], "polyvirt_image_directory": str(store)}
    tasks = [
        _task("fetch", platform, store, name="tests-1"),
        _task("unknown", platform, store, name="tests-2"),
        _task("list", platform, store, "image_info"),
    ]
    if platform.images_by_controller:
        pytest.skip("it needs a connection to Windows: tests/platforms/hyperv/test_images_winrm.py")
    for task in tasks:
        task.options.pop("image_directory", None)
    answers = carry(platform, tasks, by="in_process", reach={"vars": own})
    assert not answers["fetch"].failed, answers["fetch"].msg
    assert "name: there is no image named 'tests-2'. Did you mean tests-1?" in answers["unknown"].msg
    assert answers["list"].result["directory"] == platform.image_options(store).get("image_directory", "local:import")
    assert [one["name"] for one in answers["list"].result["images"]] == ["tests-1"]
    assert "catalogue" not in answers["fetch"].result["invocation"]["module_args"]
