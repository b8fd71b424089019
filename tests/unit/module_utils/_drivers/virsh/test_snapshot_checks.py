# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks before snapshots that prevent known problems of libvirt, with real images."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Plan, Snapshot, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.snapshot_checks import check_snapshot
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.snapshots import (
    leftovers,
    with_leftover_snapshots,
)
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

from unit.module_utils._drivers.claimed import check_claims, run_guard
from unit.module_utils._drivers.virsh.answers import FakeVirsh, chain, driver_of, machine_xml, of_vms, recorded

POOL = "/var/lib/libvirt/images/pvs"
RUNNING = ("dumpxml", "u-web")
INTERNAL, EXTERNAL = Snapshot("s", kind="internal"), Snapshot("s", kind="external")


def running_with(*hotpluggable):
    """The definition of a running VM with further enabled CPUs; ``hotpluggable`` (yes or no) for each of them."""
    cpus = "".join(f"<vcpu enabled='yes' hotpluggable='{one}'/>" for one in hotpluggable)
    return f"<domain id='1'><vcpus><vcpu enabled='no' hotpluggable='yes'/>{cpus}</vcpus></domain>"


def tag(path, name):
    subprocess.run(["qemu-img", "snapshot", "-c", name, path], check=True)


def machine(disk, power="stopped", **more):
    disks = {"vda": {"source": disk, "format": "qcow2"}}
    return Vm("web", id="u-web", power=power, config={"disks": disks}, **more)


def check(vm, verb, virsh=None, hypervisor="QEMU", uri="qemu:///system", library="9.0.0", **arguments):
    driver = driver_of(virsh or FakeVirsh({**of_vms(), RUNNING: running_with()}), "/nonexistent")
    driver.seen.definitions["u-web"] = machine_xml()
    driver.hypervisor, driver.virsh.uri, driver.library = hypervisor, uri, library
    given = {"name": "s", "names": ("s",), "kind": "internal", "include_memory": None, **arguments}
    run_guard(check_snapshot, driver, vm, Step(verb, arguments=given))
    return driver, given


def check_others(vm, verb, *arguments, **options):
    """The same, and what other VMs exclude."""
    driver, given = check(vm, verb, *arguments, **options)
    step = Step(verb, arguments={**given, "ids": given["names"], "power": vm.power, "description": ""})
    check_claims(driver, Plan(vm, vm, segments=((step,),)))


def take(vm, **more):
    check(vm, "snapshot", **more)


def xml(name, paths):
    """A FakeVirsh with one recorded snapshot, in which the paths of files are replaced."""
    text = recorded(f"snapshot-{name}.xml")
    for old, new in paths.items():
        assert f"{POOL}/{old}" in text
        text = text.replace(f"{POOL}/{old}", str(new))
    return FakeVirsh({("snapshot-dumpxml", "u-web", "--snapshotname", "s"): text, **of_vms()})


# Creating -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "power", "more", "is_rejected"),
    [
        (("no", "yes"), "running", {}, True),
        (("no", "yes"), "paused", {}, True),
        (("no", "yes"), "running", {"library": "10.9.0"}, True),
        (("no", "yes"), "running", {"library": "10.10.0"}, False),
        (("no", "yes"), "running", {"kind": "external"}, False),
        (("no", "yes"), "stopped", {}, False),
        (("no", "no"), "running", {}, False),
    ],
)
def test_internal_snapshot_with_cpus_added_to_the_running_vm_is_rejected(disk, cpus, power, more, is_rejected):
    virsh = FakeVirsh({**of_vms(), RUNNING: running_with(*cpus)})
    if not is_rejected:
        take(machine(disk, power), virsh=virsh, **more)
        return
    with pytest.raises(Refused, match=r"web: CPUs were added while the VM ran, and libvirt \d+") as caught:
        take(machine(disk, power), virsh=virsh, **more)
    assert "kind: external" in caught.value.remedy


def test_leftovers_are_unknown_if_images_cannot_be_read(disk, tmp_path):
    (tmp_path / "web-vda.qcow2").write_bytes(b"QFI\xfbbroken")
    driver = driver_of(FakeVirsh(), tmp_path)
    assert driver.leftovers(machine(disk)) is None
    driver.virsh.uri = "qemu+ssh://host/system"
    assert driver.leftovers(machine(disk)) is None


@pytest.mark.parametrize(("uri", "hypervisor"), [("qemu+ssh://host/system", "QEMU"), ("test:///default", "TEST")])
def test_external_snapshot_needs_local_files(disk, uri, hypervisor):
    with pytest.raises(Refused, match="which is not possible on this connection"):
        take(machine(disk), kind="external", uri=uri, hypervisor=hypervisor)


@pytest.mark.parametrize("disks", [{}, {"vda": {"source": ""}}, {"vda": {"source": "/a"}, "vdb": {"source": ""}}])
def test_external_snapshot_needs_disks_that_are_files(disks):
    with pytest.raises(Refused, match="only for disks that are files"):
        take(Vm("web", id="u-web", config={"disks": disks}), kind="external")


def test_external_snapshot_needs_same_disks_running_and_stored(disk):
    both = {"vda": {"source": disk}, "vdb": {"source": disk}}
    vm = machine(disk, "running", active={"disks": both})
    with pytest.raises(Refused, match="the disks of the running VM differ"):
        take(vm, kind="external")
    take(vm.having(config={"disks": both}), kind="external")


@pytest.mark.parametrize("taken", ["web-vda.s.qcow2", "web.s.memory"])
def test_existing_file_prevents_external_snapshot(disk, tmp_path, taken):
    (tmp_path / taken).touch()
    with pytest.raises(Refused, match=f"{taken} already exists"):
        take(machine(disk), kind="external")


def test_too_long_file_name_is_rejected(disk):
    take(machine(disk), kind="external", name="x" * (255 - len("web-vda..qcow2")))
    with pytest.raises(Refused, match="the file name web-vda"):
        take(machine(disk), kind="external", name="x" * (256 - len("web-vda..qcow2")))


# Deleting -------------------------------------------------------------------------------------------------------------


def test_external_snapshot_is_not_deleted_before_internal_ones(disk):
    vm = machine(disk, snapshots=(EXTERNAL, Snapshot("inner", kind="internal")))
    with pytest.raises(Refused, match=r"the external snapshot 's'.*may contain: inner"):
        check(vm, "drop_snapshot")
    check(vm, "drop_snapshot", names=("inner",))


def test_external_snapshot_of_suspended_vm_is_not_deleted(disk):
    with pytest.raises(Refused, match="web: the VM is suspended, and its saved memory needs the files"):
        check(machine(disk, "suspended", snapshots=(EXTERNAL,)), "drop_snapshot")
    check(machine(disk, "suspended", snapshots=(INTERNAL,)), "drop_snapshot")


SERIES = tuple(Snapshot(name, kind="external", parent=parent) for name, parent in (("a", None), ("b", "a"), ("c", "b")))


@pytest.mark.parametrize(
    ("names", "power", "library", "newer"),
    [
        (("a",), "stopped", "9.0.0", "b"),
        (("b",), "stopped", "9.8.0", "c"),
        (("a", "b"), "stopped", "9.0.0", "b"),
        (("c", "a"), "stopped", "9.0.0", "b"),
        (("c",), "stopped", "9.0.0", None),
        (("c", "b", "a"), "stopped", "9.0.0", None),
        (("a",), "running", "9.0.0", None),
        (("a",), "stopped", "9.9.0", None),
    ],
)
def test_external_snapshot_of_stopped_vm_is_not_deleted_before_newer_ones(disk, names, power, library, newer):
    vm = machine(disk, power, snapshots=SERIES)
    if newer is None:
        check(vm, "drop_snapshot", names=names, library=library)
        return
    with pytest.raises(Refused, match=f"while the VM is stopped, because '{newer}' is newer") as caught:
        check(vm, "drop_snapshot", names=names, library=library)
    assert "Start the VM first" in caught.value.remedy


def definition_answers(name, path, more=""):
    """The answers of a virsh with one VM with this qcow2 disk."""
    drive = f"<disk type='file'><driver type='qcow2'/><source file='{path}'/><target dev='vda'/></disk>"
    text = f"<domain{more}><name>{name}</name><uuid>u-{name}</uuid><devices>{drive}</devices></domain>"
    return of_vms(text)


def test_external_snapshot_with_linked_clones_is_not_deleted(images, tmp_path):
    base, frozen, overlay = chain(images, tmp_path, "base", "web-vda.qcow2", "web-vda.s.qcow2")
    vm = machine(overlay, snapshots=(EXTERNAL,))
    virsh = xml("external-off", {"pvs-b.qcow2": frozen})
    virsh.answers.update(definition_answers("web", overlay))
    images.overlay(str(tmp_path / "on-base"), base, "qcow2")
    check_others(vm, "drop_snapshot", virsh)
    images.overlay(str(tmp_path / "on-frozen"), frozen, "qcow2")
    with pytest.raises(Refused, match=r"web: snapshots\.s: .*web-vda\.qcow2 must not be written to, .* of .*on-frozen"):
        check_others(vm, "drop_snapshot", virsh)
    check_others(vm, "drop_snapshot", virsh, uri="qemu+ssh://host/system")


# Restoring ------------------------------------------------------------------------------------------------------------


def test_restore_with_missing_content_is_rejected(disk, tmp_path):
    virsh = xml("internal-off", {"pvs-a.qcow2": disk})
    with pytest.raises(NotFound, match="no longer contains the snapshot 's' of 'web'") as caught:
        check(machine(disk), "restore", virsh)
    assert "virsh snapshot-delete web --snapshotname=s --metadata" in caught.value.remedy
    # Images on another host, or of the test driver, are not checked.
    check(machine(disk), "restore", virsh, hypervisor="TEST")
    check(machine(disk), "restore", virsh, uri="qemu+ssh://host/system")
    with pytest.raises(NotFound, match="with disk vda of snapshot 's' no longer exists"):
        check(machine(disk), "restore", xml("internal-off", {"pvs-a.qcow2": tmp_path / "gone"}))


def test_restore_with_missing_memory_file_is_rejected(disk, tmp_path):
    virsh = xml("external-memory", {"pvs-b.edisk": disk, "b.memory": tmp_path / "memory"})
    with pytest.raises(NotFound, match="memory with the memory of snapshot 's' no longer exists"):
        check(machine(disk), "restore", virsh)
    (tmp_path / "memory").touch()
    check(machine(disk), "restore", virsh)


@pytest.mark.parametrize(
    ("name", "library", "is_rejected"),
    [
        ("internal-running", "9.0.0", True),
        ("internal-paused", "9.0.0", True),
        ("internal-running", "10.10.0", False),
        ("internal-off", "9.0.0", False),
        ("external-memory", "9.0.0", False),
    ],
)
@pytest.mark.parametrize("uri", ["qemu:///system", "qemu+ssh://host/system"])
def test_restore_of_memory_with_cpus_added_to_the_running_vm_is_rejected(name, library, is_rejected, uri):
    text = recorded(f"snapshot-{name}.xml")
    added = "<vcpus><vcpu enabled='yes' hotpluggable='yes'/></vcpus></domain>"
    virsh = FakeVirsh({("snapshot-dumpxml", "u-web", "--snapshotname", "s"): text.replace("</domain>", added)})
    expected = "web: CPUs were added .* snapshot 's'" if is_rejected else "no longer exists"
    if not is_rejected and uri != "qemu:///system":
        check(machine("/gone"), "restore", virsh, library=library, uri=uri)
        return
    with pytest.raises(Refused if is_rejected else NotFound, match=expected) as caught:
        check(machine("/gone"), "restore", virsh, library=library, uri=uri)
    assert not is_rejected or "clone.snapshot: s" in caught.value.remedy


# Leftover snapshots in images -----------------------------------------------------------------------------------------


def test_leftover_snapshot_can_be_deleted(disk, images, tmp_path):
    second = str(tmp_path / "web-vdb.qcow2")
    images.create(second, "qcow2", 1 << 20)
    for path, name in ((disk, "left"), (second, "left"), (disk, "known")):
        tag(path, name)
    vm = machine(disk, snapshots=(Snapshot("known", kind="internal"),))
    vm = vm.having(config={"disks": {**vm.config["disks"], "vdb": {"source": second, "format": "qcow2"}}})
    driver = driver_of(FakeVirsh(of_vms()), tmp_path)
    seen = with_leftover_snapshots(driver, vm)
    assert [(one.name, bool(one.unfinished)) for one in seen.snapshots] == [("known", False), ("left", True)]
    step = Step("drop_snapshot", arguments={"names": ("left",), "ids": ("left",)})
    run_guard(check_snapshot, driver, seen, step)
    for _sent in range(2):
        driver.apply([(seen, [step], permits.ANYTHING)])
        assert [images.info(path).snapshots for path in (disk, second)] == [("known",), ()]
    with pytest.raises(Refused, match="web: the snapshot 'left' exists only in the image of a disk"):
        run_guard(check_snapshot, driver, seen.having(power="running"), step)


# Images that other VMs use --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False])
def test_internal_snapshot_of_base_of_running_vm_is_rejected(disk, images, tmp_path, running):
    images.overlay(str(tmp_path / "top"), disk, "qcow2")
    virsh = FakeVirsh(definition_answers("copy", tmp_path / "top", " id='1'" if running else ""))
    if not running:
        check_others(machine(disk), "snapshot", virsh)
        return
    with pytest.raises(Refused, match=r"web: disks\.vda: .* must not be written to, .* of disks of copy"):
        check_others(machine(disk), "snapshot", virsh)


def test_leftovers_of_all_qcow2_disks_are_listed(disk, images, tmp_path):
    second = str(tmp_path / "second.qcow2")
    images.create(second, "qcow2", 1 << 20)
    for path, name in ((disk, "known"), (disk, "left"), (second, "left")):
        tag(path, name)
    raw = str(tmp_path / "raw")
    images.create(raw, "raw", 1 << 20)
    disks = {
        "vda": {"source": disk, "format": "qcow2"},
        "vdb": {"source": second, "format": "qcow2"},
        "vdc": {"source": raw, "format": "raw"},
        "vdd": {"source": "", "format": "qcow2"},
        "vde": {"source": str(tmp_path / "gone"), "format": "qcow2"},
    }
    vm = Vm("web", id="u-web", config={"disks": disks}, snapshots=(Snapshot("known", kind="internal"),))
    driver = driver_of(FakeVirsh(), tmp_path)
    assert leftovers(driver, vm) == [(disk, "left"), (second, "left")]
    assert driver.leftovers(vm) == ((disk, "left"), (second, "left"))
