# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives by name or address on WSL: the controller downloads and verifies them, and copies them to the host."""

from __future__ import annotations

import gzip

import pytest

from platforms.windows.failures import Failed, interruptions
from platforms.windows.tasks import run_module
from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.tasks import TAR, host_with_image, run, run_ok, run_rejected, state_of
from suite.belts import share

FOLDER = "C:\\Users\\admin\\AppData\\Local\\polyvirt\\images"
#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 6
_ERROR = Failed("Test,Test", "NotSpecified", "Es ging schief.")
ONLINE = {"type": "wsl", "architecture": "amd64", "image": {"format": "online", "online_name": "Tests"}}


def named(world, *media, **more):
    """A task that names the vendor's archive; ``media``: what the catalogue has of the name beside it."""
    image = world.vendor.image(**more)
    return {"name": ["web"], "image": {**image, "catalogue": {"media": [*media, *image["catalogue"]["media"]]}}}


def addressed(world, file=None, **more):
    url = f"{world.vendor.server.url}/latest/{file or world.vendor.file}"
    return {"name": ["web"], "image": {"source": url, **more}}


def stored_in(world):
    path = f"{FOLDER}\\tests-1-{world.vendor.digest[:12]}.wsl".lower()
    return [path, f"{path}.json"]


def images_of(host):
    return sorted(path for path in host.files.contents if path.startswith(FOLDER.lower()))


def steps_of(result):
    return [step["verb"] for step in result["vms"][0]["steps"]]


def test_name_that_only_the_vendor_has_is_installed_from_its_file(world):
    run_ok(world.host, check=True, **named(world))
    assert (images_of(world.host), world.store.exists()) == ([], False)
    run_ok(world.host, **named(world))
    assert images_of(world.host) == stored_in(world)
    assert world.host.files.file(stored_in(world)[0]) == world.vendor.content
    (install,) = [words for words in world.host.log if words[:2] == ("wsl", "--install")]
    assert install[2:4] == ("--from-file", f"{FOLDER}\\tests-1-{world.vendor.digest[:12]}.wsl")


def test_online_list_is_preferred_if_the_host_has_the_name_in_it(world):
    world.host.online["Tests"] = dict(FILES)
    assert steps_of(run_ok(world.host, **named(world, ONLINE))) == ["create"]
    del world.host.online["Tests"]
    assert steps_of(run_ok(world.host, **{**named(world, ONLINE), "name": ["old-list"]})) == ["fetch", "create"]


def test_file_for_another_architecture_is_rejected(world):
    world.host.files.environment["PROCESSOR_ARCHITECTURE"] = "ARM64"
    words = ("web: image: tests-1: no distribution for WSL of it is known for arm64.", "It is published for amd64.")
    run_rejected(world.host, *words, **named(world, {**ONLINE, "architecture": "arm64"}))


# Interruptions --------------------------------------------------------------------------------------------------------


def _calls(world):
    host = host_with_image()
    run_ok(host, **named(world))
    return host.windows.faults.calls


@pytest.mark.parametrize("label", interruptions(_ERROR))
def test_task_that_was_interrupted_at_any_call_is_completed(request, world, label):
    for place in share(request.config, range(1, _calls(world) + 1), _PLACES):
        host = host_with_image()
        host.windows.faults.plan(call=place, **interruptions(_ERROR)[label])
        first = run(host, **named(world))
        assert "exception" not in first, (place, first["exception"])
        second = run(host, **named(world))
        assert not second["failed"], (place, second["msg"])
        assert second["vms"][0]["image"]["digest"] == f"sha256:{world.vendor.digest}", place
        assert [path for path in images_of(host) if ".part" in path] == [], place
        assert host.files.file(stored_in(world)[0]) == world.vendor.content, place


@pytest.mark.parametrize("is_republished", [False, True], ids=["same", "republished"])
def test_killed_copy_is_continued_by_the_next_task(request, world, is_republished):
    for place in share(request.config, range(1, _calls(world) + 1), _PLACES):
        host, content = host_with_image(), world.vendor.content
        for one in range(place, place + 999):
            host.windows.faults.plan(call=one, kind="kill", before=True)
        first = run(host, **named(world))
        assert first["failed"], place
        host.windows.faults.planned.clear()
        world.vendor.publish(content + bytes(512 * is_republished))
        second = run_ok(host, **named(world))
        digest = second["vms"][0]["image"]["digest"]
        # The image that was stored, or that the distribution has begun with, counts whatever the vendor has now.
        assert digest in {f"sha256:{world.vendor.digest}", _digest_of(world, content)}, place
        assert not run_ok(host, **named(world))["changed"], place
        world.vendor.publish(content)


def _digest_of(world, content):
    world.vendor.publish(content)
    return f"sha256:{world.vendor.digest}"


@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "removed"])
def test_unfinished_distribution_is_completed_as_it_began(world, is_stored):
    """The vendor has a newer archive of the name meanwhile, which a new distribution gets."""
    begun = world.vendor.digest
    host = _left_unfinished(world)
    world.vendor.publish(packed({**FILES, "/etc/newer": b"yes"}))
    if not is_stored:
        for path in images_of(host):
            host.files.delete(path)
    world.vendor.server.requests.clear()
    image = named(world, refresh=True)
    check, result = run(host, check=True, **image), run_ok(host, **image)
    assert [one["vms"][0]["image"]["digest"] for one in (check, result)] == [f"sha256:{begun}"] * 2
    assert (world.vendor.server.requests, "/etc/newer" in host.find("web").files) == ([], False)
    other = run_ok(host, **{**image, "name": ["db"]})
    assert other["vms"][0]["image"]["digest"] == f"sha256:{world.vendor.digest}"


def _left_unfinished(world):
    """A host with a distribution that was registered and not completed."""
    host, at = host_with_image(), []
    host.after("Set-ItemProperty", lambda: at.append(host.windows.faults.calls))
    run_ok(host, **named(world))
    host = host_with_image()
    for one in range(at[0] + 1, at[0] + 999):
        host.windows.faults.plan(call=one, kind="kill", before=True)
    run(host, **named(world))
    host.windows.faults.planned.clear()
    assert '"unfinished":true' in host.find("web").registry()["polyvirt"]
    return host


# Addresses ------------------------------------------------------------------------------------------------------------


def test_address_without_a_checksum_warns(world):
    result = run_ok(world.host, **addressed(world))
    assert "nothing was verified, because no checksum is known" in str(result["warnings"])
    assert result["vms"][0]["image"]["name"] == f"{world.vendor.server.url}/latest/{world.vendor.file}"
    assert not run_ok(world.host, **addressed(world))["changed"]


def test_tarball_at_an_address_is_imported(world):
    """Also by a WSL that cannot install .wsl files."""
    host = host_with_image("2.3.26")
    world.vendor.server.files["/latest/root.tar.gz"] = gzip.compress(world.vendor.content)
    run_ok(host, **addressed(world, "root.tar.gz"))
    (image,) = [words for words in host.log if words[:2] == ("wsl", "--import")]
    assert image[4].endswith(".tar.gz")


def test_wsl_file_needs_a_recent_wsl(world):
    words = ("tests-1' needs WSL 2.4.4 or later.", "set the path of a tarball")
    run_rejected(host_with_image("2.3.26"), *words, **named(world))


@pytest.mark.parametrize(
    ("file", "content", "more", "words"),
    [
        ("tests.qcow2", b"QFI\xfb", {}, ("the name of the file does not tell its format", ".wsl, .tar, .tar.gz")),
        ("tests.wsl", b"<html>not found</html>", {}, ("is not an image in the format wsl",)),
        ("tests.wsl", packed(FILES), {"checksum": "sha256:" + "0" * 64}, ("but it must be 0000",)),
        ("tests.wsl", packed(FILES), {"require_signature": True}, ("publishes no signature",)),
        ("absent.wsl", None, {}, ("absent.wsl",)),
    ],
    ids=["ending", "content", "checksum", "signature", "missing"],
)
def test_address_that_cannot_be_used_is_rejected(world, file, content, more, words):
    if content is not None:
        world.vendor.server.files[f"/latest/{file}"] = content
    run_rejected(world.host, *words, **addressed(world, file, **more))
    assert images_of(world.host) == []


@pytest.mark.parametrize("check", [True, False])
def test_too_little_space_for_the_file(world, check):
    world.host.files.capacity["C"] = world.host.files.used("C") + 1000
    before = state_of(world.host)
    result = run(world.host, check=check, **named(world))
    assert "are needed for the download, but" in result["msg"]
    assert (state_of(world.host), world.store.exists()) == (before, False)


# The modules image and image_info -------------------------------------------------------------------------------------


def _image(world, about="image", **options):
    name = world.vendor.name
    knowledge = {"name": [name], "catalogue": {name: world.vendor.image()["catalogue"]}} if about == "image" else {}
    return run_module(world.host, about, False, platform="wsl", **{**knowledge, **options})


def test_name_of_the_online_list_has_nothing_to_fetch(world):
    result = _image(world, name=["ubuntu"], catalogue={"ubuntu": {"media": [ONLINE]}})
    assert "name: ubuntu: WSL itself downloads it from its online list" in result["msg"]
    assert images_of(world.host) == []


def test_images_of_hyperv_in_the_same_directory_are_not_those_of_wsl(world):
    """The directory may be that of both platforms: a disk of Hyper-V may be linked to such a file."""
    _image(world)
    record = world.host.files.file(stored_in(world)[1]).replace(b'"wsl"', b'"vhdx"')
    other = f"{FOLDER}\\tests-1-{'0' * 12}.vhdx"
    world.host.files.put(other, bytes(len(world.vendor.content)))
    world.host.files.put(f"{other}.json", record)
    world.host.files.put(f"{other}.{'0' * 12}.{'0' * 8}.part", b"of a copy")
    assert len(_image(world, "image_info")["images"]) == 1
    assert _image(world, state="absent")["changed"]
    assert images_of(world.host) == sorted(
        one.lower() for one in (other, f"{other}.json", f"{other}.{'0' * 12}.{'0' * 8}.part")
    )


def test_stored_archive_that_was_changed_on_the_host_is_rejected(world):
    run_ok(world.host, **named(world))
    path, record = stored_in(world)
    assert steps_of(run_ok(world.host, **{**named(world), "name": ["second"]})) == ["create"]
    changed = world.host.files.file(path)[:-4] + b"evil"
    world.host.files.put(path, changed)
    for check in (True, False):
        run_rejected(world.host, "was changed since it was stored", check=check, **{**named(world), "name": ["third"]})
    for one in (path, record):
        world.host.files.delete(one)
    assert steps_of(run_ok(world.host, **{**named(world), "name": ["third"]})) == ["fetch", "create"]


@pytest.mark.parametrize("source", ["C:\\images\\", "C:/images"])
def test_directory_is_not_an_image(source):
    run_rejected(host_with_image(), "web", "image", "C:\\images is not a file", name=["web"], image=source)


@pytest.mark.parametrize("name", ["CON", "nul", "com1", "Aux.txt"])
def test_name_of_a_device_is_rejected(name):
    run_rejected(host_with_image(), name, "device such as CON", name=[name], image=TAR)


@pytest.mark.parametrize("path", ["C:\\images\\nul", "C:\\con\\x.tar", "C:\\images\\Lpt1.tar"])
def test_path_with_the_name_of_a_device_is_rejected(path):
    run_rejected(host_with_image(), "web", "not possible on Windows", name=["web"], image=path)
