# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots parsed from libvirt's recorded XML (9.0.0), and the commands that create, delete and restore them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import NEVER_EXPIRES
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import snapshots
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.disks import read_disks
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.snapshots import SnapshotXml
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import MARK_NAMESPACE, Definition

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, failed, machine_xml, recorded
from unit.module_utils._drivers.virsh.answers import with_metadata as metadata

pytestmark = pytest.mark.usefixtures("may_destroy")

POOL = "/var/lib/libvirt/images/pvs"
NOT_FOUND = "Domain snapshot not found: no domain snapshot with matching name 's'"


def read(name):
    return SnapshotXml.parse(recorded(f"snapshot-{name}.xml"))


RECORDED = [
    # name, kind, power, parent, file with the content of the disk, overlays, memory file
    ("internal-off", "internal", "stopped", None, "pvs-a.qcow2", [], None),
    ("internal-running", "internal", "running", "off", "pvs-a.qcow2", [], None),
    ("internal-paused", "internal", "paused", "on", "pvs-a.qcow2", [], None),
    ("uefi-off", "internal", "stopped", None, "pvs-u.qcow2", [], None),
    ("external-off", "external", "stopped", None, "pvs-b.qcow2", ["pvs-b.eoff"], None),
    ("external-disk-only", "external", "stopped", "eoff", "pvs-b.eoff", ["pvs-b.edisk"], None),
    ("external-memory", "external", "running", "edisk", "pvs-b.edisk", ["pvs-b.emem"], "b.memory"),
]


@pytest.mark.parametrize(("name", "kind", "power", "parent", "frozen", "overlays", "memory"), RECORDED)
def test_recorded(name, kind, power, parent, frozen, overlays, memory):
    seen = read(name)
    snapshot = seen.to_snapshot(UUID, is_current=True, config_of=None)
    assert (snapshot.kind, snapshot.power, snapshot.parent, snapshot.config, snapshot.current) == (
        kind,
        power,
        parent,
        None,
        True,
    )
    assert 1795173691 <= snapshot.created <= 1795173710
    assert seen.disk_files == {"vda": f"{POOL}/{frozen}"}
    assert seen.overlays == [f"{POOL}/{one}" for one in overlays]
    assert seen.memory_file == (memory and f"{POOL}/{memory}")


def test_name_and_description_of_snapshot():
    snapshot = read("internal-off").to_snapshot(UUID, False, None)
    assert (snapshot.name, snapshot.description, snapshot.current, snapshot.id) == ("off", "first <&> ü", False, None)
    assert read("internal-running").to_snapshot(UUID, False, None).description == ""


def test_snapshot_of_running_vm_has_its_stored_settings():
    """libvirt stores both definitions of a running VM."""
    text = recorded("snapshot-internal-running.xml")
    root = ET.fromstring(text)
    assert root.find("inactiveDomain") is not None
    root.find("domain/memory").text = "1024"
    seen = SnapshotXml(root)
    assert seen.definition.memory == 64 << 20
    snapshot = seen.to_snapshot(UUID, False, lambda definition: read_disks(definition, {}))
    disk = {"size": None, "format": "qcow2", "source": f"{POOL}/pvs-a.qcow2", "bus": "virtio"}
    assert snapshot.config == {"vda": disk}


def test_old_snapshot_without_definition():
    seen = SnapshotXml.parse("<domainsnapshot><name>s</name><state>shutoff</state><domain/></domainsnapshot>")
    assert (seen.definition, seen.disk_files, seen.overlays, seen.memory_file) == (None, {}, [], None)
    snapshot = seen.to_snapshot(UUID, False, lambda definition: {"cpus": 1})
    assert (snapshot.config, snapshot.created, snapshot.kind) == (None, None, "internal")


# Acting ---------------------------------------------------------------------------------------------------------------


def machine(folder, power="running", files=(), disks=None):
    disk = {"source": str(folder / "web-vda.qcow2"), "format": "qcow2"}
    mark = {"v": 1, "id": UUID, "disks": [disk["source"], *(disks or ())], "files": list(files), "tags": []}
    return Vm("web", id=UUID, power=power, config={"disks": {"vda": disk}}, mark=mark)


READ_DEFINITION = ("dumpxml", UUID, "--inactive", "--security-info")


def marked(vm):
    mark = f"<p:mark xmlns:p='{MARK_NAMESPACE}'>{json.dumps(vm.mark)}</p:mark>"
    return {READ_DEFINITION: machine_xml(metadata(mark))}


DROP, REVERT = Step("drop_snapshot", arguments={"names": ("s",)}), Step("restore", arguments={"name": "s"})


def taking(**more):
    taken = {"name": "s", "description": "d", "include_memory": None, "kind": "internal", "power": "stopped"}
    return Step("snapshot", arguments={**taken, "expires": NEVER_EXPIRES, **more})


def create(*flags):
    return ("snapshot-create", UUID, "/dev/stdin", *flags)


DELETE = ("snapshot-delete", UUID, "--snapshotname", "s")
SHOW = ("snapshot-dumpxml", UUID, "--snapshotname", "s")


@pytest.mark.parametrize(
    ("power", "include_memory", "flags", "memory"),
    [
        ("running", True, (), True),
        ("paused", True, (), True),
        ("running", None, ("--disk-only", "--atomic"), False),
        ("running", False, ("--disk-only", "--atomic"), False),
        ("stopped", True, ("--disk-only", "--atomic"), False),
    ],
)
def test_files_of_external_snapshot_are_recorded_before_creation(tmp_path, power, include_memory, flags, memory):
    vm = machine(tmp_path, power)
    virsh = FakeVirsh(marked(vm))
    taken_as = power if include_memory else "stopped"
    requested = taking(kind="external", include_memory=include_memory, power=taken_as)
    snapshots.snapshot(driver_of(virsh, tmp_path), vm, requested)
    overlay, kept = str(tmp_path / "web-vda.s.qcow2"), str(tmp_path / "web.s.memory")
    assert [words for words in virsh.done if words[0] != "dumpxml"] == [("define", "/dev/stdin"), create(*flags)]
    sent = ET.fromstring(virsh.sent[-1])
    assert sent.find("disks/disk[@name='vda'][@snapshot='external']/source").get("file") == overlay
    assert sent.find("memory").attrib == ({"snapshot": "external", "file": kept} if memory else {"snapshot": "no"})
    virsh.sent.pop()
    mark = virsh.defined().mark
    assert (mark["disks"], mark["files"]) == ([*vm.mark["disks"], overlay], [kept] if memory else [])


WITH_MEMORY = taking(kind="external", include_memory=True, power="running")
WITHOUT_MEMORY = taking(kind="external", include_memory=False)


def test_files_that_were_not_created_are_removed_from_mark(tmp_path):
    """Files that were created in spite of the failure still belong to the VM."""
    vm = machine(tmp_path)
    for name in ("web-vda.qcow2", "web.s.memory"):
        (tmp_path / name).touch()
    recorded_mark = {**vm.mark, "disks": [*vm.mark["disks"], str(tmp_path / "web-vda.s.qcow2")]}
    after = vm.having(mark={**recorded_mark, "files": [str(tmp_path / "web.s.memory")]})
    virsh = FakeVirsh({**marked(after), create(): failed("no space left")})
    with pytest.raises(CommandFailed, match="no space left"):
        snapshots.snapshot(driver_of(virsh, tmp_path), vm, taking(kind="external", power="running"))
    mark = virsh.defined().mark
    assert (mark["disks"], mark["files"]) == (vm.mark["disks"], [str(tmp_path / "web.s.memory")])


FOREIGN_MARK = {"v": 2, "id": UUID, "tags": ["kept"]}


@pytest.mark.parametrize("mark", [None, FOREIGN_MARK, {**FOREIGN_MARK, "id": "another"}])
def test_of_a_vm_of_others_only_the_memory_file_is_ours(tmp_path, mark):
    """What its guest writes to the overlay is theirs, as the disk below it."""
    vm = machine(tmp_path).having(mark=mark)
    virsh = FakeVirsh({**marked(vm), **({} if mark else {READ_DEFINITION: machine_xml()})})
    snapshots.snapshot(driver_of(virsh, tmp_path), vm, WITH_MEMORY)
    stored = Definition(virsh.sent[0]).mark
    assert (stored["id"], stored.get("disks", []), stored["files"]) == (UUID, [], [str(tmp_path / "web.s.memory")])
    assert "created" not in stored


def test_overlay_on_a_disk_that_was_created_for_a_vm_of_others_is_ours(tmp_path):
    vm = machine(tmp_path)
    vm = vm.having(mark={**FOREIGN_MARK, "disks": [vm.config["disks"]["vda"]["source"]]})
    virsh = FakeVirsh(marked(vm))
    snapshots.snapshot(driver_of(virsh, tmp_path), vm, WITHOUT_MEMORY)
    assert str(tmp_path / "web-vda.s.qcow2") in Definition(virsh.sent[0]).mark["disks"]


def test_failed_snapshot_of_a_vm_of_others_leaves_no_mark(tmp_path):
    vm = machine(tmp_path).having(mark=None)
    virsh = FakeVirsh({READ_DEFINITION: machine_xml(), create(): failed("no space left")})
    with pytest.raises(CommandFailed, match="no space left"):
        snapshots.snapshot(driver_of(virsh, tmp_path), vm, WITH_MEMORY)
    before, _snapshot, after = virsh.sent
    assert Definition(before).mark["files"] == [str(tmp_path / "web.s.memory")]
    assert Definition(after).mark is None


@pytest.mark.parametrize(("own_files", "remaining"), [(("/seed",), (f"{POOL}/b.memory",)), ((f"{POOL}/b.memory",), ())])
def test_memory_file_without_record_remains(own_files, remaining):
    assert read("external-memory").to_snapshot(UUID, True, None, own_files).remaining == remaining
    assert read("external-off").to_snapshot(UUID, True, None, own_files).remaining == ()


@pytest.mark.parametrize(("info", "raised"), [("Name: s\n", False), (failed(NOT_FOUND), True)])
def test_same_snapshot_created_by_another_task_is_no_error(tmp_path, info, raised):
    vm = machine(tmp_path)
    answers = {create(): failed("domain moment s already exists"), ("snapshot-info", UUID, "--snapshotname", "s"): info}
    with pytest.raises(CommandFailed, match="already exists") if raised else nullcontext():
        snapshots.snapshot(driver_of(FakeVirsh({**marked(vm), **answers}), tmp_path), vm, taking())


def external(folder):
    text = recorded("snapshot-external-memory.xml").replace(f"{POOL}/b.memory", str(folder / "memory"))
    return text.replace(f"{POOL}/pvs-b.emem", str(folder / "overlay"))


def test_snapshot_is_deleted_after_its_files_leave_the_mark(tmp_path):
    vm = machine(tmp_path, files=[str(tmp_path / "memory"), "/seed"], disks=[str(tmp_path / "overlay")])
    (tmp_path / "memory").touch()
    virsh = FakeVirsh({**marked(vm), SHOW: external(tmp_path)})
    snapshots.drop_snapshot(driver_of(virsh, tmp_path), vm, DROP)
    assert [words[0] for words in virsh.done] == ["snapshot-dumpxml", "dumpxml", "define", "snapshot-delete"]
    assert not (tmp_path / "memory").exists()
    mark = virsh.defined().mark
    assert (mark["disks"], mark["files"]) == ([str(tmp_path / "web-vda.qcow2")], ["/seed"])


def test_memory_file_that_is_not_in_mark_is_kept(tmp_path):
    vm = machine(tmp_path)
    (tmp_path / "memory").touch()
    virsh = FakeVirsh({**marked(vm), SHOW: external(tmp_path)})
    snapshots.drop_snapshot(driver_of(virsh, tmp_path), vm, DROP)
    assert (tmp_path / "memory").exists()
    assert "define" not in [words[0] for words in virsh.done]


def test_files_return_to_mark_if_deletion_fails(tmp_path):
    own, overlay = str(tmp_path / "web-vda.qcow2"), str(tmp_path / "overlay")
    (tmp_path / "overlay").touch()
    vm = machine(tmp_path, disks=[overlay])
    virsh = FakeVirsh({**marked(vm), SHOW: external(tmp_path), DELETE: failed("no space left")})
    with pytest.raises(CommandFailed, match="no space left"):
        snapshots.drop_snapshot(driver_of(virsh, tmp_path), vm, DROP)
    assert [Definition(text).mark["disks"] for text in virsh.sent] == [[own], [own, overlay]]


@pytest.mark.parametrize(("exists", "certain"), [(True, False), (False, True)])
def test_failed_deletion_is_a_change_only_if_the_mark_lists_other_files(tmp_path, exists, certain):
    vm = machine(tmp_path, disks=[str(tmp_path / "overlay")])
    if exists:
        (tmp_path / "overlay").touch()
    driver = driver_of(FakeVirsh({**marked(vm), SHOW: external(tmp_path), DELETE: failed("no base")}), tmp_path)
    _check_counted(driver, vm, DROP, certain)


@pytest.mark.parametrize(("exists", "certain"), [(False, False), (True, True)])
def test_failed_creation_is_a_change_only_if_the_mark_lists_other_files(tmp_path, exists, certain):
    vm = machine(tmp_path)
    if exists:
        (tmp_path / "web-vda.s.qcow2").touch()
    driver = driver_of(FakeVirsh({**marked(vm), create("--disk-only", "--atomic"): failed("no space left")}), tmp_path)
    _check_counted(driver, vm, WITHOUT_MEMORY, certain)


def _check_counted(driver, vm, step, certain):
    """Whether the step, which fails, counts as a certain change; else as a possible one."""

    def store(definition):
        driver.virsh.answers.update(marked(vm.having(mark=definition.mark)))
        change_counter.note()

    driver.define, before = store, change_counter.count()
    with pytest.raises(CommandFailed):
        getattr(snapshots, step.verb)(driver, vm, step)
    assert (change_counter.count()[0] > before[0], change_counter.count() != before) == (certain, True)


@pytest.mark.parametrize("words", [SHOW, DELETE])
def test_snapshot_deleted_by_another_task_is_no_error(tmp_path, words):
    vm = machine(tmp_path)
    virsh = FakeVirsh({**marked(vm), SHOW: recorded("snapshot-internal-off.xml"), words: failed(NOT_FOUND)})
    snapshots.drop_snapshot(driver_of(virsh, tmp_path), vm, DROP)


@pytest.mark.parametrize("is_failing", [False, True])
def test_restore_keeps_files_created_since_in_mark(tmp_path, is_failing):
    """Also if it fails: libvirt has usually reverted the definition already."""
    vm = machine(tmp_path, files=["/seed"], disks=["/later"])
    then = {**vm.mark, "disks": ["/old"], "files": [], "tags": ["vm_in_snapshot"]}
    vm = vm.having(mark={**vm.mark, "nvram": ["/web.nvram"]})
    revert = ("snapshot-revert", UUID, "--snapshotname", "s")
    virsh = FakeVirsh({**marked(vm.having(mark=then)), revert: failed("no network") if is_failing else ""})
    with pytest.raises(CommandFailed, match="no network") if is_failing else nullcontext():
        snapshots.restore(driver_of(virsh, tmp_path), vm, REVERT)
    assert virsh.done[0] == revert
    mark = virsh.defined().mark
    assert mark["disks"] == ["/old", str(tmp_path / "web-vda.qcow2"), "/later"]
    assert (mark["files"], mark["nvram"], mark["tags"]) == (["/seed"], ["/web.nvram"], ["vm_in_snapshot"])


def test_disk_that_is_not_in_the_plan_is_not_merged_into(tmp_path):
    vm = machine(tmp_path)
    virsh = FakeVirsh({**marked(vm), SHOW: external(tmp_path)})
    allowed = permits.granted(Permit(things=frozenset({("snapshot", UUID, "s")})))
    with allowed, pytest.raises(Refused, match="a step was about to merge changes into this file"):
        snapshots.drop_snapshot(driver_of(virsh, tmp_path), vm, DROP)
    assert DELETE not in virsh.done


def test_disk_that_is_not_in_the_plan_is_not_restored(tmp_path):
    vm = machine(tmp_path)
    virsh = FakeVirsh(marked(vm))
    allowed = permits.granted(Permit(things=frozenset({("state", UUID)})))
    with allowed, pytest.raises(Refused, match=r"web-vda.qcow2: a step was about to restore this file"):
        snapshots.restore(driver_of(virsh, tmp_path), vm, REVERT)
    assert virsh.done == []


def test_restored_mark_of_another_vm_is_replaced(tmp_path):
    vm = machine(tmp_path)
    vm_in_snapshot = vm.having(mark={**vm.mark, "id": "another", "disks": ["/theirs"], "tags": ["vm_in_snapshot"]})
    virsh = FakeVirsh(marked(vm_in_snapshot))
    snapshots.restore(driver_of(virsh, tmp_path), vm, REVERT)
    mark = virsh.defined().mark
    assert (mark["id"], mark["tags"], "/theirs" in mark["disks"]) == (UUID, ["vm_in_snapshot"], False)


def test_transient_vm_is_not_defined(tmp_path):
    vm = machine(tmp_path, files=[str(tmp_path / "memory")]).having(persistent=False)
    virsh = FakeVirsh({**marked(vm), SHOW: external(tmp_path)})
    snapshots.drop_snapshot(driver_of(virsh, tmp_path), vm, DROP)
    assert "define" not in [words[0] for words in virsh.done]


def test_restorable_memory_file_is_removed_only_after_its_snapshot(tmp_path):
    vm = machine(tmp_path, files=[str(tmp_path / "memory")])
    (tmp_path / "memory").touch()
    driver = driver_of(FakeVirsh({**marked(vm), SHOW: external(tmp_path), DELETE: failed("no space left")}), tmp_path)
    driver.library = "10.0.0"
    with pytest.raises(CommandFailed, match="no space left"):
        snapshots.drop_snapshot(driver, vm, DROP)
    assert (tmp_path / "memory").exists()
    driver.virsh.answers[DELETE] = ""
    snapshots.drop_snapshot(driver, vm, DROP)
    assert not (tmp_path / "memory").exists()


@pytest.mark.parametrize("mark", [None, {"v": 1, "id": "another", "disks": ["/a"], "files": []}])
def test_vm_without_own_mark_gets_none(tmp_path, mark):
    vm = machine(tmp_path).having(mark=mark)
    virsh = FakeVirsh({SHOW: external(tmp_path)})
    driver = driver_of(virsh, tmp_path)
    snapshots.snapshot(driver, vm, taking(kind="external"))
    snapshots.restore(driver, vm, REVERT)
    snapshots.drop_snapshot(driver, vm, DROP)
    assert {"define", "dumpxml"}.isdisjoint(words[0] for words in virsh.done)
