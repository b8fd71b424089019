# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images of Windows without the prompt for a key on Hyper-V: the host copies the ISO image, and edits the copy."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.windows import medium as windows_medium

from platforms.hyperv.counts import host_with
from platforms.hyperv.stored_images import FOLDER, images_of, steps_of
from platforms.hyperv.tasks import done, run
from platforms.windows.failures import Failed, interruptions
from platforms.windows.tasks import run_module
from suite.belts import share
from windows_guests.vendor_iso import iso, windows_files

ISO, OTHER = "C:\\iso\\Windows 11.iso", "C:\\iso\\other.iso"
DATA = "D:\\VMs\\data.vhdx"
#: Small pieces: the copy has several.
_PIECE = 300_000
#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 6
_ERROR = Failed("Test,Test", "NotSpecified", "Es ging schief.")
WEB = {"name": ["web"], "memory": "1G", "firmware": "uefi"}
NEW = {**WEB, "iso": ISO, "skip_boot_prompt": True}


@pytest.fixture(name="world")
def _world(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(tmp_path / "controller"))
    monkeypatch.setattr(windows_medium, "PIECE", _PIECE)
    monkeypatch.setattr(windows_medium, "BLOCK", 64 << 10)
    return SimpleNamespace(host=_host())


def _host():
    host = host_with()
    host.files.put(ISO, iso(windows_files()))
    host.files.put(OTHER, iso(windows_files(), label="OTHER"))
    return host


def _inserted(host, name="web"):
    (path,) = [one.path for one in host.vm(name).hardware.drives if one.kind == "dvd"]
    return path


def _prepared(host):
    return [path for path in images_of(host) if not path.endswith(".json")]


def _twice(host, **options):
    """Run a task in check mode, in reality and again; return the result of the real one."""
    before = dict(host.files.contents)
    check = run(host, check=True, **options)
    assert (check["failed"], dict(host.files.contents) == before) == (False, True), check.get("msg")
    real, again = done(host, **options), run(host, **options)
    assert (check["changed"], check["diff"]) == (real["changed"], real["diff"])
    assert [vm["steps"] for vm in check["vms"]] == [vm["steps"] for vm in real["vms"]]
    assert (again["failed"], again["changed"]) == (False, False), again
    return real


def test_new_vm_gets_a_copy_that_differs_in_what_names_the_program(world):
    real, host = _twice(world.host, **NEW), world.host
    (path,) = _prepared(host)
    assert path.startswith(f"{FOLDER}\\windows-11.no-prompt-".lower())
    assert (steps_of(real), real["vms"][0]["iso"]) == (["fetch", "create"], ISO)
    assert host.files.key(_inserted(host)) == path
    original, copy = host.files.file(ISO), host.files.file(path)
    differing = [at for at, (old, new) in enumerate(zip(original, copy)) if old != new]
    assert (len(original), 0 < len(differing) <= 4) == (len(copy), True)
    assert differing[-1] - differing[0] < 4
    assert json.loads(host.files.file(f"{path}.json"))["name"] == ISO
    described = done(host, "vm_info", name=["web"], describe=True)["vms"][0]["task"]
    assert (described["iso"], described["skip_boot_prompt"]) == (ISO, True)


def test_second_vm_gets_the_same_copy(world):
    done(world.host, **NEW)
    real = done(world.host, **{**NEW, "name": ["second", "third"], "iso": "c:/ISO/windows 11.iso"})
    assert (steps_of(real, "second"), len(_prepared(world.host))) == (["create"], 1)
    assert {world.host.files.key(_inserted(world.host, name)) for name in ("web", "second", "third")} == {
        _prepared(world.host)[0]
    }


def test_several_vms_of_one_task_need_one_copy(world):
    done(world.host, **{**NEW, "name": ["web", "second"]})
    assert len(_prepared(world.host)) == 1


def test_prompt_is_removed_and_comes_back_while_the_vm_runs(world):
    done(world.host, **WEB, iso=ISO, state="started")
    for is_skipped in (True, False):
        real = _twice(world.host, **WEB, iso=ISO, skip_boot_prompt=is_skipped)
        assert (real["vms"][0]["iso"], real["vms"][0]["state"]) == (ISO, "running")
        assert (_inserted(world.host) == ISO) is not is_skipped
    plain = _twice(world.host, **WEB, skip_boot_prompt=True)
    assert plain["vms"][0]["iso"] == ISO


def test_other_image_is_inserted_as_the_task_says(world):
    done(world.host, **NEW)
    assert not done(world.host, name=["web"], iso=ISO)["changed"]
    _twice(world.host, name=["web"], iso=OTHER)
    assert _inserted(world.host) == OTHER
    _twice(world.host, **{**NEW, "iso": OTHER})
    assert ("other.no-prompt" in _inserted(world.host), len(_prepared(world.host))) == (True, 2)
    _twice(world.host, name=["web"], iso="")
    assert _inserted(world.host) == ""


def test_replaced_iso_image_is_prepared_again(world):
    done(world.host, **NEW)
    world.host.files.put(ISO, iso(windows_files(), label="NEW"))
    _twice(world.host, **NEW)
    assert len(_prepared(world.host)) == 2
    world.host.files.delete(ISO)
    result = run(world.host, **NEW)
    assert (result["failed"], ISO in result["msg"]) == (True, True)


def test_checkpoint_has_the_iso_image_too(world):
    done(world.host, **NEW)
    done(world.host, "snapshot", name="web", snapshot="first")
    done(world.host, name=["web"], iso="")
    done(world.host, "snapshot", name="web", snapshot="first", state="restored")
    assert not done(world.host, **NEW)["changed"]


@pytest.mark.parametrize("name", ["c:/ISO/windows 11.iso", "C:\\iso\\.\\Windows 11.iso"])
def test_prepared_image_is_removed_by_any_spelling_of_its_path(world, name):
    done(world.host, **NEW)
    done(world.host, name=["web"], state="absent")
    world.host.clock.sleep(600)
    kept = _images(world, "image", name=["C:\\iso\\Windows 1.iso"], state="absent")
    assert (kept["changed"], len(_prepared(world.host))) == (False, 1)
    check = _images(world, "image", name=[name], state="absent", check=True)
    real = _images(world, "image", name=[name], state="absent")
    assert (check["changed"], check["diff"]) == (True, real["diff"])
    assert (real["changed"], images_of(world.host)) == (True, [])


def _images(world, about="image_info", **options):
    return run_module(world.host, about, platform="hyperv", **options)


def test_image_info_lists_it_and_a_used_one_is_not_removed(world):
    done(world.host, **NEW)
    (image,) = _images(world)["images"]
    assert (image["name"], image["users"], image["format"]) == (ISO, ["web"], "iso")
    done(world.host, "snapshot", name="web", snapshot="first")
    done(world.host, name=["web"], iso="")
    used = _images(world, "image", name=[ISO], state="absent")
    assert (used["failed"], "web" in used["msg"], len(_prepared(world.host))) == (True, True, 1)
    done(world.host, "snapshot", name="web", snapshot="first", state="absent")
    world.host.clock.sleep(600)
    removed = _images(world, "image", name=[ISO], state="absent")
    assert (removed.get("msg"), removed["changed"], images_of(world.host)) == (None, True, [])
    assert world.host.files.file(ISO) is not None


@pytest.mark.parametrize("case", ["no program", "no medium", "bios", "cut off", "missing"])
def test_what_cannot_be_prepared_is_rejected_before_the_vm_is_created(world, case):
    content, more, words = {
        "no program": (iso(windows_files(**{"efi/microsoft/boot/efisys_noprompt.bin": None})), {}, "efisys_noprompt"),
        "no medium": (b"letter", {}, "ends too early"),
        "bios": (None, {"firmware": "bios"}, "Set firmware: uefi"),
        "cut off": (iso(windows_files())[: 40 * 2048], {}, "ends too early"),
        "missing": (None, {"iso": "C:\\iso\\no.iso"}, "C:\\iso\\no.iso does not exist"),
    }[case]
    if content:
        world.host.files.put(ISO, content)
    before = world.host.writes()
    for check in (True, False):
        result = run(world.host, check=check, **{**NEW, **more})
        assert (result["failed"], words in result["msg"]) == (True, True), result["msg"]
    assert (world.host.writes(), images_of(world.host), world.host.vms) == (before, [], [])


def test_full_drive_is_reported_before_the_vm_is_created(world):
    files = world.host.files
    files.capacity["C"] = files.used("C") + 1000
    for check in (True, False):
        result = run(world.host, check=check, **NEW)
        assert (result["failed"], "are needed" in result["msg"], images_of(world.host)) == (True, True, [])


def test_space_of_a_killed_copy_is_not_needed_twice(world):
    done(world.host, **NEW)
    name, host = _prepared(world.host)[0], _host()
    host.files.put(f"{name}.{'1' * 12}.{'2' * 8}.part", host.files.file(ISO))
    host.files.capacity["C"] = host.files.used("C") + 1000
    assert not run(host, check=True, **NEW)["failed"]


def test_iso_image_is_read_in_few_pieces(world):
    """The directories of the medium are near each other."""
    requests, sent = world.host.windows.requests, len(world.host.windows.requests)
    run(world.host, check=True, **NEW)
    parts = [call for one in requests[sent:] for chain in one["chains"] for call in chain["calls"] if "at" in call]
    assert (len(parts) <= 12, {call["op"] for call in parts}) == (True, {"read"})
    assert len(requests) - sent <= 12


def test_file_of_somebody_else_is_never_replaced(world):
    done(world.host, **NEW)
    (path,) = _prepared(world.host)
    other = _host()
    other.files.put(path, b"a letter")
    result = run(other, **NEW)
    assert (result["failed"], "is not a complete image of this store" in result["msg"]) == (True, True)
    assert other.files.file(path) == b"a letter"


def test_image_that_changes_while_it_is_copied_is_not_used(world):
    host, copied = world.host, world.host.files.copy_part

    def changed(*words):
        host.files.put(ISO, iso(windows_files(), label="NEW"))
        return copied(*words)

    host.files.copy_part = changed
    result = run(host, **NEW)
    assert (result["failed"], "was changed while this task read it" in result["msg"]) == (True, True)
    assert images_of(host) == []


def _calls_of_preparation():
    host, before = _host(), []
    host.before("New-VM", lambda: before.append(host.windows.faults.calls))
    done(host, **NEW)
    return before[0]


@pytest.mark.parametrize("label", interruptions(_ERROR))
def test_preparation_that_was_interrupted_at_any_call_is_completed(request, world, label):
    """By the same task after a lost connection, else by the next one."""
    done(world.host, **NEW)
    (path,) = _prepared(world.host)
    expected = world.host.files.file(path)
    for place in share(request.config, range(1, _calls_of_preparation() + 1), _PLACES):
        host = _host()
        host.windows.faults.plan(call=place, **interruptions(_ERROR)[label])
        first = run(host, **NEW)
        assert "exception" not in first, (place, first["exception"])
        second = run(host, **NEW)
        assert not second["failed"], (place, second["msg"])
        assert (_prepared(host), host.files.file(path) == expected) == ([path], True), place
        assert [vm.name for vm in host.vms] == ["web"], place


def test_killed_copy_is_not_used_and_is_removed_by_the_next_task(request, world):
    for place in share(request.config, range(1, _calls_of_preparation() + 1), _PLACES):
        host = _host()
        for one in range(place, place + 999):
            host.windows.faults.plan(call=one, kind="kill", before=True)
        assert run(host, **NEW)["failed"], place
        host.windows.faults.planned.clear()
        done(host, **NEW)
        assert len(images_of(host)) == 2, (place, images_of(host))


def test_languages_and_images_are_read_from_the_host(world):
    requests = world.host.windows.requests
    result = run_module(world.host, "windows_medium_info", path="c:/iso/Windows 11.iso")
    assert (result["failed"], result["languages"], result["starts_without_key"]) == (False, ["en-US"], False)
    assert [one["index"] for one in result["images"]] == [1, 2, 3, 4]
    assert (len(requests) <= 12, world.host.writes()) == (True, [])
    done(world.host, **NEW)
    prepared = run_module(world.host, "windows_medium_info", path=_prepared(world.host)[0])
    assert prepared["starts_without_key"] is True


@pytest.mark.parametrize(
    ("path", "words"),
    [("iso/x.iso", "is not an absolute path on Windows"), ("C:\\iso\\no.iso", "C:\\iso\\no.iso does not exist")],
)
def test_medium_that_cannot_be_read_is_reported(world, path, words):
    result = run_module(world.host, "windows_medium_info", path=path)
    assert (result["failed"], words in result["msg"]) == (True, True), result["msg"]


def test_prepared_image_that_was_changed_is_not_used(world):
    """Also with the same size, and by a program that keeps the record beside it."""
    done(world.host, **NEW)
    (path,) = _prepared(world.host)
    done(world.host, name=["web"], state="absent")
    world.host.clock.sleep(5)
    content = world.host.files.file(path)
    world.host.files.put(path, bytes(content)[:-1] + b"x")
    for check in (True, False):
        result = run(world.host, check=check, **NEW)
        assert (result["failed"], [vm.name for vm in world.host.vms]) == (True, []), result
        assert f", which was prepared from {ISO}, was changed since. Remove it" in result["msg"]
    assert not _images(world, "image", name=[ISO], state="absent").get("failed")
    done(world.host, **NEW)
    assert bytes(world.host.files.file(path)) == bytes(content)


def test_prepared_image_of_an_earlier_version_is_known_by_its_size(world):
    """Its record does not contain the time at which the file was written."""
    done(world.host, **NEW)
    (path,) = _prepared(world.host)
    record = json.loads(world.host.files.file(f"{path}.json"))
    world.host.files.put(f"{path}.json", json.dumps({**record, "seen": None}).encode())
    (vm,) = done(world.host, "vm_info", name=["web"])["vms"]
    assert (vm["iso"], vm["settings"]["skip_boot_prompt"]) == (ISO, True)
    assert not done(world.host, **NEW)["changed"]
    world.host.files.put(path, b"short")
    (vm,) = done(world.host, "vm_info", name=["web"])["vms"]
    assert vm["iso"].lower() == path


def test_changed_image_of_a_vm_is_replaced_as_the_error_says(world):
    done(world.host, **NEW)
    (path,) = _prepared(world.host)
    world.host.clock.sleep(600)
    world.host.files.put(path, bytes(world.host.files.file(path))[:-1] + b"x")
    for check in (True, False):
        result = run(world.host, check=check, **NEW)
        assert 'was changed since. Eject it from web (iso: ""). Then remove it' in result["msg"], result
    used = _images(world, "image", name=[ISO], state="absent")
    assert "optical drives of web need" in used["msg"] and 'Eject it from these VMs first (iso: "")' in used["msg"]
    done(world.host, name=["web"], iso="")
    assert not _images(world, "image", name=[ISO], state="absent").get("failed")
    assert done(world.host, **NEW)["changed"]
    assert _inserted(world.host).lower() == path


def _with_keys(host, check=False, **more):
    """Start a new VM from an ISO image that nothing prepares."""
    options = {**WEB, "iso": ISO, "disks": [{"size": "10G"}], "state": "started", "boot_key_seconds": 3, **more}
    return run(host, check=check, **options)


def test_keys_are_pressed_after_the_start(world):
    checked = _with_keys(world.host, check=True)
    assert (checked["failed"], checked["changed"], world.host.writes()) == (False, True, []), checked.get("msg")
    real = _with_keys(world.host)
    assert (real["failed"], real["changed"], set(world.host.vm("web").typed)) == (False, True, {38}), real.get("msg")
    assert len(world.host.vm("web").typed) in (2, 3)
    before = list(world.host.vm("web").typed)
    again = _with_keys(world.host)
    assert (again["changed"], world.host.vm("web").typed) == (False, before)


@pytest.mark.parametrize("first", ["", OTHER])
def test_iso_image_in_any_drive_may_ask_for_a_key(world, first):
    drives = [{"slot": "SCSI 0:5", "source": first}, {"slot": "SCSI 0:6", "source": ISO}]
    keys = {"state": "started", "boot_key_seconds": 3}
    for check in (True, False):
        result = run(world.host, check=check, **WEB, disks=[{"size": "10G"}], cdroms=drives, **keys)
        assert not result["failed"], result["msg"]
    assert len(world.host.vm("web").typed) > 1


@pytest.mark.parametrize(
    "disks", [[{"size": "10G", "format": "vhdx-fixed"}], [{"size": "10G"}, {"slot": "SCSI 0:1", "source": DATA}]]
)
def test_disks_that_use_their_space_from_the_start_do_not_prevent_keys(world, disks):
    world.host.disk(DATA, size=10 << 30, type="Fixed")
    real = _with_keys(world.host, disks=disks)
    assert (real["failed"], real["warnings"], len(world.host.vm("web").typed) > 1) == (False, [], True), real.get("msg")
    done(world.host, name=["web"], state="stopped", stop_mode="force")
    again = _with_keys(world.host, disks=disks)
    assert (again["changed"], "no key was pressed, because its disks use" in again["warnings"][0]) == (True, True)


def test_vm_that_stops_before_the_key_gets_none(world):
    """Hyper-V reports an error; the result is that of a VM that has stopped."""
    world.host.before("Invoke-CimMethod", lambda: world.host.reach(world.host.vm("web"), "Off"))
    result = _with_keys(world.host)
    assert (result["failed"], world.host.vm("web").typed, "did not press" in result["msg"]) == (True, [], False), result


def test_key_that_hyper_v_rejects_fails_the_task(world):
    world.host.before("Invoke-CimMethod", lambda: setattr(world.host.vm("web"), "state", "Paused"))
    world.host.after("Invoke-CimMethod", lambda: setattr(world.host.vm("web"), "state", "Running"))
    result = _with_keys(world.host)
    assert result["failed"]
    assert "web: Hyper-V did not press a key (error 32775). The VM was created, and is kept." in result["msg"]
