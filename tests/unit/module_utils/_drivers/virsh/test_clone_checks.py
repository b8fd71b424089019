# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of a clone are checked before any change; a VM that is the base of linked clones is not written to."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import unfinished_mark
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import FILE
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.firmware import read_firmware
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import MAC, UUID, machine_xml
from unit.module_utils._drivers.virsh.rich import DISK, RICH, write


def check(rich, snapshot=None, linked=False, to_delete=(), begun=()):
    """``begun`` are the files that the mark of a clone names which a killed task has begun."""
    creation = {"clone": {"source": "rich", "snapshot": snapshot, "linked": linked}}
    config = {"disks": {"vda": {"format": "qcow2"}}, "firmware": read_firmware(rich.definition)}
    arguments = {"creation": creation, "source": rich.vm, "config": config}
    cloned = Plan(
        Vm.absent("copy"), Vm("copy"), segments=((Step("clone", arguments={**arguments, "power": "stopped"}),),)
    )
    before, driver = sorted(os.listdir(rich.folder)), rich.driver()
    mark = unfinished_mark({"id": "half"}, begun, {path: files.identity(path) for path in begun})
    driver.unfinished.update({"copy": Vm("copy", id="half", mark=mark)} if begun else {})
    try:
        driver.preflight(cloned, {(FILE, (None, files.identity(path))) for path in to_delete})
        if not to_delete:
            check_claims(driver, cloned)
    finally:
        assert sorted(os.listdir(rich.folder)) == before
        assert {words[0] for words in rich.virsh.done} <= {"dumpxml", "list", "snapshot-dumpxml"}


@pytest.mark.parametrize(("size", "is_known", "is_rejected"), [(2, True, True), (1, True, False), (2, False, False)])
def test_memory_of_a_clone_is_checked_with_the_numa_cells_of_its_source(rich, size, is_known, is_rejected):
    """A source that the same task creates is not known in check mode."""
    rich.replace("</cpu>", "<numa><cell id='0' cpus='0' memory='524288' unit='KiB'/></numa></cpu>")
    creation = {"clone": {"source": "rich", "snapshot": None, "linked": False}}
    arguments = {"creation": creation, "source": rich.vm if is_known else Vm("rich"), "config": {}, "power": "stopped"}
    change = Change("memory", 1, size * rich.definition.max_memory)
    steps = (Step("clone", arguments=arguments), Step("configure", changes=(change,)))
    plan = Plan(Vm.absent("copy"), Vm("copy"), segments=(steps,))
    if not is_rejected:
        rich.driver().preflight(plan)
        return
    with pytest.raises(Refused, match="copy: memory: its NUMA cells and memory devices have"):
        rich.driver().preflight(plan)


def test_linked_clone_of_internal_snapshot_is_rejected(rich):
    rich.snapshot_inside()
    check(rich, "s1")
    with pytest.raises(Refused, match=r"copy: clone\.linked: 's1' is an internal snapshot of 'rich'") as raised:
        check(rich, "s1", linked=True)
    assert "external" in raised.value.remedy


def test_snapshot_missing_in_image_is_rejected(rich):
    with pytest.raises(NotFound, match="no longer contains the snapshot 's1' of 'rich'") as raised:
        check(rich, "s1")
    assert "virsh snapshot-delete rich --snapshotname=s1 --metadata" in raised.value.remedy


def test_snapshot_without_definition_is_rejected(rich):
    rich.snapshots["s1"] = "<domainsnapshot><name>s1</name><domain><uuid>x</uuid></domain></domainsnapshot>"
    with pytest.raises(Refused, match="libvirt reports no VM definition for snapshot 's1' of 'rich'"):
        check(rich, "s1")


def test_snapshot_without_one_of_the_disks_is_rejected(rich):
    rich.snapshot_inside()
    text = rich.snapshots["s1"]
    shared = text.rindex("<readonly/>", 0, text.rindex("medium.iso"))
    rich.snapshots["s1"] = text[:shared] + text[shared + len("<readonly/>") :]
    with pytest.raises(Refused, match="copy: the snapshot of 'rich' does not include disk vdb"):
        check(rich, "s1")


def test_missing_disk_file_is_rejected(rich):
    os.unlink(rich.path(DISK))
    with pytest.raises(NotFound, match=r"copy: clone\.source: .*rich-vda\.qcow2 does not exist on the host"):
        check(rich)


def test_disk_with_other_format_than_in_definition_is_rejected(rich):
    (rich.folder / DISK).write_bytes(bytes(1 << 20))
    with pytest.raises(Refused, match=r"rich-vda\.qcow2 is not a disk image"):
        check(rich)


def test_disk_that_another_vm_writes_to_is_rejected(rich):
    other = machine_xml(("/var/lib/libvirt/images/m1.qcow2", rich.path(DISK)))
    rich.others[UUID, "m1"] = other
    with pytest.raises(Refused, match=r"copy: clone\.source: .*rich-vda\.qcow2 is a disk of m1, which may write to it"):
        check(rich)


def test_existing_file_at_path_of_clone_must_have_same_content(rich):
    (rich.folder / "copy-vda.qcow2").write_bytes((rich.folder / DISK).read_bytes())
    path = rich.path("copy-vda.qcow2")
    check(rich, begun=[path])  # A file that an interrupted run left.
    with pytest.raises(Refused, match="already exists, and existing files are never overwritten"):
        check(rich)
    write(path, 7)
    for linked in (False, True):
        with pytest.raises(Refused, match="already exists, and existing files are never overwritten"):
            check(rich, linked=linked, begun=[path])
    check(rich, to_delete={rich.path("copy-vda.qcow2")})


def test_disk_path_used_by_another_vm_is_rejected(rich):
    rich.others[UUID, "m1"] = machine_xml(("/var/lib/libvirt/images/m1.qcow2", rich.path("copy-vda.qcow2")))
    with pytest.raises(Refused, match=r"copy: disks\.vda: .*copy-vda\.qcow2 is a disk of m1"):
        check(rich)


def test_existing_nvram_at_path_of_clone_must_have_same_content(rich):
    rich.give_nvram().write_bytes(b"v" * 1024)
    check(rich)
    path = rich.path("copy.nvram")
    (rich.folder / "copy.nvram").write_bytes(b"v" * 1024)
    check(rich, begun=[path])
    for content, begun in ((b"v", ()), (b"w", [path])):
        (rich.folder / "copy.nvram").write_bytes(content * 1024)
        with pytest.raises(Refused, match=r"copy\.nvram already exists"):
            check(rich, begun=begun)


def test_unreadable_nvram_is_rejected(rich, monkeypatch):
    rich.give_nvram().write_bytes(b"v" * 1024)
    # Root may read everywhere, so the port is patched to return the result for other users.
    monkeypatch.setattr(files, "is_readable", lambda path: not path.endswith("rich_VARS.fd"))
    with pytest.raises(Refused, match=r"copy: clone\.source: .*rich_VARS\.fd is not readable"):
        check(rich)


# Bases of linked clones -----------------------------------------------------------------------------------------------


def linked_clone_of(path, marked=UUID):
    """The VM m1. According to its mark, its disks are overlays of ``path``."""
    mark = {"v": 1, "id": marked, "disks": [], "files": [], "tags": [], "inputs": {"bases": [path]}}
    element = f"<p:mark xmlns:p='https://github.com/polyvirt/polyvirt.core/ns/1'>{json.dumps(mark)}</p:mark>"
    return machine_xml(("  </metadata>", f"{element}  </metadata>"), (MAC, "52:54:00:00:00:09"))


def vm_with_manual_overlay(rich, image_format="qcow2"):
    """The VM m1 with an overlay that was not created by the collection; its base is the disk of rich."""
    path = rich.path("theirs.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", rich.path(DISK), path], check=True)
    return machine_xml(("/var/lib/libvirt/images/m1.qcow2", path), ("type='qcow2'", f"type='{image_format}'"))


def check_again(rich, *steps):
    source = Vm("rich", id=RICH, config={"disks": {"vda": {"source": rich.path(DISK), "size": 1 << 20}}})
    driver, after = rich.driver(), simulate(source, steps)
    driver.preflight(Plan(source, after, segments=(steps,)))
    check_claims(driver, Plan(source, after, segments=(steps,)))


ENLARGE = Step("configure", changes=(Change("disks", 1 << 20, 2 << 20, key="vda", attribute="size"),))
DESCRIBE = Step("configure", changes=(Change("description", "a", "b"),))


@pytest.mark.parametrize("step", [Step("start"), ENLARGE], ids=["start", "grow"])
def test_disk_with_linked_clones_is_not_written_to(rich, step):
    rich.others[UUID, "m1"] = linked_clone_of(rich.path(DISK))
    with pytest.raises(Refused, match=r"rich: disks\.vda.*: .* must not be written to, .* of disks of m1") as raised:
        check_again(rich, step)
    assert "a full clone" in raised.value.remedy


@pytest.mark.parametrize("step", [Step("start"), ENLARGE], ids=["start", "grow"])
def test_disk_with_overlay_of_unmarked_vm_is_not_written_to(rich, step):
    rich.others[UUID, "m1"] = vm_with_manual_overlay(rich)
    with pytest.raises(Refused, match=r"rich: disks\.vda.*: .* must not be written to, .* of disks of m1"):
        check_again(rich, step)


def test_raw_disk_has_no_backing_file_despite_qcow2_header(rich):
    rich.others[UUID, "m1"] = vm_with_manual_overlay(rich, "raw")
    check_again(rich, Step("start"))


@pytest.mark.parametrize("step", [Step("stop"), Step("kill"), Step("pause"), DESCRIBE], ids=lambda step: step.verb)
def test_steps_that_do_not_write_to_disks_are_allowed(rich, step):
    rich.others[UUID, "m1"] = linked_clone_of(rich.path(DISK))
    check_again(rich, step)


def test_mark_of_another_vm_is_ignored(rich):
    """A VM copied by hand has the mark of the clone from which it was copied."""
    rich.others[UUID, "m1"] = linked_clone_of(rich.path(DISK), marked="another")
    check_again(rich, Step("start"))
