# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of the contents of snapshots: with the real qemu-img, and a fake virt-diff that records its call."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import (
    CommandFailed,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Snapshot, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import compare_content
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands

from unit.module_utils._drivers.virsh.answers import FakeVirsh, chain, driver_of, recorded
from unit.module_utils._drivers.virsh.test_snapshot_checks import tag

#: A script instead of virt-diff: it records its arguments, copies the first image, and prints the given output.
PROGRAM = """#!/bin/sh
for word; do echo "$word"; done > {folder}/words
cp "$3" {folder}/seen
ls -ld "$(dirname "$3")" > {folder}/mode
. {folder}/say
"""


@pytest.fixture(name="tool")
def _tool(tmp_path, monkeypatch):
    """The directory of the fake virt-diff."""
    folder = tmp_path / "tool"
    folder.mkdir()
    program = folder / "virt-diff"
    program.write_text(PROGRAM.format(folder=folder))
    program.chmod(0o755)
    (folder / "say").write_text("echo '+ - 0644 2 /new'\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def snapshot(name, path, kind="internal"):
    return Snapshot(name, kind=kind, config={"disks": {"vda": {"source": path, "format": "qcow2"}}})


def machine(path, power="stopped", image_format="qcow2"):
    return Vm("web", id="u", power=power, config={"disks": {"vda": {"source": path, "format": image_format}}})


def driver(tmp_path, **snapshots):
    """``snapshots`` are {name: (recorded XML, path of its disk)}."""
    answers = {}
    for name, (xml, path) in snapshots.items():
        text = recorded(f"snapshot-{xml}.xml")
        for recorded_path in ("pvs-a.qcow2", "pvs-b.qcow2"):
            text = text.replace(f"/var/lib/libvirt/images/pvs/{recorded_path}", path)
        answers["snapshot-dumpxml", "u", "--snapshotname", name] = text
    return driver_of(FakeVirsh(answers), tmp_path)


def write(path, letter):
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {ord(letter)} 0 64k", path], check=True)


def first_byte_of(path):
    done = subprocess.run(["qemu-io", "-r", "-c", "read -v 0 1", path], check=True, capture_output=True, text=True)
    return done.stdout.split("|")[0].split(":")[1].split()[0]


def test_internal_snapshot_is_copied_out_and_compared_with_disk(images, tool, tmp_path):
    base, disk = chain(images, tmp_path, "base.qcow2", "web.qcow2")
    write(disk, "a")
    tag(disk, "s")
    write(disk, "b")
    before = sorted(os.listdir(tmp_path))
    one = driver(tmp_path, s=("internal-off", disk))
    found = compare_content.compare_content(one, machine(disk), snapshot("s", disk), None)
    assert [(file["change"], file["path"]) for file in found] == [("added", "/new")]
    words = (tool / "words").read_text().split("\n")
    assert (words[0], words[1], words[3:6]) == ("--format=qcow2", "-a", ["--format=qcow2", "-A", disk])
    assert (os.path.dirname(os.path.dirname(words[2])), words[2].endswith("before-vda")) == (str(tmp_path), True)
    assert (first_byte_of(str(tool / "seen")), first_byte_of(disk)) == ("61", "62")
    # The copy has the same base, was in a private directory, and is deleted.
    assert images.info(str(tool / "seen")).backing == base
    assert (tool / "mode").read_text().startswith("drwx------")
    assert sorted(os.listdir(tmp_path)) == before


def test_external_snapshot_is_its_frozen_file(images, tool, tmp_path):
    frozen, overlay = chain(images, tmp_path, "web.qcow2", "web.s.qcow2")
    one = driver(tmp_path, s=("external-off", frozen))
    compare_content.compare_content(one, machine(overlay, image_format="raw"), snapshot("s", frozen, "external"), None)
    words = (tool / "words").read_text().split("\n")
    assert words[:6] == ["--format=qcow2", "-a", frozen, "--format=raw", "-A", overlay]


def compare(folder, disk, power="stopped", to=None):
    """Compare the internal snapshot s of a VM with its disk, or with another internal snapshot."""
    one = driver(folder, s=("internal-off", disk), t=("internal-off", disk))
    return compare_content.compare_content(one, machine(disk, power), snapshot("s", disk), to and snapshot(to, disk))


def test_copies_are_deleted_after_failure_and_error_names_vm(disk, tool, tmp_path):
    tag(disk, "s")
    (tool / "say").write_text("echo 'virt-diff: no operating system was found on this disk' >&2; exit 1\n")
    with pytest.raises(CommandFailed, match=r"web: virt-diff failed: no operating system was found on this disk\. "):
        compare(tmp_path, disk)
    assert sorted(os.listdir(tmp_path)) == ["tool", "web-vda.qcow2"]


@pytest.mark.parametrize("power", ["running", "paused", "failed"])
def test_disks_of_running_vm_are_not_read(disk, tool, tmp_path, power):
    tag(disk, "s")
    with pytest.raises(Refused, match=f"web: the VM is {power}; its disks can be compared only"):
        compare(tmp_path, disk, power)
    tag(disk, "t")
    assert compare(tmp_path, disk, power, to="t")


def test_snapshot_missing_in_image_is_an_error(disk, tool, tmp_path):
    with pytest.raises(NotFound, match="no longer contains the snapshot 's'"):
        compare(tmp_path, disk)


@pytest.mark.parametrize(
    ("disks", "error"),
    [({}, "the VM has no disk files"), ({"vda": {"source": "/dev/null"}}, "disk vda of the VM is not a file")],
)
def test_disks_that_are_not_files_are_rejected(disk, tool, tmp_path, disks, error):
    one, vm = driver(tmp_path, s=("external-off", disk)), machine(disk).having(config={"disks": disks})
    with pytest.raises(Refused, match=error):
        compare_content.compare_content(one, vm, snapshot("s", disk, ""), None)


def test_free_space_is_checked_before_copying(disk, tool, tmp_path, monkeypatch):
    tag(disk, "s")
    monkeypatch.setattr(compare_content.files, "free_space", lambda folder: 4096)
    with pytest.raises(Refused, match=rf"may need \d+K of temporary space in {tmp_path}, but only 0B is free"):
        compare(tmp_path, disk)
    assert not (tool / "words").exists()


def test_missing_tool_is_reported_with_its_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Commands, "find", lambda self, name, hint=None: _missing(name, hint))
    with pytest.raises(
        Unavailable, match=r"virt-diff was not found on PATH\. Install virt-diff: package guestfs-tools"
    ):
        compare_content.compare_content(driver(tmp_path), machine("/d"), snapshot("s", "/d"), None)


def _missing(name, hint):
    raise Unavailable(f"{name} was not found on PATH.", why="not_on_path", remedy=hint)
