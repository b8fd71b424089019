# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's driver finds out about files, with real images: each fact that leads to a refusal, and the limits."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.checks import check_plan
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, chain, driver_of, machine_xml

MIB = 1 << 20


@pytest.fixture(name="images")
def _images():
    return QemuImg(Commands())


def check(folder, image=None, disk=None, **config):
    """Check the creation of a VM with a first disk."""
    creation = {} if image is None else {"image": image}
    arguments = {"config": {"disks": {"vda": disk or {}}, **config}, "creation": creation}
    driver = driver_of(FakeVirsh({("list", "--all", "--uuid", "--name"): ""}), folder)
    driver.hypervisor = "TEST"  # With QEMU, the result would depend on the CPU of the test host.
    check_plan(driver, Plan(Vm.absent("web"), Vm("web"), segments=((Step("create", arguments=arguments),),)))


def check_image(folder, source, disk=None, **image):
    check(folder, {"source": str(source), **image}, disk)


def test_truncated_image_is_rejected(images, tmp_path):
    (base,) = chain(images, tmp_path, "base")
    subprocess.run(["qemu-io", "-c", "write -P 1 0 512k", base], check=True, stdout=subprocess.DEVNULL)
    check_image(tmp_path, base)
    os.truncate(base, os.path.getsize(base) // 2)
    with pytest.raises(Refused, match=r"web: image\.source: .*base is damaged or incomplete: \S+"):
        check_image(tmp_path, base)


def test_image_format_that_qemu_img_cannot_check_is_accepted(images, tmp_path):
    images.create(str(tmp_path / "a.vpc"), "vpc", MIB)
    (tmp_path / "a.raw").write_bytes(bytes(MIB))
    for name in ("a.vpc", "a.raw"):
        check_image(tmp_path, tmp_path / name)


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


def test_serial_log_is_a_text_file_or_none(tmp_path):
    """The daemon virtlogd runs as root and would truncate any file."""
    log, image = tmp_path / "log", tmp_path / "image"
    log.write_text("booting", encoding="utf-8")
    image.write_bytes(bytes(512))
    for path in (log, tmp_path / "new"):
        check(tmp_path, disk={"size": MIB}, serial_log=str(path))
    for path in (image, tmp_path):
        with pytest.raises(Refused, match=f"web: serial_log: {path} already exists"):
            check(tmp_path, disk={"size": MIB}, serial_log=str(path))
    with pytest.raises(NotFound, match=r"web: serial_log: the directory .*/none does not exist"):
        check(tmp_path, disk={"size": MIB}, serial_log=str(tmp_path / "none" / "log"))


@pytest.mark.parametrize("is_attached", [True, False])
def test_new_disk_of_existing_vm_may_be_attached_already(tmp_path, is_attached):
    path = tmp_path / "m1-vdb.qcow2"
    path.write_bytes(b"data of a guest" * 512)
    text = machine_xml(("/var/lib/libvirt/images/m1.qcow2", str(path))) if is_attached else machine_xml()
    answers = {("dumpxml", UUID): text, ("dumpxml", UUID, "--inactive"): text}
    listed = {("list", "--all", "--uuid", "--name"): f"{UUID} m1\n"}
    driver, vm = driver_of(FakeVirsh({**listed, **answers}), tmp_path), Vm("m1", id=UUID)
    step = Step("configure", changes=(Change("disks", None, {"size": MIB}, key="vdb"),))
    plan = Plan(vm, vm, segments=((step,),))
    if is_attached:
        check_plan(driver, plan)
        return
    with pytest.raises(Refused, match=r"m1: disks\.vdb: .*m1-vdb\.qcow2 already exists"):
        check_plan(driver, plan)
