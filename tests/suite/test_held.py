# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs of the real libvirt hold: saved memory, memory files, and what ``native`` would have a VM write.

Each file keeps its bytes, and check mode rejects what the run rejects.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED, SUSPENDED

from suite.answer import Task
from suite.scenarios.snapshots import snapshot

pytestmark = pytest.mark.full

WEB, DB, COPY = "pvg-held-web", "pvg-held-db", "pvg-held-copy"
_MEMORY = """\
<memory model='nvdimm'><source><path>{path}</path></source>
  <target><size unit='MiB'>256</size><node>0</node>{more}</target></memory>
"""
_NUMA = "<cpu><numa><cell id='0' cpus='0' memory='131072' unit='KiB'/></numa></cpu>"


def _both(label, options):
    """The same task in check mode and as a run."""
    return [Task(f"{label} checked", options, check=True), Task(label, options)]


def _rejected(answers, label, *words):
    for answer in (answers[f"{label} checked"], answers[label]):
        assert (answer.failed, answer.changed) == (True, False), (label, answer.result)
        assert [word for word in words if word not in answer.msg] == [], answer.msg


def _define(qemu, name, *replacements):
    text = qemu.virsh("dumpxml", name, "--inactive")
    for old, new in replacements:
        assert old in text, (old, text)
        text = text.replace(old, new, 1)
    qemu.virsh("define", "/dev/stdin", stdin=text)


def _with_memory_file(qemu, name, path, more=""):
    """Give a VM an NVDIMM with the content of a file."""
    path.write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(256 << 20)
    _define(
        qemu,
        name,
        ("<memory unit", "<maxMemory slots='2' unit='MiB'>1024</maxMemory><memory unit"),
        ("<vcpu", f"{_NUMA}<vcpu"),
        ("</devices>", f"{_MEMORY.format(path=path, more=more)}</devices>"),
    )


def _image(qemu, name, content=b""):
    path = Path(qemu.storage) / name
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "16M"], check=True)
    if content:
        path.write_bytes(content)
    return path


def test_native_never_leads_to_a_file_of_others(qemu, carry):
    """Neither a disk by its place, nor a file that the platform empties or replaces by a socket."""
    qemu.clean()
    qemu.bring({WEB: STOPPED, DB: STOPPED})
    image = _image(qemu, "pvg-held-image.raw", b"x" * 4096)
    base = qemu.base_image()
    clones = {"image": {"source": base, "linked": True}, "cpus": 1, "memory": "64M", "networks": []}
    serial = "devices/serial"
    port = {f"{serial}@type": "file", f"{serial}/source@path": str(image)}
    socket = {f"{serial}@type": "unix", f"{serial}/source@mode": "bind", f"{serial}/source@path": str(image)}
    made = {**qemu.creation, "name": COPY, "state": "started"}
    tasks = [
        Task("clone", {"name": COPY, **clones}),
        *_both("disk", {"name": DB, "state": "started", "native": {"devices/disk[1]/source@file": base}}),
        *_both("iso", {"name": DB, "native": {"devices/disk[2]/source@file": base}}),
        *_both("serial", {"name": WEB, "state": "started", "native": port}),
        *_both("socket", {"name": WEB, "state": "started", "native": socket}),
        *_both("disk as port", {"name": WEB, "native": {**port, f"{serial}/source@path": qemu.disk_of(DB)}}),
        Task("gone", {"name": COPY, "state": "absent"}),
        *_both("created", {**made, "native": port}),
    ]
    answers = carry(qemu, tasks, [WEB, DB])
    _rejected(answers, "disk", "devices/disk[1]/source@file", "Use the option disks")
    _rejected(answers, "iso", "Use the option iso")
    for label in ("serial", "socket", "created"):
        _rejected(answers, label, "native", str(image), "already exists")
    _rejected(answers, "disk as port", qemu.disk_of(DB), f"is a disk of {DB}")
    assert image.read_bytes() == b"x" * 4096


def test_native_sets_what_has_no_option(qemu, carry):
    """A log of a serial port in a new file, which the VM may have again; an optical drive has an option."""
    qemu.clean()
    qemu.bring({WEB: STOPPED})
    first, iso, log = (Path(qemu.storage) / f"pvg-held.{name}" for name in ("first", "iso", "log"))
    for path in (first, iso):
        subprocess.run(["truncate", "-s", "1M", str(path)], check=True)
    place = f"<source file='{first}'/><target dev='sdb' bus='sata'/><readonly/>"
    _define(qemu, WEB, ("</devices>", f"<disk type='file' device='cdrom'>{place}</disk></devices>"))
    serial = "devices/serial"
    native = {f"{serial}@type": "file", f"{serial}/source@path": str(log)}
    start = {"name": WEB, "state": "started", "native": native}
    tasks = [
        *_both("start", start),
        Task("again", start),
        Task("stop", {"name": WEB, "state": "stopped", "stop_mode": "force"}),
        Task("start later", start),
        *_both("image", {"name": WEB, "native": {"devices/disk[3]/source@file": str(iso)}}),
        *_both("to a disk", {"name": WEB, "native": {"devices/disk[3]@device": "disk"}}),
    ]
    answers = carry(qemu, tasks, [WEB])
    changed = [answers[label].changed for label in ("start checked", "start", "again", "start later")]
    assert changed == [True, True, False, True], [answers[label].msg for label in ("start checked", "start")]
    for label in ("image", "to a disk"):
        _rejected(answers, label, "Use the option cdroms")


def test_memory_file_is_one_thing_in_one_vm(qemu, carry):
    qemu.clean()
    qemu.bring({WEB: STOPPED, DB: STOPPED})
    file = Path(qemu.storage) / "pvg-held.nvdimm"
    _with_memory_file(qemu, WEB, file)
    disk = {"slot": "vdb", "source": str(file), "format": "raw"}
    tasks = [
        Task("info", {"name": [WEB]}, about="vm_info"),
        *_both("disk", {"name": DB, "state": "started", "disks": [disk]}),
        *_both("clone", {"name": COPY, "clone": {"source": WEB}}),
        Task("start", {"name": WEB, "state": "started"}),
        *_both("running", {"name": DB, "disks": [disk]}),
    ]
    answers = carry(qemu, tasks, [WEB, DB])
    assert answers["info"].vm(WEB)["memory_mib"] == 128
    for label in ("disk", "running"):
        _rejected(answers, label, "disks.vdb.source", str(file), f"used by {WEB}")
    _rejected(answers, "clone", COPY, str(file), "only one VM")
    assert not answers["start"].failed, answers["start"].msg


def test_saved_memory_needs_a_disk_that_is_no_longer_stored(qemu, carry):
    qemu.clean()
    qemu.bring({WEB: STOPPED, DB: STOPPED})
    path = _image(qemu, "pvg-held-data.qcow2")
    data = {"slot": "vdb", "source": str(path)}
    attach = {"name": DB, "state": "started", "disks": [data]}
    tasks = [Task("attach", {"name": WEB, "disks": [data]}), Task("start", {"name": WEB, "state": "started"})]
    assert not any(answer.failed for answer in carry(qemu, tasks, [WEB]).values())
    stored = qemu.virsh("dumpxml", WEB, "--inactive")
    begin = stored.index("<disk", stored.index("<target dev='vda'"))
    end = stored.index("</disk>", begin) + len("</disk>")
    assert str(path) in stored[begin:end]
    qemu.virsh("define", "/dev/stdin", stdin=stored[:begin] + stored[end:])
    qemu.move(WEB, SUSPENDED)
    answers = carry(qemu, [*_both("attach", attach)], [WEB, DB])
    _rejected(answers, "attach", f"{DB}: disks.vdb.source", str(path), f"is a disk of {WEB}", "managedsave-remove")
    assert answers["attach"].truth[DB]["power"] == STOPPED
    qemu.virsh("managedsave-remove", WEB)
    assert not carry(qemu, [Task("later", attach)], [DB])["later"].failed


@pytest.mark.parametrize("power", [STOPPED, RUNNING])
def test_snapshot_is_not_restored_beside_a_bitmap(qemu, carry, power):
    """libvirt stops the guest before it fails. The remedy of the message works."""
    qemu.clean()
    qemu.bring({WEB: RUNNING})
    disk = qemu.disk_of(WEB)
    restore = {"name": [WEB], "snapshot": "first"}
    both = [snapshot("restore checked", [WEB], "first", "restored", check=True)]
    both.append(snapshot("restore", [WEB], "first", "restored"))
    assert not carry(qemu, [snapshot("take", [WEB], "first")], [WEB])["take"].failed, restore
    qemu.virsh("checkpoint-create-as", WEB, "backup.1")
    if power == STOPPED:
        qemu.virsh("destroy", WEB)
    answers = carry(qemu, both, [WEB])
    _rejected(answers, "restore", WEB, "first", "backup.1", f"virsh checkpoint-delete {WEB} backup.1")
    assert answers["restore"].truth[WEB]["power"] == power
    if power == STOPPED:
        qemu.virsh("start", WEB)
    qemu.virsh("checkpoint-delete", WEB, "backup.1")
    qemu.virsh("destroy", WEB)
    subprocess.run(["qemu-img", "bitmap", "--add", disk, "other tool"], check=True)
    if power == RUNNING:
        qemu.virsh("start", WEB)
    answers = carry(qemu, both, [WEB])
    _rejected(answers, "restore", disk, "other tool", "qemu-img bitmap --remove")
    assert answers["restore"].truth[WEB]["power"] == power
    if power == RUNNING:
        qemu.virsh("destroy", WEB)
    subprocess.run(["qemu-img", "bitmap", "--remove", disk, "other tool"], check=True)
    later = carry(qemu, [snapshot("later", [WEB], "first", "restored")], [WEB])["later"]
    assert not later.failed, later.msg
