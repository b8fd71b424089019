# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's driver finds out about files, with real images: each fact that leads to a refusal, and the limits."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import (
    CommandFailed,
    Held,
    NotFound,
    Refused,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    RUNNING,
    STOPPED,
    SUSPENDED,
    Change,
    Plan,
    Snapshot,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import making_mark
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.file_checks import check_files
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.needed import VirshFiles
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.virsh.answers import (
    POOLS,
    UUID,
    FakeVirsh,
    chain,
    driver_of,
    failed,
    machine_xml,
    of_vms,
    opened_elsewhere,
)

MIB = 1 << 20


def check(folder, image=None, disk=None, **config):
    """Check the creation of a VM with a first disk."""
    creation = {} if image is None else {"image": image}
    arguments = {"config": {"disks": {"vda": disk or {}}, **config}, "creation": creation}
    driver = driver_of(FakeVirsh(of_vms()), folder)
    driver.hypervisor = "TEST"  # With QEMU, the result would depend on the CPU of the test host.
    driver.preflight(Plan(Vm.absent("web"), Vm("web"), segments=((Step("create", arguments=arguments),),)))


def check_image(folder, source, disk=None, **image):
    check(folder, {"source": str(source), **image}, disk)


def creation(name, source, **image):
    arguments = {"config": {"disks": {"vda": {}}}, "creation": {"image": {"source": str(source), **image}}}
    return Plan(Vm.absent(name), Vm(name), segments=((Step("create", arguments=arguments),),))


@pytest.mark.parametrize("linked", [True, False])
def test_image_of_several_vms_is_read_once_unless_it_changes(images, tmp_path, monkeypatch, linked):
    (base,) = chain(images, tmp_path, "base")
    subprocess.run(["qemu-io", "-c", "write -P 1 0 512k", base], check=True, stdout=subprocess.DEVNULL)
    driver = driver_of(FakeVirsh(of_vms()), tmp_path)
    driver.hypervisor, started, run = "TEST", [], Commands.run
    monkeypatch.setattr(Commands, "run", lambda *words, **more: (started.append(words[1][1]), run(*words, **more))[1])
    for number in range(3):
        driver.preflight(creation(f"web{number}", base, linked=linked))
    assert sorted(started) == ["check", "info", *([] if linked else ["measure"])]
    os.truncate(base, os.path.getsize(base) // 2)
    with pytest.raises(Refused, match=r"web9: image\.source: .*base is damaged or incomplete: \S+"):
        driver.preflight(creation("web9", base, linked=linked))


def test_unsuitable_images_are_rejected(images, tmp_path):
    (base,) = chain(images, tmp_path, "base")
    (tmp_path / "text").write_text("no image", encoding="utf-8")
    (tmp_path / "empty").touch()
    for error, text, image, disk in [
        (NotFound, "web: image.source: /no/such does not exist on the host", {"source": "/no/such"}, {}),
        (Refused, f"web: image.source: {tmp_path} is not a file", {"source": str(tmp_path)}, {}),
        (Refused, "text is not a disk image", {"source": str(tmp_path / "text")}, {"format": "raw"}),
        (Refused, "empty is empty (0 bytes)", {"source": str(tmp_path / "empty")}, {}),
        (Refused, "web: disks.vda.size: 512K is smaller than the image", {"source": base}, {"size": MIB // 2}),
        (Refused, "always has the format qcow2, not raw", {"source": base, "linked": True}, {"format": "raw"}),
        (Refused, "disks.vda.source: " + str(tmp_path / "empty"), None, {"source": str(tmp_path / "empty")}),
        (Refused, "base is not a disk image: qemu-img", None, {"source": base, "format": "vmdk"}),
    ]:
        with pytest.raises(error) as caught:
            check(tmp_path, image, disk)
        assert text in str(caught.value)
        assert caught.value.remedy


def test_file_is_a_raw_disk_only_if_the_task_says_so(tmp_path):
    path = tmp_path / "odd"
    path.write_bytes(b"x" * 513)
    with pytest.raises(Refused, match=r"disks\.vda\.source: .*odd is not a disk image"):
        check(tmp_path, disk={"source": str(path)})
    check(tmp_path, disk={"source": str(path), "format": "raw"})


@pytest.mark.parametrize(("word", "is_iso"), [(b"CD001", True), (b"BEA01", True), (b"CD002", False)])
def test_iso_is_recognized_by_volume_descriptor(tmp_path, word, is_iso):
    path = tmp_path / "a.iso"
    path.write_bytes(b"\0" * 32769 + word)
    if is_iso:
        check(tmp_path, disk={"size": MIB}, iso=str(path))
    else:
        with pytest.raises(Refused, match=r"web: iso: .* is not an ISO image"):
            check(tmp_path, disk={"size": MIB}, iso=str(path))


def test_serial_log_of_new_vm_does_not_exist_yet(tmp_path):
    """The daemon virtlogd runs as root and empties any file at each start."""
    log = tmp_path / "log"
    log.write_text("root:x:0:0::/root:/bin/sh\n", encoding="utf-8")
    check(tmp_path, disk={"size": MIB}, serial_log=str(tmp_path / "new"))
    for path in (log, tmp_path, "/etc/passwd"):
        with pytest.raises(Refused, match=f"web: serial_log: {path} already exists"):
            check(tmp_path, disk={"size": MIB}, serial_log=str(path))
    with pytest.raises(NotFound, match=r"web: serial_log: the directory .*/none does not exist"):
        check(tmp_path, disk={"size": MIB}, serial_log=str(tmp_path / "none" / "log"))


def check_change(folder, text, mark, option, new):
    """Check a change of the VM m1, whose definition is ``text``."""
    driver = driver_of(FakeVirsh(of_vms(text)), folder)
    driver.hypervisor = "TEST"
    vm = Vm("m1", id=UUID, mark=mark, config={"firmware": "bios"})
    after = vm.having(config={"firmware": "uefi", "secure_boot": False, "nvram_format": "raw"})
    step = Step("configure", changes=(Change(option, "", new),))
    check_files(VirshFiles(driver, Plan(vm, after, segments=((step,),))), driver.space)


LOG = ("</devices>", "<serial type='pty'><log file='{path}'/></serial></devices>")
NVRAM = ("<os>", "<os><nvram>{path}</nvram>")
#: Options whose file libvirt writes, with the definition that names it, and the key of the mark that does.
WRITTEN = {"serial_log": (LOG, "files", "any.log"), "firmware": (NVRAM, "nvram", "m1.nvram")}


@pytest.mark.parametrize("option", WRITTEN)
def test_file_that_libvirt_writes_is_one_that_the_vm_has_already(tmp_path, option):
    (old, named), key, name = WRITTEN[option]
    path = tmp_path / name
    path.write_text("data of somebody", encoding="utf-8")
    new = str(path) if option == "serial_log" else "uefi"
    for mark in (None, {"id": UUID, "disks": [str(path)]}, {"id": "another", key: [str(path)]}):
        with pytest.raises(Refused, match=f"m1: {option}: {path} already exists"):
            check_change(tmp_path, machine_xml(), mark, option, new)
    check_change(tmp_path, machine_xml(), {"id": UUID, key: [str(path)]}, option, new)
    check_change(tmp_path, machine_xml((old, named.format(path=path))), None, option, new)


@pytest.mark.parametrize(("is_attached", "is_recorded"), [(True, True), (False, True), (True, False), (False, False)])
def test_new_disk_of_existing_vm_may_be_attached_already(tmp_path, is_attached, is_recorded):
    """Only if the mark has named the file; a file with other data that is not attached is nobody's leftover."""
    path = tmp_path / "m1-vdb.qcow2"
    path.write_bytes(b"data of a guest" * 512)
    text = machine_xml(("/var/lib/libvirt/images/m1.qcow2", str(path))) if is_attached else machine_xml()
    mark = making_mark({"id": UUID}, [str(path)] if is_recorded else [], {str(path): files.identity(path)})
    driver, vm = driver_of(FakeVirsh(of_vms(text)), tmp_path), Vm("m1", id=UUID, mark=mark)
    step = Step("configure", changes=(Change("disks", None, {"size": MIB}, key="vdb"),))
    plan = Plan(vm, vm, segments=((step,),))
    if is_attached and is_recorded:
        driver.preflight(plan)
        return
    # It was not attached when the VM was observed.
    text = "m1: another task is changing this VM" if is_attached else r"m1: disks\.vdb: .*m1-vdb\.qcow2 already exists"
    with pytest.raises((Held, Refused), match=text):
        driver.preflight(plan)


@pytest.mark.parametrize("is_removed", [True, False])
def test_file_of_a_new_disk_that_is_no_image_is_not_a_raw_error(tmp_path, monkeypatch, is_removed):
    """Another task may remove its unfinished file, or it is not complete."""
    path = tmp_path / "m1-vdb.qcow2"
    path.write_bytes(b"begun")

    def info(_image, path, *_more, **_named):
        if is_removed:
            Path(path).unlink()
        raise CommandFailed(["qemu-img", "info"], 1, f"Could not open '{path}'")

    monkeypatch.setattr(QemuImg, "info", info)
    driver, vm = driver_of(FakeVirsh(of_vms(machine_xml())), tmp_path), Vm("m1", id=UUID, mark={"id": UUID})
    vm = vm.having(mark=making_mark(vm.mark, [str(path)], {str(path): files.identity(path)}))
    step = Step("configure", changes=(Change("disks", None, {"size": MIB}, key="vdb"),))
    plan = Plan(vm, vm, segments=((step,),))
    if is_removed:
        driver.preflight(plan)
        return
    with pytest.raises(Refused, match=r"m1-vdb\.qcow2 already exists"):
        driver.preflight(plan)


# Locks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_on", [True, False], ids=["runs", "is off"])
@pytest.mark.parametrize("is_local", [True, False], ids=["local", "remote"])
def test_locked_file_is_in_use_unless_a_vm_of_this_connection_runs_with_it(disk, tmp_path, is_on, is_local):
    text = machine_xml(("/var/lib/libvirt/images/m1.qcow2", disk))
    running = text.replace("<domain ", "<domain id='1' ", 1) if is_on else text
    virsh = FakeVirsh(of_vms((running, text)))
    virsh.uri = "qemu:///system" if is_local else "qemu+ssh://host/system"
    vm = Vm("m1", id=UUID)
    facts = VirshFiles(driver_of(virsh, tmp_path), Plan(vm, vm))
    assert not facts.in_use(disk)
    with opened_elsewhere(disk):
        assert facts.in_use(disk) is (is_local and not is_on)


@pytest.mark.parametrize(("power", "is_rejected"), [(STOPPED, True), (SUSPENDED, True), (RUNNING, False)])
def test_internal_snapshot_is_not_deleted_from_an_image_that_is_open_elsewhere(disk, tmp_path, power, is_rejected):
    """libvirt itself changes the image, unless QEMU runs with it: a suspended VM has no QEMU either."""
    text = machine_xml(("/var/lib/libvirt/images/m1.qcow2", disk))
    config = {"disks": {"vda": {"source": disk}}}
    vm = Vm("m1", id=UUID, power=power, config=config, snapshots=(Snapshot("s", kind="internal"),))
    plan = Plan(vm, vm, segments=((Step("drop_snapshot", arguments={"names": ("s",), "ids": ("s",)}),),))
    driver = driver_of(FakeVirsh(of_vms(text)), tmp_path)
    driver.preflight(plan)
    with opened_elsewhere(disk):
        if not is_rejected:
            driver.preflight(plan)
            return
        with pytest.raises(Refused, match=f"{disk} is open in another program, so it cannot be changed"):
            driver.preflight(plan)


def _pools(path):
    xml = f"<pool type='fs'><name>big</name><target><path>{path}</path></target></pool>"
    return FakeVirsh({POOLS: "big\n", ("pool-dumpxml", "big"): xml})


@pytest.mark.parametrize(("place", "is_rejected"), [("", True), ("vms", True), ("vms/more", False), ("vm", False)])
def test_new_file_is_not_created_below_a_mount_point(tmp_path, place, is_rejected):
    (tmp_path / "vms").mkdir()
    driver = driver_of(_pools(tmp_path / place), tmp_path)
    facts = VirshFiles(driver, Plan(Vm.absent("web"), Vm.absent("web")))
    new = [("disks.vda", str(tmp_path / "vms" / "web-vda.qcow2"))]
    if is_rejected:
        with pytest.raises(Refused, match="below the mount point of the pool big") as caught:
            facts._check_mounted(new)
        assert "virsh pool-start big" in caught.value.remedy
    facts = VirshFiles(driver_of(_pools("/"), tmp_path), facts.plan)
    facts._check_mounted(new)  # Something is mounted there.


def test_pools_that_are_not_known_are_a_warning(tmp_path):
    driver = driver_of(FakeVirsh({POOLS: failed("no connection to virtstoraged")}), tmp_path)
    VirshFiles(driver, Plan(Vm.absent("web"), Vm.absent("web")))._check_mounted([("disks.vda", "/vms/web.qcow2")])
    assert "no connection to virtstoraged" in driver.warnings[0]
