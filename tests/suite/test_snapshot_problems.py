# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known problems of libvirt with snapshots of real guests, which the module prevents or fixes."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED, SUSPENDED

from platforms import images
from suite.answer import Task
from suite.limits import scaled
from suite.scenarios.snapshots import snapshot, snapshot_info

pytestmark = pytest.mark.full

INNER, OUTER, RAW, GUEST = "pvg-inner", "pvg-outer", "pvg-raw", "pvg-guest"
GROWN, FLASH = "pvg-grown", "pvg-flash"
BELOW, BETWEEN = 0x11, 0x22


def _qemu_img(*words):
    return subprocess.run(["qemu-img", *words], check=True, capture_output=True, text=True).stdout


def _made(qemu, name, **more):
    return Task(f"make {name}", {**qemu.creation, "name": [name], **more})


def _well(answers):
    assert [f"{label}: {answer.msg}" for label, answer in answers.items() if answer.failed] == []
    return answers


def _refused(qemu, answers, expected):
    """Each of ``expected`` ({label: words of the message}) was refused and nothing was written."""
    for label, words in expected.items():
        answer = answers[label]
        assert (answer.failed, answer.changed) == (True, False), label
        assert "\n" not in answer.msg
        assert [word for word in words if word not in answer.msg] == [], answer.msg
        assert [call.argv for call in answer.calls if qemu.is_write(call)] == [], label


def _is_newer(qemu):
    """Whether this libvirt restores external snapshots, and deletes each of those of a stopped VM."""
    return tuple(int(part) for part in qemu.traits().version.split(".")[:2]) >= (9, 9)


def _mark(qemu, name):
    root = ET.fromstring(qemu.virsh("dumpxml", name, "--inactive"))
    return json.loads(root.find("metadata/{*}mark").text)


def test_stopped_vm_on_a_read_only_file_system(qemu, carry):
    """libvirt deletes a snapshot without an error there, and the image keeps it."""
    qemu.clean()
    folder = Path(qemu.storage) / "pvg-read-only"
    folder.mkdir(exist_ok=True)
    disk = folder / "disk.qcow2"
    _qemu_img("create", "-f", "qcow2", str(disk), "64M")
    disk.chmod(0o666)
    made = _made(qemu, INNER, disks=[{"source": str(disk)}])
    made.options.pop("image", None)
    _well(carry(qemu, [made, snapshot("taken", [INNER], "kept")]))
    grow = Task("grow", {"name": [INNER], "disks": [{"slot": "vda", "size": "1G"}]})
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        tasks = [
            snapshot("delete", [INNER], "kept", "absent"),
            snapshot("restore", [INNER], "kept", "restored"),
            snapshot("take", [INNER], "new"),
            grow,
        ]
        tasks += [replace(task, label=f"check: {task.label}", check=True) for task in tasks]
        _refused(qemu, carry(qemu, tasks), {task.label: [str(disk), "read-only file system"] for task in tasks})
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
    assert [*qemu.snapshots(INNER)] == ["kept"] and "kept" in _qemu_img("snapshot", "-l", str(disk))
    qemu.clean()


def test_disk_that_was_added_after_the_snapshot(qemu, carry):
    """A restore leaves its file, and names it; the same playbook can add it again, and it goes with the VM."""
    qemu.clean()
    own = f"{qemu.storage}/{INNER}-vdb.qcow2"
    add = Task("add", {"name": [INNER], "disks": [{"slot": "vdb", "size": "64M"}]})
    back = snapshot("back", [INNER], "before", "restored")
    tasks = [_made(qemu, INNER), snapshot("taken", [INNER], "before"), add]
    tasks += [replace(back, label="check", check=True), back, replace(add, label="again"), replace(add, label="same")]
    answers = _well(carry(qemu, tasks))
    for label in ("check", "back"):
        (vm,) = answers[label].result["vms"]
        assert vm["kept"] == [{"path": own, "reason": "attached after the snapshot"}], label
    assert [answers[label].changed for label in ("add", "again", "same")] == [True, True, False]
    # One that has data keeps it. Of another size, it is not the disk of the task.
    _well(carry(qemu, [back]))
    subprocess.run(["qemu-io", "-c", "write -P 1 0 64k", own], check=True, capture_output=True)
    larger = Task("larger", {"name": [INNER], "disks": [{"slot": "vdb", "size": "65M"}]})
    _refused(qemu, carry(qemu, [larger]), {"larger": [own, "already exists"]})
    content = images.digest(Path(own))
    tasks = [replace(add, label="check", check=True), replace(add, label="again"), replace(add, label="same")]
    answers = _well(carry(qemu, tasks))
    assert [answers[task.label].changed for task in tasks] == [True, True, False]
    for label in ("check", "again"):
        assert f"{own} was attached after the snapshot that was restored" in str(answers[label].result["warnings"])
    assert (images.digest(Path(own)), "warnings" in answers["same"].result) == (content, False)
    _well(carry(qemu, [Task("gone", {"name": [INNER], "state": "absent"})]))
    assert not Path(own).exists()


@pytest.mark.core
def test_internal_snapshots(qemu, carry):
    """A restore of a snapshot without content fails while the guest runs on; leftovers in the image are reported;
    internal and external snapshots are not mixed.
    """
    qemu.clean()
    disk = qemu.disk_of(INNER)
    carry(qemu, [_made(qemu, INNER), snapshot("gone", [INNER], "g one"), snapshot("kept", [INNER], "kept")])
    _qemu_img("snapshot", "-d", "g one", disk)
    _qemu_img("snapshot", "-c", "left; over", disk)
    qemu.virsh("start", INNER)
    before = qemu.truth([INNER])
    tasks = [
        snapshot("gone", [INNER], "g one", "restored"),
        snapshot("left", [INNER], "left; over"),
        snapshot("other kind", [INNER], "new", kind="external"),
        snapshot("no memory", [INNER], "new", include_memory=False),
        snapshot_info("live content", [INNER], compare={"from": "kept", "content": True}),
        snapshot_info("info", [INNER]),
    ]
    answers = carry(qemu, tasks, [INNER])
    content = "running" if shutil.which("virt-diff") else "guestfs-tools"
    expected = {
        "gone": (INNER, disk, "vda", "virsh snapshot-delete", "'--snapshotname=g one'"),
        "left": (INNER, disk, f"qemu-img snapshot -d 'left; over' {disk}"),
        "other kind": (INNER, "internal", "Omit kind"),
        "no memory": (INNER, "memory", "external"),
        "live content": (content,),
    }
    _refused(qemu, answers, expected)
    assert answers["info"].vm(INNER)["leftovers"] == [{"file": disk, "snapshot": "left; over"}]
    assert qemu.truth([INNER]) == before
    assert before[INNER]["power"] == RUNNING


def test_files_newer_than_a_restored_snapshot_are_deleted(qemu, carry):
    """libvirt restores the collection's mark with the definition."""
    qemu.clean()
    added = {"name": [INNER], "disks": [{}, {"size": "8M"}], "tags": ["later"]}
    first = _made(qemu, INNER, tags=["first"])
    tasks = [first, snapshot("take", [INNER], "s"), Task("add", added), snapshot("back", [INNER], "s", "restored")]
    answers = carry(qemu, tasks, [INNER])
    _well(answers)
    assert answers["back"].vm(INNER)["tags"] == ["first"]
    assert [disk["slot"] for disk in answers["back"].vm(INNER)["disks"]] == ["vda"]
    assert _mark(qemu, INNER)["disks"] == [qemu.disk_of(INNER), qemu.disk_of(INNER).replace("vda", "vdb")]
    carry(qemu, [Task("away", {"name": [INNER], "state": "absent"})], [INNER])
    assert (qemu.truth([INNER]), qemu.files()) == ({INNER: None}, [])


def test_external_snapshots(qemu, carry):
    """External snapshots create and delete files for memory and disks; other users of the images are not affected."""
    qemu.clean()
    base = qemu.base_image()
    by_hand = [str(qemu.storage / name) for name in ("on-base.qcow2", "on-disk.qcow2")]
    linked = _made(qemu, OUTER, image={"source": base, "linked": True}, state="started", disks=None)
    external = {"kind": "external", "include_memory": True}
    taken = [snapshot("one", [OUTER], "one", **external), snapshot("two", [OUTER], "two")]
    images.write(base, BELOW)
    _well(carry(qemu, [linked, taken[0]], [OUTER]))
    # Data written between both is merged when the first one is deleted, and must stay on its own disk.
    qemu.virsh("destroy", OUTER)
    qemu.write(OUTER, BETWEEN)
    qemu.virsh("start", OUTER)
    before = _well(carry(qemu, [taken[1]], [OUTER]))
    assert [one["state"] for one in before["two"].vm(OUTER)["snapshots"]] == [RUNNING, STOPPED]
    memory, overlay = f"{OUTER}.one.memory", f"{OUTER}-vda.one.qcow2"
    assert {memory, overlay} <= set(qemu.files())
    assert {str(qemu.storage / memory)} == set(_mark(qemu, OUTER)["files"])
    for path, below in zip(by_hand, (base, qemu.disk_of(OUTER))):
        _qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below, path)
    tasks = [
        snapshot("used", [OUTER], "one", "absent"),
        snapshot("restore", [OUTER], "two", "restored"),
        snapshot("other kind", [OUTER], "new", kind="internal"),
    ]
    if _is_newer(qemu):
        del tasks[1]
    answers = carry(qemu, tasks, [OUTER])
    expected = {
        "used": (OUTER, qemu.disk_of(OUTER), by_hand[1], "keep the snapshot"),
        "restore": (OUTER, "9.9"),
        "other kind": (OUTER, "external", "Omit kind"),
    }
    _refused(qemu, answers, {label: words for label, words in expected.items() if label in answers})
    (qemu.storage / "on-disk.qcow2").unlink()
    qemu.virsh("managedsave", OUTER)
    saved = carry(qemu, [snapshot("saved", [OUTER], "one", "absent")], [OUTER])
    _refused(qemu, saved, {"saved": (OUTER, "suspended", "saved memory")})
    assert saved["saved"].truth[OUTER]["power"] == SUSPENDED
    qemu.virsh("start", OUTER)
    dropped = carry(qemu, [snapshot("one away", [OUTER], "one", "absent")], [OUTER])["one away"]
    assert (dropped.failed, dropped.truth[OUTER]["power"]) == (False, RUNNING), dropped.msg
    assert {memory, overlay} & set(qemu.files()) == set()
    assert _mark(qemu, OUTER)["files"] == []
    _qemu_img("check", "-q", "-U", by_hand[0])
    assert images.holds(base, BELOW)
    assert images.holds(qemu.disk_of(OUTER), BETWEEN)
    carry(qemu, [Task("away", {"name": [OUTER], "state": "absent", "stop_mode": "force"})])
    assert qemu.files() == ["base.qcow2", "on-base.qcow2"]


def test_snapshots_of_a_raw_disk(qemu, carry):
    """A raw image cannot contain a snapshot, but it can be the base of an external one."""
    qemu.clean()
    made = _made(qemu, RAW, disks=[{"size": "16M", "format": "raw"}])
    tasks = [
        made,
        snapshot("inner", [RAW], "s"),
        snapshot("outer", [RAW], "s", kind="external"),
        snapshot_info("differs", [RAW], compare={"from": "s"}),
        snapshot("away", [RAW], "s", "absent"),
    ]
    answers = carry(qemu, tasks, [RAW])
    _refused(qemu, answers, {"inner": (RAW, "vda", "raw", "kind: external")})
    assert [answers[label].msg for label in ("outer", "differs", "away") if answers[label].failed] == []
    paths = {one["path"] for one in answers["differs"].vm(RAW)["differences"]}
    assert paths == {"disks.vda.format", "disks.vda.source"}
    assert answers["away"].vm(RAW)["disks"][0]["format"] == "raw"
    assert qemu.files() == [f"{RAW}-vda.raw"]


def test_restored_guest_continues_where_it_was(qemu, carry, key):
    """Disks and memory are restored: the guest answers again and was not rebooted."""
    qemu.clean()
    qemu.start_network()
    ready = {"wait_for": "ssh", "timeout": round(scaled(100))}
    made = {**qemu.guest, **key.seed, "name": [GUEST], "state": "started", **ready}
    again = {"name": [GUEST], "state": "restarted", "stop_mode": "force", **ready}
    boots = []
    for tasks in (
        # The kernel chooses its boot id when it is first read, so it is read before the snapshot.
        [Task("make", made)],
        [snapshot("take", [GUEST], "up"), Task("restart", again)],
        [
            Task("cut", {"name": [GUEST], "state": "stopped", "stop_mode": "force"}),
            snapshot("back", [GUEST], "up", "restored", **ready),
        ],
    ):
        answers = _well(carry(qemu, tasks, [GUEST]))
        address = answers[tasks[-1].label].vm(GUEST)["ssh"]["host"]
        boots.append(key.say(address, "cat /proc/sys/kernel/random/boot_id"))
    assert answers["cut"].truth[GUEST]["power"] == STOPPED
    assert boots[0] == boots[2] != boots[1]


@pytest.mark.parametrize("power", [STOPPED, RUNNING])
def test_restored_disk_size_is_reported(qemu, carry, power):
    """A size that was enlarged later is lost: the result reports it, and the same task enlarges the disk again."""
    qemu.clean()
    disk, grow = qemu.disk_of(GROWN), {"name": [GROWN], "disks": [{"size": "24M"}]}
    state = {STOPPED: "present", RUNNING: "started"}[power]
    tasks = [_made(qemu, GROWN, state=state), snapshot("take", [GROWN], "small"), Task("grow", grow)]
    _well(carry(qemu, tasks, [GROWN]))
    assert images.size(disk) == 24 << 20
    runs = [snapshot(label, [GROWN], "small", "restored", label == "check") for label in ("check", "back")]
    answers = _well(carry(qemu, runs, [GROWN]))
    back = answers["back"]
    assert answers["check"].diff == back.diff
    assert "'disks.vda.size': '16M'" in str(back.diff)
    assert back.truth[GROWN]["power"] == power
    assert _sizes(back) == [images.size(disk)] == [16 << 20]
    again = _well(carry(qemu, [Task("grow", grow)], [GROWN]))["grow"]
    assert again.changed
    assert _sizes(again) == [images.size(disk)] == [24 << 20]


def _sizes(answer):
    """The sizes of the disks in bytes; the result shows them like 16M."""
    return [int(disk["size"].removesuffix("M")) << 20 for disk in answer.vm(GROWN)["disks"]]


def test_snapshots_of_uefi_vms(qemu, carry):
    """An internal snapshot of a running VM cannot contain the NVRAM; an external one does not change it."""
    qemu.clean()
    tasks = [
        _made(qemu, FLASH, firmware="uefi", state="started"),
        snapshot("check", [FLASH], "inner", check=True),
        snapshot("inner", [FLASH], "inner"),
        snapshot("outer", [FLASH], "outer", kind="external"),
        snapshot("outer away", [FLASH], "outer", "absent"),
        Task("off", {"name": [FLASH], "state": "stopped", "stop_mode": "force"}),
        snapshot("inner off", [FLASH], "inner"),
    ]
    answers = carry(qemu, tasks, [FLASH])
    words = (FLASH, "inner", RUNNING, "Stop the VM first", "kind: external")
    _refused(qemu, {label: answers.pop(label) for label in ("check", "inner")}, {"check": words, "inner": words})
    _well(answers)
    taken = {label: answers[label].vm(FLASH)["snapshots"] for label in ("outer", "outer away", "inner off")}
    kinds = {label: [(one["name"], one["kind"]) for one in ones] for label, ones in taken.items()}
    assert kinds == {"outer": [("outer", "external")], "outer away": [], "inner off": [("inner", "internal")]}
    assert answers["outer away"].truth[FLASH]["power"] == RUNNING


def test_internal_snapshots_in_an_overlay(qemu, carry):
    """They would be lost if the overlay were merged, so the external snapshot is not deleted before them."""
    qemu.clean()
    _well(carry(qemu, [_made(qemu, OUTER), snapshot("outer", [OUTER], "outer", kind="external")]))
    qemu.virsh("snapshot-create-as", OUTER, "inner")
    tasks = [snapshot(f"{name} away", [OUTER], name, "absent") for name in ("outer", "inner")]
    answers = carry(qemu, [*tasks, snapshot("outer then", [OUTER], "outer", "absent")], [OUTER])
    _refused(qemu, {"outer away": answers.pop("outer away")}, {"outer away": (OUTER, "inner", "Delete the internal")})
    _well(answers)
    assert qemu.snapshots(OUTER) == {}


def test_snapshots_that_this_libvirt_cannot_delete_or_restore(qemu, carry):
    """libvirt 9.0 deletes only the newest external snapshot of a stopped VM, and cannot load CPUs that were added
    while the VM ran. A newer libvirt may do both.
    """
    qemu.clean()
    series = [snapshot(name, [GUEST], name, kind="external") for name in ("n1", "n2", "n3")]
    made = _made(qemu, INNER, state="started", cpus=1, max_cpus=2)
    _well(carry(qemu, [_made(qemu, GUEST), *series, made, Task("plug", {"name": [INNER], "cpus": 2})]))
    qemu.take_snapshot(INNER, "s")
    before = qemu.truth([GUEST, INNER])
    tasks = [
        snapshot("delete", [GUEST], "n2", "absent"),
        snapshot("keep", [GUEST], "n3", keep_last=1),
        snapshot("take", [INNER], "new", kind="internal"),
        snapshot("restore", [INNER], "s", "restored"),
    ]
    expected = {
        "delete": (GUEST, "n3", "stopped", "Start the VM first"),
        "keep": (GUEST, "n2", "stopped", "Start the VM first"),
        "take": (INNER, "CPUs", "kind: external"),
        "restore": (INNER, "CPUs", "clone.snapshot: s"),
    }
    if not _is_newer(qemu):
        for check in (True, False):
            answers = carry(qemu, [replace(task, check=check) for task in tasks], [GUEST, INNER])
            _refused(qemu, answers, expected)
        assert qemu.truth([GUEST, INNER]) == before
    qemu.virsh("start", GUEST)
    _well(carry(qemu, [tasks[0], tasks[1]], [GUEST]))
    assert list(qemu.snapshots(GUEST)) == ["n3"]
    # The memory cannot be used, but the disks can.
    clone = {"name": [OUTER], "clone": {"source": INNER, "snapshot": "s"}, "state": "present"}
    _well(carry(qemu, [Task("clone", clone)], [OUTER]))
