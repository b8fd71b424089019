# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs from images by name: downloaded once, the same in check mode, completed after an interruption."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING

from collection_path import CHECKOUT
from suite.answer import Task
from suite.belts import share
from suite.by_ansible import module_of
from suite.limits import wait_until
from suite.media_server import as_published

VM, SECOND = "pvc-named", "pvc-second"


@pytest.mark.real
@pytest.mark.core
def test_check_mode_predicts_the_run_and_the_second_run_does_nothing(platform, vendor, made, carry, store):
    answers = carry(platform, [Task("check", made, check=True), Task("make", made), Task("again", made)], [VM])
    for answer in answers.values():
        assert not answer.failed, answer.msg
    check, run, again = answers["check"], answers["make"], answers["again"]
    assert check.truth[VM] is None
    assert vendor.downloads() == 1
    assert (check.result["diff"], check.vm(VM)["image"]) == (run.result["diff"], run.vm(VM)["image"])
    assert [step["verb"] for step in run.vm(VM)["steps"]][:2] == ["fetch", "create"]
    assert run.vm(VM)["image"]["digest"] == f"sha256:{vendor.digest}"
    assert (again.changed, again.vm(VM)["image"]) == (False, run.vm(VM)["image"])
    assert len(platform.stored_images(store)) == 1


def test_second_vm_needs_no_request(platform, vendor, made, carry):
    carry(platform, [Task("make", made)], [VM])
    vendor.server.requests.clear()
    answer = carry(platform, [Task("second", {**made, "name": [SECOND]})], [SECOND])["second"]
    assert not answer.failed, answer.msg
    assert (vendor.server.requests, "fetch" in [one["verb"] for one in answer.vm(SECOND)["steps"]]) == ([], False)


def test_several_vms_of_a_task_fetch_once(platform, vendor, made, carry):
    names = [VM, SECOND]
    answer = carry(platform, [Task("make", {**made, "name": names})], names)["make"]
    assert not answer.failed, answer.msg
    assert vendor.downloads() == 1


def test_newer_image_of_the_name_is_no_difference(platform, vendor, made, carry):
    carry(platform, [Task("make", made)], [VM])
    vendor.publish(vendor.content + bytes(512))
    answer = carry(platform, [Task("again", {**made, "image": vendor.image(refresh=True)})], [VM])["again"]
    assert (answer.failed, answer.changed, answer.result.get("warnings", [])) == (False, False, [])


def test_another_name_warns(platform, vendor, made, carry):
    carry(platform, [Task("make", made)], [VM])
    other = {**vendor.image(), "source": "tests-2"}
    answer = carry(platform, [Task("again", {**made, "image": other})], [VM])["again"]
    assert not answer.changed
    assert "the VM was created from 'tests-1', and the task names 'tests-2'" in str(answer.result["warnings"])


def test_interrupted_download_is_completed(platform, vendor, made, carry):
    path = f"/latest/{vendor.file}"
    vendor.server.cuts[path] = [None, 5000, 0, 0, 0] if platform.resumes_downloads else [None, 5000]
    first = carry(platform, [Task("make", made)], [VM])["make"]
    assert first.failed
    assert (first.changed, first.truth[VM]) == (False, None)
    second = carry(platform, [Task("make", made)], [VM])["make"]
    assert not second.failed, second.msg
    assert vendor.server.fetched(path)[-1] == ("bytes=5000-" if platform.resumes_downloads else None)


def test_compressed_image_is_unpacked_also_after_an_interrupted_download(platform, vendor, made, carry, store):
    """The host of the task resumes it, also where the platform downloads other images itself."""
    if platform.published_archive():
        pytest.skip("an archive for WSL is not compressed again")
    compressed = vendor.compressed()
    path = f"/latest/{compressed['catalogue']['media'][0]['file']}"
    vendor.server.cuts[path] = [None, 100, 0, 0, 0]
    made = {**made, "image": compressed}
    tasks = [Task("interrupted", made), Task("make", made), Task("again", made)]
    answers = carry(platform, tasks, [VM])
    assert (answers["interrupted"].failed, answers["interrupted"].truth[VM]) == (True, None)
    assert not answers["make"].failed, answers["make"].msg
    assert vendor.server.fetched(path)[-1] == "bytes=100-"
    assert (answers["again"].changed, len(platform.stored_images(store))) == (False, 1)


@pytest.mark.parametrize(
    "change,text",
    [
        ({"architecture": "arm64"}, "is published for arm64"),
        ({"type": "netboot"}, "of it is known for"),
        ({"file": "other.qcow2"}, "has no other.qcow2"),
        ({"image": {"format": "qcow2", "firmware": ["other"], "serial_console": True}}, "firmware"),
    ],
    ids=["architecture", "medium", "file", "firmware"],
)
def test_image_that_does_not_fit_is_rejected(platform, vendor, made, carry, store, change, text):
    image, other = vendor.image(), {"bios": "uefi", "uefi": "bios"}.get(platform.image_firmware)
    if "image" in change:
        if other is None:
            pytest.skip("VMs of this platform have no firmware")
        change = {"image": {**change["image"], "firmware": [other]}}
    image["catalogue"] = {"media": [{**image["catalogue"]["media"][0], **change}]}
    answer = carry(platform, [Task("make", {**made, "image": image})], [VM])["make"]
    assert answer.failed
    assert text in answer.msg
    assert (answer.truth[VM], platform.stored_images(store)) == (None, [])


def test_image_for_a_newer_cpu_is_rejected(platform, vendor, made, carry, store):
    """Where the CPU of a new VM is known: that of libvirt's emulator is the oldest one."""
    if platform.name != "libvirt_qemu":
        pytest.skip("the CPU is not known, or depends on the host of the test")
    image = vendor.image()
    (medium,) = image["catalogue"]["media"]
    image["catalogue"] = {"media": [{**medium, "image": {**medium["image"], "cpu": "x86-64-v9"}}]}
    answer = carry(platform, [Task("make", {**made, "image": image})], [VM])["make"]
    assert "it needs a CPU of level x86-64-v9, but the VM has" in answer.msg
    assert (answer.truth[VM], platform.stored_images(store)) == (None, [])


@pytest.mark.core
def test_image_that_is_not_the_vendors_is_not_kept(platform, vendor, made, carry, store):
    vendor.server.files["/latest/SHA256SUMS"] = f"{'0' * 64}  {vendor.file}\n".encode()
    answer = carry(platform, [Task("make", made)], [VM])["make"]
    assert answer.failed
    assert "0000" in answer.msg
    assert (answer.changed, answer.truth[VM], platform.stored_images(store)) == (False, None, [])


def test_unknown_name_is_rejected(platform, made, carry):
    image = {"source": "tests-l", "catalogue": {"names": ["tests-1", "debian-13"]}}
    answer = carry(platform, [Task("make", {**made, "image": image})], [VM])["make"]
    assert "there is no image named 'tests-l'. Did you mean tests-1?" in answer.msg


def test_name_of_the_users_catalogue_by_ansible(platform, vendor, made, carry, tmp_path):
    """By ansible-playbook: the name is in a directory of the user, and the vendor is replaced by a mirror."""
    if platform.images_by_controller:
        pytest.skip("it needs a connection to Windows: tests/platforms/hyperv/test_images_winrm.py")
    vendor.write_catalogue(tmp_path / "catalogue", "https://vendor.example.org/images")
    own = {
        "polyvirt_catalogue_directories": [str(tmp_path / "catalogue")],
        "polyvirt_mirrors": {"https://vendor.example.org/images": f"{vendor.server.url}/latest"},
        **({"polyvirt_image_directory": made["image_directory"]} if "image_directory" in made else {}),
    }
    named = {**{key: value for key, value in made.items() if key != "image_directory"}, "image": "tests-1"}
    tasks = [Task("check", named, check=True), Task("make", named), Task("again", named)]
    tasks.append(Task("unknown", {**named, "name": [SECOND], "image": "tests-2"}))
    answers = carry(platform, tasks, [VM], by="in_process", reach={"vars": own})
    unknown = answers.pop("unknown")
    for answer in answers.values():
        assert not answer.failed, answer.msg
    assert [one.changed for one in answers.values()] == [True, True, False]
    assert answers["check"].vm(VM)["image"] == answers["make"].vm(VM)["image"]
    assert "image: there is no image named 'tests-2'. Did you mean tests-1?" in unknown.msg
    shown = answers["make"].result["invocation"]["module_args"]["image"]
    assert "catalogue" not in shown


def _plays_of(document):
    """Return the plays, and what else the lists of YAML in a document contain."""
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block.split("```")[0]) for block in text.split("```yaml\n")[1:]]
    return [entry for block in blocks if isinstance(block, list) for entry in block]


def _tasks_of(document):
    """Return all tasks of the playbooks and lists of tasks in a document."""
    entries = _plays_of(document)
    return [task for entry in entries for task in [entry, *entry.get("tasks", ()), *entry.get("post_tasks", ())]]


def _three_times(platform, server_of_vendor, carry, store, options):
    """The answers of a task in check mode, carried out, and repeated; its hardware is that of the tests."""
    platform.offer(options["image"])
    small = {key: value for key, value in platform.creation.items() if key not in ("box", "disks", "image", "iso")}
    own = platform.image_options(store) if server_of_vendor.content else {}
    options = server_of_vendor.completed({**options, **small, **own, "image": options["image"], "name": [VM]})
    answers = carry(platform, [Task("check", options, check=True), Task("make", options), Task("again", options)], [VM])
    for answer in answers.values():
        assert not answer.failed, answer.msg
    check, run, again = answers["check"], answers["make"], answers["again"]
    assert (check.changed, run.changed, again.changed) == (True, True, False)
    assert check.result["diff"] == run.result["diff"]
    assert (run.vm(VM)["image"]["name"], run.truth[VM]["power"]) == ("debian-13", RUNNING)


@pytest.fixture(name="has_images")
def _has_images(platform, server_of_vendor):
    if not server_of_vendor.content and not hasattr(platform, "own_medium"):
        pytest.skip("this platform has no images")


@pytest.mark.usefixtures("has_images")
def test_first_task_of_the_readme(platform, server_of_vendor, carry, store):
    """The first task, as README.md has it; only its directory and the hardware are those of the tests."""
    options = next(task["polyvirt.core.vm"] for task in _tasks_of("README.md") if "polyvirt.core.vm" in task)
    assert options == {"name": "demo1", "state": "started", "image": "debian-13"}
    _three_times(platform, server_of_vendor, carry, store, options)


@pytest.mark.usefixtures("has_images")
def test_first_steps_of_the_platform(platform, server_of_vendor, carry, store):
    """The task of docs/first-steps.md for this platform. No guest answers, and its networks are those of the tests."""
    module = f"polyvirt.core.{module_of(platform, 'vm').removeprefix('polyvirt.core.')}"
    (play,) = [play for play in _plays_of("docs/first-steps.md") if module in play.get("module_defaults", {})]
    if platform.family == "polyvirt.core.vagrant":
        pytest.skip("its project is that of a user: tests/install/test_first_steps.py")
    options = {**play["module_defaults"][module], **play["tasks"][0]["polyvirt.core.vm"]}
    not_here = ("wait_for", "networks", "port_forwards", "cloud_init", "keep_running")
    options = {name: value for name, value in options.items() if name not in not_here}
    _three_times(platform, server_of_vendor, carry, store, options)


# Images that the platform itself downloads ----------------------------------------------------------------------------


@pytest.fixture(name="named")
def _named(platform):
    """Options of a VM from a name of the catalogue."""
    if not hasattr(platform, "own_medium"):
        pytest.skip("the images of this platform are files")
    platform.clean()
    creation = {key: value for key, value in platform.creation.items() if key not in ("box", "image")}
    catalogue = {"media": [platform.own_medium], "version": "12", "warnings": ["old"]}
    return {**creation, "name": [VM], "image": {"source": "tests-12", "catalogue": catalogue}}


def test_name_that_the_platform_downloads(platform, named, carry):
    tasks = [Task("check", named, check=True), Task("make", named), Task("again", named)]
    answers = carry(platform, tasks, [VM])
    for answer in answers.values():
        assert not answer.failed, answer.msg
    check, run, again = answers["check"], answers["make"], answers["again"]
    assert (check.truth[VM], run.truth[VM] is None) == (None, False)
    assert (check.result["diff"], check.result["warnings"]) == (run.result["diff"], run.result["warnings"])
    assert [one.vm(VM)["image"]["name"] for one in answers.values()] == ["tests-12"] * 3
    assert (again.changed, again.result.get("warnings", [])) == (False, [])
    assert "old" in str(run.result["warnings"])


def test_another_name_that_the_platform_downloads_only_warns(platform, named, carry):
    other = {**named, "image": {**named["image"], "source": "tests-13"}, "allow_recreate": True}
    if "allow_recreate" in platform.traits().instead:
        del other["allow_recreate"]
    answers = carry(platform, [Task("make", named), Task("other", other)], [VM])
    assert answers["other"].truth == answers["make"].truth
    assert "the VM was created from 'tests-12', and the task names 'tests-13'" in str(
        answers["other"].result["warnings"]
    )


@pytest.mark.parametrize("state", ["present", "started", "stopped"])
def test_unknown_name_on_a_platform_that_downloads(platform, named, carry, state):
    image = {"source": "tests-l2", "catalogue": {"names": ["tests-12", "debian-13"]}}
    task = {**named, "image": image, "state": state}
    answers = carry(platform, [Task("make", task), Task("absent", {**task, "state": "absent"})], [VM])
    assert "there is no image named 'tests-l2'. Did you mean tests-12?" in answers["make"].msg
    assert answers["make"].truth[VM] is None
    assert not answers["absent"].failed


# Interruptions, several tasks, secrets, costs -------------------------------------------------------------------------

#: A download is written in blocks of this size.
_BLOCK = 1 << 20


def _kill_downloader(folder, size):
    """Kill the process that downloads to ``folder``, as soon as the incomplete file has this size."""
    wait_until(lambda: [path for path in folder.glob(".*.part") if path.stat().st_size >= size], lambda: "a download")
    (part,) = folder.glob(".*.part")
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if handle.samefile(part):
                os.kill(int(handle.parts[2]), signal.SIGKILL)


@pytest.mark.parametrize("is_republished", [False, True], ids=["same", "republished"])
def test_killed_download_is_completed(platform, vendor, made, carry, store, is_republished):
    if not platform.resumes_downloads:
        pytest.skip("the platform itself downloads the image")
    path = f"/latest/{vendor.file}"
    vendor.publish(vendor.content + bytes(3 * _BLOCK))
    vendor.server.pauses[path] = (5 * _BLOCK // 2, lambda: _kill_downloader(store, 2 * _BLOCK))
    killed = carry(platform, [Task("make", made)], [VM])["make"]
    assert (killed.rc, killed.truth[VM]) == (-9, None)
    (left,) = store.iterdir()
    if is_republished:
        vendor.publish(vendor.content + bytes(512))
    again = carry(platform, [Task("make", made)], [VM])["make"]
    assert not again.failed, again.msg
    assert again.vm(VM)["image"]["digest"] == f"sha256:{vendor.digest}"
    assert vendor.server.fetched(path)[-1] == (None if is_republished else f"bytes={2 * _BLOCK}-")
    assert (left.exists(), len(platform.stored_images(store))) == (False, 1)


#: The number of calls of a creation after which it is killed on one day; a deep run tests all.
_KILLED_AT = 2


@pytest.mark.parametrize("linked", [False, True], ids=["copied", "linked"])
def test_killed_creation_ends_with_one_image(request, platform, vendor, made, carry, shim, store, tmp_path, linked):
    """The vendor replaces the image meanwhile, and the next task asks for the newest one.

    The VM has the content of the image that the result names, whether that is the former or the newer one.
    """
    if not platform.handles_files or (linked and not platform.links_images):
        pytest.skip("the calls of this platform are no commands, or it copies all images")
    former = (vendor.content, 7)
    newer = (as_published(platform.published_image(), tmp_path / "newer.qcow2", 8), 8)
    begins_with = {f"sha256:{hashlib.sha256(content).hexdigest()}": byte for content, byte in (former, newer)}
    made = {**made, "image": vendor.image(refresh=True, linked=linked)}
    calls = carry(platform, [Task("make", made)], [VM])["make"].calls
    for number in share(request.config, [call.number for call in calls], _KILLED_AT):
        platform.clean()
        shutil.rmtree(store, ignore_errors=True)
        vendor.publish(former[0])
        shim.forget()
        shim.order(f"kill-after {number}")
        assert carry(platform, [Task("make", made)], [VM])["make"].rc == -9
        shim.forget()
        vendor.publish(newer[0])
        answers = carry(platform, [Task(one, made, check=one == "check") for one in ("check", "make", "again")], [VM])
        assert [answer.msg for answer in answers.values() if answer.failed] == [], number
        image = answers["make"].vm(VM)["image"]
        if platform.copies_content:
            assert platform.holds(answers["make"].truth[VM], begins_with[image["digest"]]), (number, image)
        assert answers["check"].vm(VM)["image"] == image, number
        assert answers["again"].changed is False, number


def test_credentials_are_stored_and_shown_nowhere(platform, vendor, made, carry, store):
    if not platform.resumes_downloads:
        pytest.skip("the platform itself downloads the image, and gets its address")
    url = vendor.server.url.replace("//", "//reader:hidden-word@") + "/latest"
    image = {"source": f"{url}/{vendor.file}", "checksum": f"sha256:{url}/SHA256SUMS"}
    image["headers"] = {"X-Token": "hidden-token"}
    tasks = [Task("check", {**made, "image": image}, check=True), Task("make", {**made, "image": image})]
    answers = carry(platform, tasks, [VM])
    assert [answer.msg for answer in answers.values() if answer.failed] == []
    records = "".join(path.read_text(encoding="utf-8") for path in store.glob("*.json"))
    assert f"{vendor.server.url}/latest" in records
    assert {one.get("X-Token") for one in vendor.server.headers} == {"hidden-token"}
    for answer in answers.values():
        calls = [" ".join(call.argv) for call in answer.calls]
        assert "hidden-" not in f"{answer.result}{answer.truth}{calls}{records}"


def test_second_vm_costs_no_more_than_one_from_a_path(platform, vendor, made, carry, store, record_property):
    """The image is stored. A VM from its name makes no request, and no more calls than a VM from the path.

    A store that is not on the host of the task is read by calls, too: their number is known.
    """
    carry(platform, [Task("make", made)], [VM])
    vendor.server.requests.clear()
    if not platform.stored_images(store):
        pytest.skip("the host of this platform keeps no images")
    (path,) = map(str, platform.stored_images(store))
    by_path = {key: value for key, value in made.items() if key != "image_directory"}
    ways = {"name": made, "path": {**by_path, "image": path}}
    calls = {}
    for way, options in ways.items():
        began = time.monotonic()
        answer = carry(platform, [Task(way, {**options, "name": [f"pvc-by-{way}"]})])[way]
        record_property(f"seconds by {way}", f"{time.monotonic() - began:.3f}")
        assert not answer.failed, answer.msg
        calls[way] = [call.argv[0] for call in answer.calls]
        record_property(f"calls by {way}", len(calls[way]))
    record_property("requests", len(vendor.server.requests))
    record_property("calls to find it", platform.calls_to_find_an_image)
    record_property("platform", platform.family.rpartition(".")[2])
    assert vendor.server.requests == []
    assert 0 < len(calls["name"]) <= len(calls["path"]) + platform.calls_to_find_an_image, calls
