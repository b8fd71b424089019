# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images of Windows without the prompt for a key: prepared once, and the VM still has the ISO image of the task."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from suite.answer import Task
from suite.carry import carry_one
from suite.shim import Shim
from windows_guests.vendor_iso import windows_files, write_iso

VM = "pvc-prompt"
_PLATFORMS = ["libvirt_qemu", "virtualbox", pytest.param("virtualbox_double", marks=pytest.mark.full)]
ON_EACH = pytest.mark.parametrize("platform_name", _PLATFORMS, indirect=True, scope="session")
#: On libvirt, the prepared image needs the ISO image; on VirtualBox it is a copy.
_FORMATS = {"libvirt_qemu": "qcow2", "virtualbox": "iso", "virtualbox_double": "iso"}
pytestmark = [pytest.mark.core, ON_EACH]


@pytest.fixture(name="media")
def _media(platform):
    """(directory of images, ISO image of Windows), where QEMU may read them."""
    platform.clean()
    folder = platform.storage.parent / "pvg-media"
    folder.mkdir()
    yield folder / "store", write_iso(folder / "windows.iso", windows_files())
    platform.clean()
    shutil.rmtree(folder)


def _made(platform, media, **options):
    store, iso = media
    without = {key: value for key, value in platform.creation.items() if key not in ("iso", "image", "box")}
    more = {"firmware": "uefi", "iso": iso, "skip_boot_prompt": True, "image_directory": str(store)}
    return {**without, "name": [VM], **more, **options}


def _images(platform, media, about="image_info", check=False, **options):
    place = {"platform": platform.name.partition("_")[0], "image_directory": str(media[0])}
    return Task(about, {**place, **options}, check, about)


def _done(platform, carry, *tasks):
    answers = list(carry(platform, tasks, [VM]).values())
    for answer in answers:
        assert not answer.failed, answer.msg
    return answers


def _stored(media):
    return sorted(name for name in os.listdir(media[0]) if not name.endswith(".json")) if media[0].exists() else []


def _described(platform, carry):
    (answer,) = _done(platform, carry, Task("describe", {"name": [VM], "describe": True}, about="vm_info"))
    return answer.vm(VM)


def _runs(options):
    return Task("check", options, check=True), Task("real", options), Task("again", options)


def test_new_vm_gets_the_prepared_image_and_has_the_iso_image(platform, carry, media):
    made = _made(platform, media)
    (check,) = _done(platform, carry, Task("check", made, check=True))
    assert _stored(media) == []
    real, again = _done(platform, carry, Task("real", made), Task("again", made))
    assert (check.changed, real.changed, again.changed) == (True, True, False)
    assert (check.diff, [step["note"] for step in check.vm(VM)["steps"]]) == (
        real.diff,
        [step["note"] for step in real.vm(VM)["steps"]],
    )
    (name,) = _stored(media)
    assert name.startswith("windows.no-prompt-") and name.endswith(_FORMATS[platform.name])
    assert (real.vm(VM)["steps"][0]["verb"], name in real.vm(VM)["steps"][0]["note"]) == ("fetch", True)
    assert (again.vm(VM)["iso"], again.truth) == (media[1], real.truth)
    plain = {"name": [VM], "iso": media[1]}
    (same,) = _done(platform, carry, Task("plain", plain))
    assert (same.changed, same.truth) == (False, real.truth)
    described = _described(platform, carry)
    assert (described["task"]["iso"], described["task"]["skip_boot_prompt"]) == (media[1], True)


def test_prompt_is_removed_and_comes_back(platform, carry, media):
    without = {key: value for key, value in _made(platform, media).items() if key != "skip_boot_prompt"}
    _done(platform, carry, Task("made", without))
    assert _stored(media) == []
    for is_skipped in (True, False):
        check, real, again = _done(platform, carry, *_runs({**without, "skip_boot_prompt": is_skipped}))
        assert (check.changed, real.changed, again.changed) == (True, True, False), is_skipped
        assert (check.diff, again.truth) == (real.diff, real.truth)
        assert (len(_stored(media)), real.vm(VM)["iso"]) == (1, media[1])


def test_other_image_is_inserted_as_the_task_says(platform, carry, media):
    other = write_iso(media[0].parent / "other.iso", windows_files(), label="OTHER")
    _done(platform, carry, Task("made", _made(platform, media)))
    check, real, again = _done(platform, carry, *_runs({"name": [VM], "iso": other}))
    assert (check.diff, check.changed, again.changed) == (real.diff, True, False)
    described = _described(platform, carry)
    assert (described["task"]["iso"], "skip_boot_prompt" in described["task"]) == (other, False)
    _done(platform, carry, Task("back", _made(platform, media)))
    check, real, again = _done(platform, carry, *_runs(_made(platform, media, iso=other)))
    assert (check.diff, check.changed, again.changed) == (real.diff, True, False)
    assert (again.vm(VM)["iso"], len(_stored(media))) == (other, 2)
    check, real, again = _done(platform, carry, *_runs({"name": [VM], "iso": ""}))
    assert (check.diff, check.changed, again.changed, again.vm(VM)["iso"]) == (real.diff, True, False, "")


def test_image_info_lists_it_and_a_used_one_is_not_removed(platform, carry, media):
    _done(platform, carry, Task("made", _made(platform, media)))
    (listed,) = _done(platform, carry, _images(platform, media))
    (image,) = listed.result["images"]
    assert (image["name"], image["users"], image["format"]) == (media[1], [VM], _FORMATS[platform.name])
    removal = {"about": "image", "name": [media[1]], "state": "absent"}
    (used,) = carry(platform, [_images(platform, media, **removal)], [VM]).values()
    assert (used.failed, VM in used.msg, len(_stored(media))) == (True, True, 1)
    _done(platform, carry, Task("eject", {"name": [VM], "iso": ""}))
    check, real = _done(
        platform, carry, _images(platform, media, check=True, **removal)
    ) + _done(platform, carry, _images(platform, media, **removal))  # fmt: skip
    assert (check.changed, check.diff, _stored(media)) == (True, real.diff, [])
    assert os.path.exists(media[1])


def test_replaced_iso_image_is_prepared_again(platform, carry, media):
    _done(platform, carry, Task("made", _made(platform, media)))
    os.rename(write_iso(media[0].parent / "new", windows_files(), label="NEW"), media[1])
    check, real, again = _done(platform, carry, *_runs(_made(platform, media)))
    assert (check.changed, real.changed, again.changed, len(_stored(media))) == (True, True, False, 2)
    assert (check.diff, real.vm(VM)["iso"]) == (real.diff, media[1])
    os.unlink(media[1])
    (removed,) = carry(platform, [Task("again", _made(platform, media))], [VM]).values()
    assert (removed.failed, media[1] in removed.msg) == (True, True)


@pytest.mark.parametrize("case", ["no program", "no medium", "bios", "no iso"])
def test_what_cannot_be_prepared_is_rejected_before_the_vm_is_created(platform, carry, media, case):
    noprompt = {"efi/microsoft/boot/efisys_noprompt.bin": None}
    if case == "no program":
        write_iso(media[1], windows_files(**noprompt))
    elif case == "no medium":
        write_iso(media[1], {"readme.txt": b"x"}, boot=("", ""))
    options, words = {
        "no program": ({}, "efisys_noprompt.bin"),
        "no medium": ({}, "efisys_noprompt.bin"),
        "bios": ({"firmware": "bios"}, "Set firmware: uefi"),
        "no iso": ({"iso": "", "disks": [{"size": "8M"}]}, "Set iso"),
    }[case]
    made = _made(platform, media, **options)
    for answer in carry(platform, [Task("check", made, check=True), Task("real", made)], [VM]).values():
        assert (answer.failed, answer.truth[VM], _stored(media)) == (True, None, [])
        assert "skip_boot_prompt: " in answer.msg and words in answer.msg, answer.msg


def test_tasks_at_the_same_time_prepare_one_image(platform, media, tmp_path):
    names = [f"{VM}-{number}" for number in range(3)]
    with ThreadPoolExecutor(len(names)) as pool:
        made = [{**_made(platform, media), "name": [name]} for name in names]
        runs = [pool.submit(_alone, platform, tmp_path / one["name"][0], one) for one in made]
        assert [run.result().msg for run in runs if run.result().failed] == []
    assert (len(_stored(media)), set(names) <= set(platform.ids())) == (1, True)


def _alone(platform, folder, options):
    folder.mkdir()
    return carry_one(platform, Shim(folder / "shim", platform.commands), folder, options)


def test_full_directory_is_reported_before_the_vm_is_created(platform, carry, media):
    """A file system of 64 KiB has space for neither a layer nor a copy."""
    media[0].mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", media[0]]
    subprocess.run(mounted, check=True)
    try:
        made = _made(platform, media)
        for answer in carry(platform, [Task("check", made, check=True), Task("real", made)], [VM]).values():
            assert (answer.failed, answer.truth[VM], _stored(media)) == (True, None, [])
            assert "are needed" in answer.msg and str(media[0]) in answer.msg, answer.msg
    finally:
        subprocess.run(["umount", media[0]], check=True)
