# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by name on Hyper-V: the controller downloads and converts them, and copies them to the host in pieces."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv import image_copy
from ansible_collections.polyvirt.core.plugins.module_utils._media.fetching import downloading

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.tasks import done, run
from platforms.windows.failures import Failed, interruptions
from platforms.windows.tasks import run_module
from suite.depth import share
from suite.media_server import Vendor, as_published

_FOLDER = "C:\\ProgramData\\polyvirt\\images"
#: Small pieces: the converted image has several.
_PIECE = 3 << 20
#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 8


@pytest.fixture(name="vendor")
def _vendor(tmp_path):
    source = tmp_path / "source.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", source, "16M"], check=True)
    vendor = Vendor()
    vendor.publish(as_published(str(source), tmp_path / "published.qcow2"))
    yield vendor
    vendor.close()


@pytest.fixture(name="world")
def _world(vendor, tmp_path, monkeypatch):
    """A host, a vendor, and the directory of the controller."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    store = tmp_path / "controller"
    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(store))
    monkeypatch.setattr(image_copy, "PIECE", _PIECE)
    return SimpleNamespace(host=HyperV(), vendor=vendor, store=store)


def _task(world, name="web", **more):
    return {"name": [name], "memory": "1G", "image": world.vendor.image(), **more}


def _images(host):
    return sorted(path for path in host.files.contents if path.startswith(_FOLDER.lower()))


def test_image_is_copied_once_and_the_vm_is_created_from_it(world):
    check = run(world.host, check=True, **_task(world))
    assert not check["failed"], check["msg"]
    assert (_images(world.host), world.store.exists()) == ([], False)
    result = done(world.host, **_task(world))
    assert (check["diff"], check["vms"][0]["image"]) == (result["diff"], result["vms"][0]["image"])
    assert [step["verb"] for step in result["vms"][0]["steps"]] == ["fetch", "create"]
    digits = world.vendor.digest[:12]
    path = f"{_FOLDER}\\tests-1-{digits}.vhdx".lower()
    assert _images(world.host) == [path, f"{path}.json"]
    assert world.host.files.file(path) == (world.store / f"tests-1-{digits}.vhdx").read_bytes()
    assert not done(world.host, **_task(world))["changed"]
    world.vendor.server.requests.clear()
    second = done(world.host, **_task(world, "second"))
    assert [step["verb"] for step in second["vms"][0]["steps"]] == ["create"]
    assert world.vendor.server.requests == []


def _steps(result, name="web"):
    return [step["verb"] for vm in result["vms"] if vm["name"] == name for step in vm["steps"]]


def test_image_that_only_the_controller_has_is_not_downloaded_again(world):
    done(world.host, **_task(world))
    world.vendor.server.requests.clear()
    world.host = HyperV()
    check = run(world.host, check=True, **_task(world))
    result = done(world.host, **_task(world))
    assert (_steps(result), world.vendor.server.requests) == (["fetch", "create"], [])
    assert check["diff"] == result["diff"]
    assert "from the controller" in str(result["vms"][0]["steps"][0])


def test_several_vms_of_a_task_copy_the_image_once(world):
    puts = _watch_puts(world.host)
    done(world.host, **{**_task(world), "name": ["web", "second"]})
    size = (world.store / f"tests-1-{world.vendor.digest[:12]}.vhdx").stat().st_size
    assert len(puts) == -(-size // _PIECE)
    assert {vm.name for vm in world.host.vms} == {"web", "second"}


def _watch_puts(host):
    """The paths of the files that are sent from now on."""
    puts, put = [], host.windows.put

    def watched(path, content):
        puts.append(path)
        put(path, content)

    host.windows.put = watched
    return puts


def _stored(world):
    path = f"{_FOLDER}\\tests-1-{world.vendor.digest[:12]}.vhdx".lower()
    return [path, f"{path}.json"]


def _fetched_before(world):
    """Have the controller download the image, so that only the copy is left.

    Returns the number of calls of an undisturbed task up to the creation of the VM.
    """
    done(HyperV(), **_task(world))
    host, before = HyperV(), []
    host.before("New-VM", lambda: before.append(host.windows.faults.calls))
    done(host, **_task(world))
    return before[0]


_ERROR = Failed("Test,Test", "NotSpecified", "Es ging schief.")


@pytest.mark.parametrize("label", interruptions(_ERROR))
def test_copy_that_was_interrupted_at_any_call_is_completed(request, world, label):
    """By the same task after a lost connection, else by the next one."""
    calls = _fetched_before(world)
    expected = (world.store / f"tests-1-{world.vendor.digest[:12]}.vhdx").read_bytes()
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = HyperV()
        host.windows.faults.plan(call=place, **interruptions(_ERROR)[label])
        first = run(host, **_task(world))
        assert "exception" not in first, (place, first["exception"])
        assert label == "fail" or not first["failed"], (place, first["msg"])
        second = run(host, **_task(world))
        assert not second["failed"], (place, second["msg"])
        assert (_images(host), host.files.file(_stored(world)[0])) == (_stored(world), expected), place
        assert [vm.name for vm in host.vms] == ["web"], place


def test_killed_copy_is_continued_by_the_next_task(request, world):
    calls = _fetched_before(world)
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = HyperV()
        for one in range(place, place + 999):
            host.windows.faults.plan(call=one, kind="kill", before=True)
        first = run(host, **_task(world))
        assert first["failed"], place
        assert "The connection to the Windows host broke off" in first["msg"]
        host.windows.faults.planned.clear()
        parts = [path for path in _images(host) if path.endswith(".part")]
        sent = sum(len(host.files.file(path)) for path in parts)
        puts = _watch_puts(host)
        done(host, **_task(world))
        assert len(puts) == -(-(len(host.files.file(_stored(world)[0])) - sent) // _PIECE) if parts else True
        assert _images(host) == _stored(world), place


# Errors ---------------------------------------------------------------------------------------------------------------


def test_image_of_the_catalogue_can_start_with_secure_boot(world):
    """Unless the task sets how: only systems of Microsoft start with the default template."""
    done(world.host, **_task(world))
    done(world.host, **_task(world, "own", secure_boot_template="windows"))
    done(world.host, **_task(world, "without", secure_boot=False))
    found = {vm["name"]: vm["settings"] for vm in done(world.host, "vm_info")["vms"]}
    templates = {name: (one["secure_boot"], one["secure_boot_template"]) for name, one in found.items()}
    assert templates["web"] == (True, "linux")
    assert templates["own"] == (True, "windows")
    assert templates["without"][0] is False


@pytest.mark.parametrize("check", [True, False])
def test_without_qemu_img_on_the_controller(world, monkeypatch, check):
    monkeypatch.setenv("PATH", "/nowhere")
    result = run(world.host, check=check, **_task(world))
    assert "its format qcow2 cannot be read on Hyper-V. Install qemu-img on the controller (package" in result["msg"]
    assert (_images(world.host), world.store.exists(), world.host.vms) == ([], False, [])


@pytest.mark.parametrize("check", [True, False])
def test_too_little_space_for_the_download(world, check):
    world.host.files.capacity["C"] = 100_000
    result = run(world.host, check=check, **_task(world))
    assert "are needed for the download, but C:\\ProgramData\\polyvirt\\images has only" in result["msg"]
    assert (_images(world.host), world.store.exists()) == ([], False)


def test_too_little_space_for_the_converted_image(world):
    """The size is known before the first piece; what was sent before the drive became full is removed."""
    world.host.files.capacity["C"] = 6 << 20
    result = run(world.host, **_task(world))
    assert "are needed for the copy, but C:\\ProgramData\\polyvirt\\images has only" in result["msg"]
    assert (_images(world.host), result["changed"]) == ([], False)


def test_drive_that_becomes_full_during_the_copy(world):
    puts, put = [], world.host.windows.put

    def filling(path, content):
        puts.append(path)
        put(path, content)
        if len(puts) == 2:
            world.host.files.put("C:\\other", bytes(4096))
            world.host.files.capacity["C"] = world.host.files.used("C") + 4096

    world.host.windows.put = filling
    result = run(world.host, **_task(world))
    assert "are needed for the copy" in result["msg"]
    assert _images(world.host) == []


def test_copy_that_was_damaged_is_sent_again_once(world):
    damaged = []

    def damage(times):
        def change():
            (path,) = [one for one in _images(world.host) if one.endswith(".whole.part")]
            if len(damaged) < times:
                damaged.append(path)
                world.host.files.contents[path] = b"x" + world.host.files.contents[path][1:]

        return change

    for call in (1, 2):
        world.host.before("Get-FileHash", damage(1), call)
    done(world.host, **_task(world))
    assert (len(damaged), _images(world.host)) == (1, _stored(world))
    world.host, damaged[:] = HyperV(), []
    for call in (1, 2):
        world.host.before("Get-FileHash", damage(2), call)
    result = run(world.host, **_task(world))
    assert "its copy on the host was damaged twice" in result["msg"]
    assert (_images(world.host), world.host.vms) == ([], [])


def test_file_of_somebody_else_is_never_replaced(world):
    path = f"{_FOLDER}\\tests-1-{world.vendor.digest[:12]}.vhdx"
    world.host.files.put(path, b"precious")
    for check in (True, False):
        result = run(world.host, check=check, **_task(world))
        assert f"{path} exists, and is not a complete image of this store." in result["msg"]
    assert world.host.files.file(path) == b"precious"


def test_file_that_another_task_has_put_there_meanwhile_is_used(world):
    other = HyperV()
    done(other, **_task(world))

    def published():
        for path in _stored(world):
            world.host.files.put(path, other.files.file(path))

    world.host.after("Get-FileHash", published)
    done(world.host, **_task(world))
    assert _images(world.host) == _stored(world)


def test_file_that_is_in_use_for_a_while(world):
    """A scanner may have the unfinished file open: the task waits for at most timeout."""
    opened = []

    def scan():
        parts = [path for path in _images(world.host) if path.endswith(".part")]
        if parts and not opened:
            opened.extend(parts)
            world.host.files.open[parts[0]] = "scanned"
            world.host.clock.at(5, world.host.files.open.clear)

    put = world.host.windows.put

    def scanned(path, content):
        scan()
        put(path, content)

    world.host.windows.put = scanned
    done(world.host, **_task(world))
    assert opened
    assert _images(world.host) == _stored(world)


def test_directory_of_the_task(world):
    done(world.host, **_task(world, image_directory="D:/vm/images"))
    assert len([path for path in world.host.files.contents if path.startswith("d:\\vm\\images\\tests-1-")]) == 2
    result = run(world.host, **_task(world, "other", image_directory="images"))
    assert "image_directory: 'images' is not an absolute path on Windows." in result["msg"]


# Without a VM: the modules image and image_info -----------------------------------------------------------------------

_OTHER = "C:\\ProgramData\\polyvirt\\images\\other.txt"


def _image(world, check=False, **options):
    """Run one task of the module image that names the image of the vendor."""
    name = world.vendor.name
    named = {"name": [name], "catalogue": {name: world.vendor.image()["catalogue"]}}
    return run_module(world.host, "image", check, platform="hyperv", **named, **options)


def _info(world):
    return run_module(world.host, "image_info", platform="hyperv")


def test_image_is_fetched_ahead_of_the_vm(world):
    check, run_, again = _image(world, check=True), _image(world), _image(world)
    for result in (check, run_, again):
        assert not result["failed"], result["msg"]
    assert (check["images"], check["diff"]) == (run_["images"], run_["diff"])
    assert [one["changed"] for one in (check, run_, again)] == [True, True, False]
    assert again["images"] == run_["images"]
    (image,) = run_["images"]
    assert (image["name"], image["path"].lower(), image["format"]) == ("tests-1", _stored(world)[0], "vhdx")
    assert (image["digest"], image["size"], image["users"]) == (f"sha256:{world.vendor.digest}", 16 << 20, [])
    world.vendor.server.requests.clear()
    assert _steps(done(world.host, **_task(world))) == ["create"]
    assert world.vendor.server.requests == []


def test_check_mode_writes_nothing(world):
    _image(world, check=True)
    assert (_images(world.host), world.store.exists()) == ([], False)


def test_used_image_is_kept(world):
    image = world.vendor.image(linked=True)
    done(world.host, **_task(world, image=image))
    done(world.host, **_task(world, "copied"))
    (listed,) = _info(world)["images"]
    assert (listed["users"], listed["age"], listed["file_size"]) == (
        ["web"],
        0,
        len(world.host.files.file(_stored(world)[0])),
    )
    for check in (True, False):
        result = _image(world, check, state="absent")
        assert f"name: tests-1: disks of web need {listed['path']}. Delete these VMs first." in result["msg"]
    assert _images(world.host) == _stored(world)


def test_image_below_a_checkpoint_is_kept(world):
    done(world.host, **_task(world, image=world.vendor.image(linked=True)))
    done(world.host, "snapshot", name="web", snapshot="first")
    assert "disks of web need" in _image(world, state="absent")["msg"]


def test_absent_removes_the_image_and_what_interrupted_copies_have_left(world):
    _image(world)
    host, name = world.host, f"tests-1-{world.vendor.digest[:12]}.vhdx"
    part = f"{_FOLDER}\\old-{'0' * 12}.vhdx.{'1' * 12}.{'2' * 8}"
    left = [f"{part}.part", f"{part}.part.3.gz", f"{part}.whole.part"]
    kept = [f"{_FOLDER}\\mine.part", f"{_FOLDER}\\mine.vhdx"]
    for path in (*left, *kept):
        host.files.put(path, b"bytes")
    check, run_ = _image(world, check=True, state="absent"), _image(world, state="absent")
    assert not run_["failed"], run_["msg"]
    assert (check["diff"], check["images"]) == (run_["diff"], run_["images"])
    assert sorted(run_["diff"]["before"].split("\n")) == sorted(["", f"{_FOLDER}\\{name}", *left])
    assert _images(host) == sorted(path.lower() for path in kept)
    assert (world.store / name).exists()
    again = _image(world, state="absent")
    assert (again["changed"], _info(world)["images"]) == (False, [])


def test_copy_that_a_task_of_this_controller_makes_is_kept(world):
    _image(world)
    name = f"old-{'0' * 12}.vhdx"
    part = f"{_FOLDER}\\{name}.{'1' * 12}.{'2' * 8}.part"
    world.host.files.put(part, b"bytes")
    with downloading(str(world.store / f"to-{world.host.name}-{name}"), "copy", 0):
        result = _image(world, state="absent")
        assert (result["failed"], _images(world.host)) == (False, [part.lower()])


def test_leftover_that_something_has_open_is_kept(world):
    part = f"{_FOLDER}\\old-{'0' * 12}.vhdx.{'1' * 12}.{'2' * 8}.part"
    world.host.files.put(part, b"bytes")
    world.host.files.open[part.lower()] = "another controller appends to it"
    assert not _image(world, state="absent")["failed"]
    assert _images(world.host) == [part.lower()]


def test_image_that_cannot_be_removed_keeps_its_record(world):
    _image(world)
    path = _stored(world)[0]
    world.host.files.open[path] = "scanned"
    result = _image(world, state="absent")
    assert "Windows did not remove it" in result["msg"]
    assert "Close the program that has it open" in result["msg"]
    assert _images(world.host) == _stored(world)
    world.host.files.open.clear()
    assert not _image(world, state="absent")["failed"]
    assert _images(world.host) == []


def test_disk_that_cannot_be_read_keeps_all_images(world):
    """The image may be below it."""
    _image(world)
    done(world.host, name=["web"], memory="1G", disks=[{"size": "1G"}])
    (drive,) = world.host.vms[0].hardware.disks()
    world.host.files.delete(drive.path)
    for check in (True, False):
        result = _image(world, check, state="absent")
        assert f"name: a disk of web needs {drive.path}, which cannot be read. Detach the disk" in result["msg"]
    assert _images(world.host) == _stored(world)
    # A deletion of a VM is not rejected.
    assert done(world.host, name=["web"], state="absent")["changed"]
    assert _image(world, state="absent")["changed"]


def test_images_are_listed_if_the_vms_are_not_known(world):
    _image(world)
    world.host.before("Get-VM", _fail)
    result = _info(world)
    assert ([one["users"] for one in result["images"]], len(result["warnings"])) == ([None], 1)
    assert "It is not known which VMs use the images" in result["warnings"][0]


def _fail():
    raise Failed("AccessDenied,Test", "PermissionDenied", "No.")


@pytest.mark.parametrize("label", interruptions(_ERROR))
def test_removal_that_was_interrupted_at_any_call_is_completed(world, label):
    _image(world)
    before = dict(world.host.files.contents)
    calls = world.host.windows.faults.calls
    _image(world, state="absent")
    count = world.host.windows.faults.calls - calls
    assert count > 2
    for place in range(1, count + 1):
        world.host.files.contents = dict(before)
        world.host.windows.faults.plan(call=place, **interruptions(_ERROR)[label])
        first = _image(world, state="absent")
        assert "exception" not in first, (place, first["exception"])
        second = _image(world, state="absent")
        assert not second["failed"], (place, second["msg"])
        assert [path for path in _images(world.host) if not path.endswith(".json")] == [], place
