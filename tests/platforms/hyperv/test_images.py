# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by name on Hyper-V: the controller downloads and converts them, and copies them to the host in pieces."""

from __future__ import annotations

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.stored_images import FOLDER, PIECE, images_of, steps_of, stored_in, vm_task
from platforms.hyperv.tasks import done, run
from platforms.windows.failures import Failed, interruptions
from suite.belts import share

#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 8


def test_image_is_copied_once_and_the_vm_is_created_from_it(world):
    check = run(world.host, check=True, **vm_task(world))
    assert not check["failed"], check["msg"]
    assert (images_of(world.host), world.store.exists()) == ([], False)
    result = done(world.host, **vm_task(world))
    assert (check["diff"], check["vms"][0]["image"]) == (result["diff"], result["vms"][0]["image"])
    assert [step["verb"] for step in result["vms"][0]["steps"]] == ["fetch", "create"]
    digits = world.vendor.digest[:12]
    path = f"{FOLDER}\\tests-1-{digits}.vhdx".lower()
    assert images_of(world.host) == [path, f"{path}.json"]
    assert world.host.files.file(path) == (world.store / f"tests-1-{digits}.vhdx").read_bytes()
    assert not done(world.host, **vm_task(world))["changed"]
    world.vendor.server.requests.clear()
    second = done(world.host, **vm_task(world, "second"))
    assert [step["verb"] for step in second["vms"][0]["steps"]] == ["create"]
    assert world.vendor.server.requests == []


def test_image_that_only_the_controller_has_is_not_downloaded_again(world):
    done(world.host, **vm_task(world))
    world.vendor.server.requests.clear()
    world.host = HyperV()
    check = run(world.host, check=True, **vm_task(world))
    result = done(world.host, **vm_task(world))
    assert (steps_of(result), world.vendor.server.requests) == (["fetch", "create"], [])
    assert check["diff"] == result["diff"]
    assert "from the controller" in str(result["vms"][0]["steps"][0])


def test_several_vms_of_a_task_copy_the_image_once(world):
    puts = _watch_puts(world.host)
    done(world.host, **{**vm_task(world), "name": ["web", "second"]})
    size = (world.store / f"tests-1-{world.vendor.digest[:12]}.vhdx").stat().st_size
    assert len(puts) == -(-size // PIECE)
    assert {vm.name for vm in world.host.vms} == {"web", "second"}


def _watch_puts(host):
    """The paths of the files that are sent from now on."""
    puts, put = [], host.windows.put

    def watched(path, content):
        puts.append(path)
        put(path, content)

    host.windows.put = watched
    return puts


def _fetched_before(world):
    """Have the controller download the image, so that only the copy is left.

    Returns the number of calls of an undisturbed task up to the creation of the VM.
    """
    done(HyperV(), **vm_task(world))
    host, before = HyperV(), []
    host.before("New-VM", lambda: before.append(host.windows.faults.calls))
    done(host, **vm_task(world))
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
        first = run(host, **vm_task(world))
        assert "exception" not in first, (place, first["exception"])
        assert label == "fail" or not first["failed"], (place, first["msg"])
        second = run(host, **vm_task(world))
        assert not second["failed"], (place, second["msg"])
        assert (images_of(host), host.files.file(stored_in(world)[0])) == (stored_in(world), expected), place
        assert [vm.name for vm in host.vms] == ["web"], place


def test_killed_copy_is_continued_by_the_next_task(request, world):
    calls = _fetched_before(world)
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = HyperV()
        for one in range(place, place + 999):
            host.windows.faults.plan(call=one, kind="kill", before=True)
        first = run(host, **vm_task(world))
        assert first["failed"], place
        assert "The connection to the Windows host broke off" in first["msg"]
        host.windows.faults.planned.clear()
        parts = [path for path in images_of(host) if path.endswith(".part")]
        sent = sum(len(host.files.file(path)) for path in parts)
        puts = _watch_puts(host)
        done(host, **vm_task(world))
        assert len(puts) == -(-(len(host.files.file(stored_in(world)[0])) - sent) // PIECE) if parts else True
        assert images_of(host) == stored_in(world), place


def _left_unfinished(world):
    """A host with a VM that a killed task has left unfinished."""
    host = HyperV()
    before = []
    host.before("Convert-VHD", lambda: before.append(host.windows.faults.calls))
    done(host, **vm_task(world))
    host = HyperV()
    for one in range(before[0] + 1, before[0] + 999):
        host.windows.faults.plan(call=one, kind="kill", before=True)
    run(host, **vm_task(world))
    host.windows.faults.planned.clear()
    assert [vm.name for vm in host.vms] != ["web"]
    return host


def _digest_in(result):
    return result["vms"][0]["image"]["digest"]


@pytest.mark.parametrize("refresh", [False, True])
def test_unfinished_vm_is_created_from_the_image_that_it_began_with(world, refresh):
    """The vendor has a newer image of the name meanwhile, which a new VM gets."""
    host, former = _left_unfinished(world), f"sha256:{world.vendor.digest}"
    world.vendor.publish(world.vendor.content + bytes(512))
    image = world.vendor.image(refresh=refresh)
    requests = len(world.vendor.server.requests)
    check, result = run(host, check=True, **vm_task(world, image=image)), done(host, **vm_task(world, image=image))
    assert (_digest_in(check), _digest_in(result), len(world.vendor.server.requests)) == (former, former, requests)
    assert [vm.name for vm in host.vms] == ["web"]
    other = done(host, **vm_task(world, "db", image=world.vendor.image(refresh=True)))
    assert _digest_in(other) == f"sha256:{world.vendor.digest}"


def test_unfinished_vm_whose_image_was_removed_gets_the_newest_one(world):
    host = _left_unfinished(world)
    for path in images_of(host):
        host.files.delete(path)
    for path in world.store.iterdir():
        path.unlink()
    world.vendor.publish(world.vendor.content + bytes(512))
    assert _digest_in(done(host, **vm_task(world))) == f"sha256:{world.vendor.digest}"


# Errors ---------------------------------------------------------------------------------------------------------------


def test_image_of_the_catalogue_can_start_with_secure_boot(world):
    """Unless the task sets how: only systems of Microsoft start with the default template."""
    done(world.host, **vm_task(world))
    done(world.host, **vm_task(world, "own", secure_boot_template="windows"))
    done(world.host, **vm_task(world, "without", secure_boot=False))
    found = {vm["name"]: vm["settings"] for vm in done(world.host, "vm_info")["vms"]}
    templates = {name: (one["secure_boot"], one["secure_boot_template"]) for name, one in found.items()}
    assert templates["web"] == (True, "linux")
    assert templates["own"] == (True, "windows")
    assert templates["without"][0] is False


@pytest.mark.parametrize("check", [True, False])
def test_without_qemu_img_on_the_controller(world, monkeypatch, check):
    monkeypatch.setenv("PATH", "/nowhere")
    result = run(world.host, check=check, **vm_task(world))
    assert "its format qcow2 cannot be read on Hyper-V. Install qemu-img on the controller (package" in result["msg"]
    assert (images_of(world.host), world.store.exists(), world.host.vms) == ([], False, [])


@pytest.mark.parametrize("check", [True, False])
def test_too_little_space_for_the_download(world, check):
    world.host.files.capacity["C"] = 100_000
    result = run(world.host, check=check, **vm_task(world))
    assert "are needed for the download, but C:\\ProgramData\\polyvirt\\images has only" in result["msg"]
    assert (images_of(world.host), world.store.exists()) == ([], False)


def test_too_little_space_for_the_converted_image(world):
    """The size is known before the first piece; what was sent before the drive became full is removed."""
    world.host.files.capacity["C"] = 6 << 20
    result = run(world.host, **vm_task(world))
    assert "are needed for the copy, but C:\\ProgramData\\polyvirt\\images has only" in result["msg"]
    assert (images_of(world.host), result["changed"]) == ([], False)


def test_drive_that_becomes_full_during_the_copy(world):
    puts, put = [], world.host.windows.put

    def filling(path, content):
        puts.append(path)
        put(path, content)
        if len(puts) == 2:
            world.host.files.put("C:\\other", bytes(4096))
            world.host.files.capacity["C"] = world.host.files.used("C") + 4096

    world.host.windows.put = filling
    result = run(world.host, **vm_task(world))
    assert "are needed for the copy" in result["msg"]
    assert images_of(world.host) == []


def test_copy_that_was_damaged_is_sent_again_once(world):
    damaged = []

    def damage(times):
        def change():
            (path,) = [one for one in images_of(world.host) if one.endswith(".whole.part")]
            if len(damaged) < times:
                damaged.append(path)
                world.host.files.contents[path] = b"x" + world.host.files.contents[path][1:]

        return change

    for call in (1, 2):
        world.host.before("Get-FileHash", damage(1), call)
    done(world.host, **vm_task(world))
    assert (len(damaged), images_of(world.host)) == (1, stored_in(world))
    world.host, damaged[:] = HyperV(), []
    for call in (1, 2):
        world.host.before("Get-FileHash", damage(2), call)
    result = run(world.host, **vm_task(world))
    assert "its copy on the host was damaged twice" in result["msg"]
    assert (images_of(world.host), world.host.vms) == ([], [])


def test_file_of_somebody_else_is_never_replaced(world):
    path = f"{FOLDER}\\tests-1-{world.vendor.digest[:12]}.vhdx"
    world.host.files.put(path, b"precious")
    for check in (True, False):
        result = run(world.host, check=check, **vm_task(world))
        assert f"{path} exists, and is not a complete image of this store." in result["msg"]
    assert world.host.files.file(path) == b"precious"


def test_file_that_another_task_has_put_there_meanwhile_is_used(world):
    other = HyperV()
    done(other, **vm_task(world))

    def published():
        for path in stored_in(world):
            world.host.files.put(path, other.files.file(path))

    world.host.after("Get-FileHash", published)
    done(world.host, **vm_task(world))
    assert images_of(world.host) == stored_in(world)


def test_file_that_is_in_use_for_a_while(world):
    """A scanner may have the unfinished file open: the task waits for at most timeout."""
    opened = []

    def scan():
        parts = [path for path in images_of(world.host) if path.endswith(".part")]
        if parts and not opened:
            opened.extend(parts)
            world.host.files.open[parts[0]] = "scanned"
            world.host.clock.at(5, world.host.files.open.clear)

    put = world.host.windows.put

    def scanned(path, content):
        scan()
        put(path, content)

    world.host.windows.put = scanned
    done(world.host, **vm_task(world))
    assert opened
    assert images_of(world.host) == stored_in(world)


def test_directory_of_the_task(world):
    done(world.host, **vm_task(world, image_directory="D:/vm/images"))
    assert len([path for path in world.host.files.contents if path.startswith("d:\\vm\\images\\tests-1-")]) == 2
    result = run(world.host, **vm_task(world, "other", image_directory="images"))
    assert "image_directory: 'images' is not an absolute path on Windows." in result["msg"]


# Replaced files -------------------------------------------------------------------------------------------------------


def _hashes(host):
    """One element for each checksum that the host computes from now on, at most three."""
    found = []
    for call in (1, 2, 3):
        host.before("Get-FileHash", lambda: found.append("hash"), call)
    return found


@pytest.mark.parametrize("check", [True, False])
def test_stored_image_that_was_changed_on_the_host_is_rejected(world, check):
    done(world.host, **vm_task(world))
    path, record = stored_in(world)
    hashes, content = _hashes(world.host), world.host.files.file(path)
    assert steps_of(done(world.host, **vm_task(world, "second")), "second") == ["create"]
    assert hashes == []
    world.host.files.put(path, content[:-4] + b"evil")
    result = run(world.host, check=check, **vm_task(world, "third"))
    assert result["failed"]
    assert "third" not in {vm.name for vm in world.host.vms}
    assert "was changed since it was stored. Delete this file and its record" in result["msg"]
    # The remedy works.
    for one in (path, record):
        world.host.files.delete(one)
    assert steps_of(done(world.host, **vm_task(world, "third")), "third") == ["fetch", "create"]


def test_stored_image_with_another_time_is_read_again(world):
    done(world.host, **vm_task(world))
    hashes, path = _hashes(world.host), stored_in(world)[0]
    world.host.files.put(path, world.host.files.file(path))
    assert steps_of(done(world.host, **vm_task(world, "second")), "second") == ["create"]
    assert hashes == ["hash"]


def test_image_has_the_architecture_of_the_host(world):
    """The vendor of these tests publishes images for amd64."""
    world.host.files.environment["PROCESSOR_ARCHITECTURE"] = "ARM64"
    result = run(world.host, **vm_task(world))
    assert result["failed"]
    assert "no cloud image of it is known for arm64." in result["msg"]
    assert images_of(world.host) == []


@pytest.mark.parametrize("processor", ["x86", ""])
def test_unknown_architecture_of_the_host_is_not_taken_for_amd64(world, processor):
    world.host.files.environment["PROCESSOR_ARCHITECTURE"] = processor
    result = run(world.host, **vm_task(world))
    assert f"the architecture of the host is {processor or 'unknown'}, and images exist for amd64 and" in result["msg"]
    assert images_of(world.host) == []
