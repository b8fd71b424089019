# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules image and image_info on Hyper-V: images are copied ahead of the VM, listed, and removed if unused."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.download import downloading

from platforms.hyperv.stored_images import FOLDER, images_of, stored_in, vm_task
from platforms.hyperv.tasks import done
from platforms.windows.failures import Failed, interruptions
from platforms.windows.tasks import run_module
from suite.belts import share

#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 2
_ERROR = Failed("Test,Test", "NotSpecified", "Es ging schief.")


def _image(world, check=False, **options):
    """Run one task of the module image that names the image of the vendor."""
    name = world.vendor.name
    named = {"name": [name], "catalogue": {name: world.vendor.image()["catalogue"]}}
    return run_module(world.host, "image", check, platform="hyperv", **named, **options)


def _info(world):
    return run_module(world.host, "image_info", platform="hyperv")


def test_image_below_a_checkpoint_is_kept(world):
    done(world.host, **vm_task(world, image=world.vendor.image(linked=True)))
    done(world.host, "snapshot", name="web", snapshot="first")
    assert "disks of web need" in _image(world, state="absent")["msg"]


def test_absent_removes_the_image_and_what_interrupted_copies_have_left(world):
    _image(world)
    host, name = world.host, f"tests-1-{world.vendor.digest[:12]}.vhdx"
    part = f"{FOLDER}\\old-{'0' * 12}.vhdx.{'1' * 12}.{'2' * 8}"
    left = [f"{part}.part", f"{part}.part.3.gz", f"{part}.whole.part"]
    kept = [f"{FOLDER}\\mine.part", f"{FOLDER}\\mine.txt"]
    for path in (*left, *kept):
        host.files.put(path, b"bytes")
    check, run_ = _image(world, check=True, state="absent"), _image(world, state="absent")
    assert not run_["failed"], run_["msg"]
    assert (check["diff"], check["images"]) == (run_["diff"], run_["images"])
    assert sorted(run_["diff"]["before"].split("\n")) == sorted(["", f"{FOLDER}\\{name}", *left])
    assert images_of(host) == sorted(path.lower() for path in kept)
    assert (world.store / name).exists()
    again = _image(world, state="absent")
    assert (again["changed"], _info(world)["images"]) == (False, [])


def test_copy_that_a_task_of_this_controller_makes_is_kept(world):
    _image(world)
    name = f"old-{'0' * 12}.vhdx"
    part = f"{FOLDER}\\{name}.{'1' * 12}.{'2' * 8}.part"
    world.host.files.put(part, b"bytes")
    with downloading(str(world.store / f"to-{world.host.name}-{name}"), "copy", 0):
        result = _image(world, state="absent")
        assert (result["failed"], images_of(world.host)) == (False, [part.lower()])


def test_leftover_that_something_has_open_is_kept(world):
    part = f"{FOLDER}\\old-{'0' * 12}.vhdx.{'1' * 12}.{'2' * 8}.part"
    world.host.files.put(part, b"bytes")
    world.host.files.open[part.lower()] = "another controller appends to it"
    assert not _image(world, state="absent")["failed"]
    assert images_of(world.host) == [part.lower()]


def test_image_that_cannot_be_removed_keeps_its_record(world):
    _image(world)
    path = stored_in(world)[0]
    world.host.files.open[path] = "scanned"
    result = _image(world, state="absent")
    assert "Windows did not remove it" in result["msg"]
    assert "Close the program that has it open" in result["msg"]
    assert images_of(world.host) == stored_in(world)
    world.host.files.open.clear()
    assert not _image(world, state="absent")["failed"]
    assert images_of(world.host) == []


def test_disk_that_cannot_be_read_keeps_all_images(world):
    """The image may be below it."""
    _image(world)
    done(world.host, name=["web", "other"], memory="1G", disks=[{"size": "1G"}])
    (drive,) = world.host.vm("web").hardware.disks()
    world.host.files.delete(drive.path)
    for check in (True, False):
        result = _image(world, check, state="absent")
        assert f"name: {drive.path}, a disk file of web, cannot be read, so this disk may be below it." in result["msg"]
        assert "detach the disk" in result["msg"]
    assert images_of(world.host) == stored_in(world)
    # Other VMs can be deleted.
    for name in ("other", "web"):
        assert done(world.host, name=[name], state="absent")["changed"]
    assert _image(world, state="absent")["changed"]


def test_disk_file_without_a_vm_that_cannot_be_read_keeps_all_images(world):
    done(world.host, **vm_task(world, image=world.vendor.image(linked=True)))
    (drive,) = world.host.vm("web").hardware.disks()
    done(world.host, name=["web"], state="absent", delete_disks="none")
    world.host.files.open[world.host.files.key(drive.path)] = "merge"
    for check in (True, False):
        result = _image(world, check, state="absent")
        assert f"{drive.path}, which no VM has, cannot be read, so this disk may be below it" in result["msg"]
    assert images_of(world.host) == stored_in(world)


def test_images_are_listed_if_the_vms_are_not_known(world):
    _image(world)
    world.host.before("Get-VM", _fail)
    result = _info(world)
    assert ([one["users"] for one in result["images"]], len(result["warnings"])) == ([None], 1)
    assert "It is not known which VMs use the images" in result["warnings"][0]


def _fail():
    raise Failed("AccessDenied,Test", "PermissionDenied", "No.")


@pytest.mark.parametrize("label", interruptions(_ERROR))
def test_removal_that_was_interrupted_at_any_call_is_completed(request, world, label):
    _image(world)
    before = dict(world.host.files.contents)
    calls = world.host.windows.faults.calls
    _image(world, state="absent")
    count = world.host.windows.faults.calls - calls
    assert count > 2
    for place in share(request.config, range(1, count + 1), _PLACES):
        world.host.files.contents = dict(before)
        world.host.windows.faults.plan(call=place, **interruptions(_ERROR)[label])
        first = _image(world, state="absent")
        assert "exception" not in first, (place, first["exception"])
        second = _image(world, state="absent")
        assert not second["failed"], (place, second["msg"])
        assert [path for path in images_of(world.host) if not path.endswith(".json")] == [], place
