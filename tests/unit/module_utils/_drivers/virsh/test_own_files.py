# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners and users of files, with real images: which files are deleted, and that none is if the users are unknown."""

from __future__ import annotations

import os
import struct

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Observation, Plan, Policy, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan_delete import (
    NOT_CREATED_HERE,
    delete_step,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import making_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import claims, own_files
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.own_files import files_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import (
    HERE,
    FakeVirsh,
    chain,
    disk,
    domain,
    driver_of,
    failed,
    of_vms,
    unknown_overlay,
    volume,
)
from unit.module_utils._drivers.virsh.test_claims import Driver

UUID = "u-web"
NO_QEMU_IMG = QemuImg(Commands(), "no-such-qemu-img")


def vm_of(*disks, files=(), machine_id=UUID):
    return Vm("web", id=UUID, mark={**HERE, "id": machine_id, "disks": list(disks), "files": list(files)})


def web_files(images, *definitions, vm=None, virsh=None, delete_disks="all", **more):
    """{path: File} of the VM web, from its definitions and those of all other VMs, as the engine plans its deletion."""
    own = [one for one in definitions if one.name == "web"]
    vm = vm or Vm("web", id=UUID)
    vm = vm.having(files=files_of(vm, own, True))
    policy, traits = Policy(delete_disks=delete_disks), virsh_traits("QEMU", "9.0.0", True)
    planned = Plan(vm, Vm.absent("web"), segments=((delete_step(vm, delete_disks, traits),),))
    driver = Driver(*definitions, virsh=virsh, images=images, **more)
    (work,) = check_claims(driver, planned, policy=policy, traits=traits)
    return {file.path: file for file in work.plan.before.files}


def delete_of(vm, found, delete_disks="all"):
    return delete_step(vm.having(files=tuple(found.values())), delete_disks, virsh_traits("QEMU", "9.0.0", True))


def plan_of(vm, found, delete_disks="all"):
    """(paths to delete, {path to keep: reason})."""
    step = delete_of(vm, found, delete_disks)
    return list(step.arguments["files"]), dict(step.arguments["kept"])


_QCOW2 = "<driver type='qcow2'/>"

# Users of files -------------------------------------------------------------------------------------------------------


def test_backing_file_of_another_vm_is_used_by_it(images, tmp_path):
    base, middle, top = chain(images, tmp_path, "base", "middle", "top")
    for path in (base, middle):
        file = web_files(images, domain("web", disk(path)), domain("db", disk(top, _QCOW2)))[path]
        assert "db" in file.used_by


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda path: b"QFI\xfb" + struct.pack(">IQI", 3, 104, len(path)) + bytes(84) + path, id="base"),
        pytest.param(lambda path: b"QFI\xfb" + struct.pack(">IQI", 3, 0x8000000000000008, 20), id="beyond any file"),
        pytest.param(lambda path: b"QFI\xfb" + struct.pack(">IQII", 3, 0, 0, 0x4000000), id="cluster of no size"),
        pytest.param(lambda path: b"QED\0" + bytes(1 << 16), id="format of qemu-img"),
    ],
)
def test_what_a_guest_writes_to_its_raw_disk_does_not_count(images, tmp_path, written):
    """QEMU does not read it, so no file is needed, and nothing prevents the deletion of another VM."""
    (path,) = chain(images, tmp_path, "web.qcow2")
    raw = tmp_path / "tenant.raw"
    raw.write_bytes(written(path.encode()).ljust(1 << 20, b"\0"))
    found = web_files(images, domain("web", disk(path, _QCOW2)), domain("tenant", disk(raw, "<driver type='raw'/>")))
    assert found[path].used_by == ()


def test_backing_file_of_overlay_without_vm_is_used(images, tmp_path):
    base, top = chain(images, tmp_path, "base", "top")
    assert web_files(images, domain("web", disk(base)))[base].used_by == (top,)


def test_running_disk_that_this_user_cannot_read_has_the_chain_that_libvirt_reports(images, tmp_path, monkeypatch):
    """As for a member of group libvirt: while a VM runs, its disk is that of QEMU's user."""
    base, own = chain(images, tmp_path, "base")[0], chain(images, tmp_path, "own")[0]
    top = unknown_overlay(tmp_path)
    reported = f"{_QCOW2}<backingStore type='file'><source file='{base}'/><backingStore/></backingStore>"
    running = domain("db", disk(top, reported))
    running.root.set("id", "1")
    monkeypatch.setattr(claims.files, "is_readable", lambda path: path != top)
    found = web_files(
        images, domain("web", disk(own, _QCOW2), disk(base, _QCOW2)), running, domain("db", disk(top, _QCOW2))
    )
    assert (found[own].used_by, found[base].used_by) == ((), ("db",))


def test_link_to_file_counts_as_file(images, tmp_path):
    (path,) = chain(images, tmp_path, "web.qcow2")
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.symlink_to(path)
    assert web_files(images, domain("web", disk(path)), domain("db", disk(link)))[path].used_by == ("db",)


@pytest.mark.parametrize("below", ["backingStore", "mirror"])
def test_backing_files_and_copy_targets_in_definition_are_used(images, tmp_path, below):
    base, more = f"{tmp_path}/base", f"<{below}><source file='{tmp_path}/base'/></{below}>"
    file = web_files(images, domain("web", disk(base)), domain("db", disk(f"{tmp_path}/gone", more)))
    assert file[base].used_by == ("db",)


def test_own_disk_is_kept_while_manual_overlay_needs_it(images, tmp_path):
    """After a snapshot the VM uses the overlay, and the disk that the collection created is not attached."""
    base, top = chain(images, tmp_path, "base", "top")
    vm = vm_of(base)
    found = web_files(images, domain("web", disk(top, _QCOW2)), vm=vm, delete_disks="owned")
    assert plan_of(vm, found, "owned") == ([], {base: f"used by {top}", top: "not created by this collection"})


# Unknown users --------------------------------------------------------------------------------------------------------


UNREADABLE_TOP = "may be needed by .*: cannot find out whether .*top uses one of its files"


def test_unreadable_image_prevents_deletion_of_all_disks(images, tmp_path):
    (base,) = chain(images, tmp_path, "base")
    top = unknown_overlay(tmp_path)
    for others in ((), (domain("db", disk(top, _QCOW2)),)):
        with pytest.raises(
            Refused, match=r"may be needed by .*: cannot find out whether .*top uses one of its files"
        ) as caught:
            web_files(images, domain("web", disk(base)), *others)
        assert caught.value.remedy == "Omit delete_disks to keep the file."


def test_broken_images_of_others_do_not_prevent_deletion(images, tmp_path):
    (own,) = chain(images, tmp_path, "own")
    chain(images, tmp_path, "below", "orphan")
    os.unlink(tmp_path / "below")
    (tmp_path / "broken").write_bytes(b"QFI\xfb" + bytes(20))
    assert web_files(images, domain("web", disk(own)), domain("db", disk(tmp_path / "orphan")))[own].used_by == ()


def test_overlay_uses_its_base_even_if_the_base_of_that_is_missing(images, tmp_path):
    base, middle, top = chain(images, tmp_path, "base", "middle", "top")
    os.unlink(base)
    vm = vm_of(middle)
    found = web_files(images, domain("web", disk(middle)), domain("db", disk(top, _QCOW2)), vm=vm)
    assert found[middle].used_by == ("db",)


def test_vm_with_broken_disk_can_be_deleted(images, tmp_path):
    below, given = chain(images, tmp_path, "below", "given")
    (tmp_path / "more").mkdir()
    (own,) = chain(images, tmp_path / "more", "own")
    os.unlink(below)
    found = web_files(images, domain("web", disk(given), disk(own)), vm=vm_of(own))
    assert plan_of(vm_of(own), found, "owned") == ([own], {given: "not created by this collection"})


def test_headers_are_read_without_qemu_img(images, tmp_path):
    (path,) = chain(images, tmp_path, "web.qcow2")
    (tmp_path / "raw").write_bytes(b"\0" * 512)
    (other,) = chain(images, tmp_path, "db.qcow2")
    others = domain("db", disk(tmp_path / "raw"), disk(tmp_path / "gone"), disk(other))
    assert web_files(NO_QEMU_IMG, domain("web", disk(path)), others)[path].used_by == ()


def test_unreadable_definition_prevents_deletion(tmp_path):
    virsh = FakeVirsh(of_vms(domain("web").text(), domain("db").text()))
    reads = [("dumpxml", "u-db"), ("dumpxml", "u-db", "--inactive")]
    virsh.answers.update(dict.fromkeys(reads, failed("access denied")))
    with pytest.raises(CommandFailed, match="access denied"):
        driver_of(virsh, tmp_path).all_definitions()
    virsh.answers.update(dict.fromkeys(reads, failed("failed to get domain 'u-db'")))
    assert {one.name for one in driver_of(virsh, tmp_path).all_definitions()} == {"web"}


# Files of a VM --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "more", "role"),
    [
        ("disk", "", "disk"),
        ("disk", "<shareable/>", "medium"),
        ("disk", "<readonly/>", "medium"),
        ("cdrom", "", "medium"),
        ("floppy", "", "medium"),
    ],
)
def test_role_of_file(images, tmp_path, device, more, role):
    path = f"{tmp_path}/f"
    assert web_files(images, domain("web", (device, path, more)))[path].role == role


def test_seed_is_ours_and_other_iso_is_a_medium(images, tmp_path):
    seed, theirs = f"{tmp_path}/seed", f"{tmp_path}/theirs"
    files = web_files(images, domain("web", ("cdrom", seed, ""), ("cdrom", theirs, "")), vm=vm_of(files=[seed]))
    assert {path: (file.role, file.ours) for path, file in files.items()} == {
        seed: ("support", True),
        theirs: ("medium", False),
    }


def test_files_of_running_and_stored_definition_are_listed(images, tmp_path):
    now, later, both = (f"{tmp_path}/{name}" for name in ("now", "later", "both"))
    running, stored = domain("web", disk(both), disk(now)), domain("web", disk(both), disk(later))
    assert set(web_files(images, running, stored)) == {now, later, both}
    shared = domain("web", disk(both, "<shareable/>"))
    for definitions in ((running, shared), (shared, running)):
        assert web_files(images, *definitions)[both].role == "medium"


def test_detached_files_in_mark_are_deleted_too(images, tmp_path):
    attached, detached = chain(images, tmp_path, "attached")[0], chain(images, tmp_path, "detached")[0]
    seed = tmp_path / "seed"
    seed.touch()
    vm = vm_of(attached, detached, str(tmp_path / "gone"), files=[str(seed)])
    found = web_files(images, domain("web", disk(attached)), vm=vm)
    assert plan_of(vm, found, "owned") == ([attached, detached, str(seed)], {})
    # The detached disk is attached to another VM.
    found = web_files(images, domain("web", disk(attached)), domain("db", disk(detached)), vm=vm)
    assert plan_of(vm, found, "owned")[1] == {detached: "used by db"}
    # A copy has the mark of its source, so these files do not belong to it.
    copied = vm_of(attached, detached, machine_id="another")
    assert set(web_files(images, domain("web", disk(attached)), vm=copied)) == {attached}


@pytest.mark.parametrize(
    ("recorded", "why"), [(HERE, ""), ({"host": "old"}, "recorded on the host old"), ({}, "recorded without a host")]
)
def test_file_that_only_the_record_of_another_host_names_is_kept(images, tmp_path, recorded, why):
    """What the definition or a snapshot names is the VM's own, wherever it was recorded."""
    attached, detached, frozen = (chain(images, tmp_path, name)[0] for name in ("attached", "detached", "frozen"))
    vm, stored = Vm("web", id=UUID, mark={"id": UUID}), domain("web", disk(attached))
    stored.set_mark({**recorded, "id": UUID, "disks": [attached, detached, frozen]})
    found = {one.path: one for one in files_of(vm, [stored], True, [frozen])}
    assert plan_of(vm, found, "all")[1] == ({detached: why} if why else {})
    assert all(one.ours for one in found.values())


def nvram_files(folder):
    """(the NVRAM in use, the NVRAM of the previous firmware); both files exist."""
    paths = [folder / name for name in ("web.nvram-secure", "web.nvram")]
    for path in paths:
        path.write_bytes(b"variables")
    return [str(path) for path in paths]


@pytest.mark.parametrize("is_attached", [True, False])
def test_disk_that_a_task_has_begun_to_create_is_deleted_too(images, tmp_path, is_attached):
    (path,) = chain(images, tmp_path, "begun")
    identities = {path: files.identity(path)}
    vm = Vm("web", id=UUID, mark=making_mark({**HERE, "id": UUID}, [path, f"{tmp_path}/missing"], identities))
    found = web_files(images, domain("web", *([disk(path)] if is_attached else [])), vm=vm, delete_disks="owned")
    assert plan_of(vm, found, "owned") == ([path], {})
    assert plan_of(vm.having(mark={**vm.mark, "id": "another"}), found, "owned")[0] == []
    # Somebody else has put another file there, or the record is of an earlier release.
    vm = vm.having(mark=making_mark({**HERE, "id": UUID}, [path], {path: (1, 2)}))
    found = web_files(images, domain("web", *([disk(path)] if is_attached else [])), vm=vm, delete_disks="owned")
    assert (plan_of(vm, found, "owned")[0], path in plan_of(vm, found, "owned")[1]) == ([], True)


def test_nvram_of_every_firmware_is_deleted_or_kept_with_the_disks(images, tmp_path):
    used, former = nvram_files(tmp_path)
    vm = Vm("web", id=UUID, mark={**HERE, "id": UUID, "nvram": [used, former, str(tmp_path / "never made")]})
    found = web_files(images, domain("web", nvram=used), vm=vm)
    assert plan_of(vm, found, "owned") == ([used, former], {})
    assert not delete_of(vm, found).arguments["keep_state"]
    assert plan_of(vm, found, "none") == ([], dict.fromkeys((used, former), "delete_disks: none"))
    assert delete_of(vm, found, "none").arguments["keep_state"]


def test_nvram_that_is_not_in_mark_is_left_to_libvirt(images, tmp_path):
    used, former = nvram_files(tmp_path)
    vm = Vm("web", id=UUID, mark={"id": "another", "nvram": [former]})
    found = web_files(images, domain("web", nvram=used), vm=vm)
    assert plan_of(vm, found, "owned") == ([], {})
    assert set(found) == {used}


def test_nvram_of_another_vm_is_kept(images, tmp_path):
    used, former = nvram_files(tmp_path)
    vm = Vm("web", id=UUID, mark={**HERE, "id": UUID, "nvram": [used, former]})
    found = web_files(images, domain("web", nvram=used), domain("db", nvram=used), vm=vm)
    assert plan_of(vm, found, "owned") == ([former], {used: "used by db"})
    assert delete_of(vm, found).arguments["keep_state"]


@pytest.mark.parametrize("shares", [False, True])
def test_state_stays_with_a_disk_that_is_needed(images, tmp_path, monkeypatch, shares):
    """Of a VM whose TPM was removed, too. A disk of others, which stays anyway, keeps nothing."""
    (used, _former), own, others = nvram_files(tmp_path), str(tmp_path / "own.raw"), str(tmp_path / "others.raw")
    monkeypatch.setattr(own_files, "_TPM_STATES", (str(tmp_path),))
    (tmp_path / UUID).mkdir()
    vm = vm_of(own)
    definitions = [domain("web", disk(own), disk(others), nvram=used), *([domain("db", disk(own))] if shares else [])]
    deleted, kept = plan_of(vm, web_files(images, *definitions, vm=vm), "owned")
    why = f"belongs to {own}, which is kept"
    state = str(tmp_path / UUID)
    of_state = {used: why, state: f"{why}; delete it with: rm -r {state}"}
    assert deleted == ([] if shares else [own])
    assert kept == {others: NOT_CREATED_HERE, **({own: "used by db", **of_state} if shares else {})}


def test_nvram_of_another_host_is_left_to_libvirt(tmp_path):
    """A file of this host has the same path."""
    used, _former = nvram_files(tmp_path)
    vm = Vm("web", id=UUID)
    assert files_of(vm, [domain("web", nvram=used)], False) == ()
    assert delete_of(vm, {}, "none").arguments["keep_state"]


@pytest.mark.parametrize(
    ("drive", "place"),
    [
        (volume("v"), "p/v"),
        ("<disk type='block'><source dev='/dev/vg/lv'/><target dev='vda'/></disk>", "/dev/vg/lv"),
        ("<disk type='network'><source protocol='rbd' name='pool/i'/><target dev='vda'/></disk>", "rbd:pool/i"),
        ("<disk type='dir' device='floppy'><source dir='/d'/><target dev='fda'/></disk>", "/d"),
        ("<disk type='nvme'><source type='pci' namespace='1'/><target dev='vda'/></disk>", "nvme:vda"),
    ],
)
@pytest.mark.parametrize("delete_disks", ["owned", "all", "none"])
def test_disks_that_are_not_files_are_kept_and_reported(images, drive, place, delete_disks):
    vm = vm_of()
    kept = {place: "only files are deleted, no volumes, devices and network images"}
    assert plan_of(vm, web_files(images, domain("web", more=drive), vm=vm), delete_disks) == ([], kept)


@pytest.mark.parametrize("drive", ["<disk type='file' device='cdrom'><target dev='sda'/></disk>", ""])
def test_empty_drive_has_no_file(images, drive):
    assert web_files(images, domain("web", more=drive)) == {}


# The driver of a task -------------------------------------------------------------------------------------------------


def driver_with(folder, uri, running, stored):
    virsh = FakeVirsh(of_vms((running.text(), stored.text())))
    virsh.uri = uri
    return driver_of(virsh, folder)


@pytest.mark.parametrize(("uri", "is_deleted"), [("qemu:///system", True), ("qemu+ssh://other/system", False)])
def test_files_of_another_host_are_not_deleted(images, tmp_path, uri, is_deleted):
    now, later = chain(images, tmp_path, "now")[0], chain(images, tmp_path, "later")[0]
    gone = f"{tmp_path}/gone"
    driver = driver_with(tmp_path, uri, domain("web", disk(now)), domain("web", disk(later)))
    vm = vm_of(now, later, gone)
    found = driver._with_files(Observation(vms=[vm])).vms[0].files
    files, kept = plan_of(vm, {file.path: file for file in found})
    assert files == ([now, later] if is_deleted else [])
    assert kept == ({} if is_deleted else dict.fromkeys((now, later, gone), "used by another host"))
