# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which medium a VM gets, what is done with it after the download, and what is said if none fits."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._media.choose import (
    DECOMPRESSORS,
    QEMU_IMG,
    Converter,
    Needs,
    name_of,
    resolve,
)

LIBVIRT = Needs("libvirt", "amd64", ("qcow2", "raw"), decompressors=DECOMPRESSORS)
VBOX = Needs(
    "virtualbox", "amd64", ("vdi",), converters=(Converter("VBoxManage", ("qcow2", "vhd"), ("vdi",)), QEMU_IMG)
)
VMD = Needs("vmd", "amd64", ("raw",), firmware="bios", target="qcow2", decompressors=("gz",), serial_console=True)
HYPERV = Needs("hyperv", "amd64", ("vhdx",), converters=(QEMU_IMG,), decompressors=DECOMPRESSORS)
VAGRANT = Needs("vagrant", "amd64", ("box",), kind="box", provider="virtualbox")
WSL = Needs("wsl", "amd64", ("online", "wsl"), kind="wsl", alternative="Set the path of an archive.")


def cloud(file, image_format="qcow2", architecture="amd64", **image):
    image = {"format": image_format, "firmware": ["bios", "uefi"], "serial_console": True, **image}
    return {"type": "cloud", "file": file, "architecture": architecture, "image": image}


ISO = {"type": "iso", "file": "x.iso", "architecture": "amd64"}
QCOW2, RAW, VHD = cloud("x.qcow2"), cloud("x.raw", "raw"), cloud("x.vhd", "vhd")
ARM = cloud("arm.qcow2", architecture="arm64", firmware=["uefi"])
RAW_XZ = cloud("x.raw.xz", "raw", compression="xz")
RAW_TAR = cloud("x.tar.xz", "raw", compression="tar.xz", member="disk.raw")
SMALL = cloud("small.qcow2", missing_drivers=["e1000", "lsi"])
BIOS, UEFI = cloud("bios.qcow2", firmware=["bios"]), cloud("uefi.qcow2", firmware=["uefi"])
AZURE, JEOS = cloud("azure.vhd", "vhd", cloud_init="azure"), cloud("jeos.vhdx", "vhdx", cloud_init="none")
NEW_CPU = cloud("v3.qcow2", cpu="x86-64-v3")
SILENT = cloud("silent.raw", "raw", serial_console=False)
BOX = {"type": "box", "architecture": "amd64", "image": {"format": "box", "box": "x/64", "providers": ["libvirt"]}}
BOTH = {**BOX, "image": {**BOX["image"], "box": "y/64", "providers": ["libvirt", "virtualbox"]}}
ONLINE = {"type": "wsl", "architecture": "amd64", "image": {"format": "online", "online_name": "X-13"}}
ARCHIVE = {"type": "wsl", "architecture": "amd64", "file": "x.wsl", "image": {"format": "wsl"}}


def chosen(media, needs):
    choice = resolve(media, needs, "web1: image: x")
    assert any(choice.medium is medium for medium in media)
    return name_of(choice.medium), [f"{step.verb} {step.what} by {step.tool}" for step in choice.chain], choice.format


@pytest.mark.parametrize(
    ("media", "needs", "medium", "chain", "format_of_result"),
    [
        ([QCOW2], LIBVIRT, "x.qcow2", [], "qcow2"),
        ([ISO, ARM, RAW, QCOW2], LIBVIRT, "x.qcow2", [], "qcow2"),
        ([VHD, RAW], LIBVIRT, "x.raw", [], "raw"),
        ([VHD, RAW], replace(LIBVIRT, converters=(QEMU_IMG,)), "x.raw", [], "raw"),
        ([VHD], replace(LIBVIRT, converters=(QEMU_IMG,)), "x.vhd", ["convert qcow2 by qemu-img"], "qcow2"),
        ([cloud("1.qcow2"), cloud("2.qcow2")], LIBVIRT, "1.qcow2", [], "qcow2"),
        ([RAW_XZ], LIBVIRT, "x.raw.xz", ["decompress xz by xz"], "raw"),
        ([RAW_TAR], LIBVIRT, "x.tar.xz", ["decompress xz by xz", "extract disk.raw by tar"], "raw"),
        ([RAW_TAR, RAW], replace(LIBVIRT, decompressors=("tar",)), "x.raw", [], "raw"),
        ([ARM, QCOW2], replace(LIBVIRT, architecture="arm64"), "arm.qcow2", [], "qcow2"),
        ([SMALL, QCOW2], replace(LIBVIRT, devices=("virtio",)), "small.qcow2", [], "qcow2"),
        ([SMALL, QCOW2], replace(LIBVIRT, devices=("e1000",)), "x.qcow2", [], "qcow2"),
        ([BIOS, UEFI], LIBVIRT, "bios.qcow2", [], "qcow2"),
        ([BIOS, UEFI], replace(LIBVIRT, firmware="uefi"), "uefi.qcow2", [], "qcow2"),
        ([UEFI, BIOS], replace(LIBVIRT, firmware="bios"), "bios.qcow2", [], "qcow2"),
        ([cloud("any", firmware=None)], replace(LIBVIRT, firmware="uefi"), "any", [], "qcow2"),
        ([NEW_CPU], LIBVIRT, "v3.qcow2", [], "qcow2"),
        ([NEW_CPU], replace(LIBVIRT, cpu="x86-64-v3"), "v3.qcow2", [], "qcow2"),
        ([NEW_CPU], replace(LIBVIRT, cpu="x86-64-v4"), "v3.qcow2", [], "qcow2"),
        ([NEW_CPU, QCOW2], replace(LIBVIRT, cpu="x86-64-v2"), "x.qcow2", [], "qcow2"),
        ([QCOW2], VBOX, "x.qcow2", ["convert vdi by VBoxManage"], "vdi"),
        ([RAW], VBOX, "x.raw", ["convert vdi by qemu-img"], "vdi"),
        ([QCOW2, RAW], VMD, "x.raw", [], "raw"),
        ([QCOW2], replace(VMD, converters=(QEMU_IMG,)), "x.qcow2", ["convert qcow2 by qemu-img"], "qcow2"),
        ([SILENT, RAW], VMD, "x.raw", [], "raw"),
        ([JEOS, AZURE, QCOW2], HYPERV, "x.qcow2", ["convert vhdx by qemu-img"], "vhdx"),
        ([RAW_XZ], HYPERV, "x.raw.xz", ["decompress xz by xz", "convert vhdx by qemu-img"], "vhdx"),
        ([BOX, BOTH], VAGRANT, "y/64", [], "box"),
        ([BOX, BOTH], replace(VAGRANT, provider="libvirt"), "x/64", [], "box"),
        ([BOX], replace(VAGRANT, provider=None), "x/64", [], "box"),
        ([ARCHIVE, ONLINE], WSL, "X-13", [], "online"),
        ([ARCHIVE, ONLINE], replace(WSL, formats=("wsl",)), "x.wsl", [], "wsl"),
    ],
)
def test_medium_and_its_conversion(media, needs, medium, chain, format_of_result):
    assert chosen(media, needs) == (medium, chain, format_of_result)


def test_medium_without_an_architecture_is_for_amd64():
    medium = {key: value for key, value in QCOW2.items() if key != "architecture"}
    assert chosen([medium], LIBVIRT)[0] == "x.qcow2"
    with pytest.raises(Refused, match=r"is known for arm64\. It is published for amd64"):
        chosen([medium], replace(LIBVIRT, architecture="arm64"))


@pytest.mark.parametrize(
    ("media", "needs", "message"),
    [
        (
            [ISO],
            LIBVIRT,
            "no cloud image of it is known for libvirt. Install it with the role polyvirt.core.unattended_install, or "
            "set the path or address of an image.",
        ),
        (
            [{**ISO, "installer": "windows"}],
            LIBVIRT,
            "no cloud image of it is known for libvirt. "
            "Use the playbook polyvirt.core.windows with the ISO image of the vendor.",
        ),
        (
            [ISO],
            replace(LIBVIRT, architecture="arm64"),
            "no cloud image of it is known for libvirt. Set the path or the address of an image.",
        ),
        ([BOX], LIBVIRT, "no cloud image of it is known for libvirt. Set the path or the address of an image."),
        ([QCOW2], WSL, "no distribution for WSL of it is known for wsl. Set the path of an archive."),
        ([QCOW2], VAGRANT, "no box of it is known for vagrant. Set the path or the address of an image."),
        (
            [QCOW2, {**QCOW2, "architecture": "s390x"}],
            replace(LIBVIRT, architecture="arm64"),
            "no cloud image of it is known for arm64. It is published for amd64, s390x.",
        ),
        (
            [BIOS],
            replace(LIBVIRT, firmware="uefi"),
            "bios.qcow2: it does not boot with firmware uefi. Set firmware: bios, or use another image.",
        ),
        (
            [SMALL],
            replace(LIBVIRT, devices=("e1000", "virtio", "lsi")),
            "small.qcow2: it has no driver for e1000, lsi. Set another model, such as virtio.",
        ),
        (
            [NEW_CPU],
            replace(LIBVIRT, cpu="x86-64-v2"),
            "v3.qcow2: it needs a CPU of level x86-64-v3, but the VM has x86-64-v2. Use another host or CPU model, or "
            "an older release.",
        ),
        (
            [SILENT],
            VMD,
            "silent.raw: it has no serial console, which is the only one on vmd. Set the path or the address of "
            "another image.",
        ),
        (
            [QCOW2],
            VMD,
            "x.qcow2: its format qcow2 cannot be read on vmd. Install qemu-img (package qemu-utils on Debian and "
            "Ubuntu, qemu on OpenBSD, qemu-img elsewhere).",
        ),
        (
            [RAW_TAR],
            VMD,
            "x.tar.xz: it is compressed (tar.xz). Install xz (package xz-utils on Debian "
            "and Ubuntu, xz elsewhere). Install tar (package tar).",
        ),
        (
            [AZURE],
            HYPERV,
            "azure.vhd: its cloud-init reads only the data of Microsoft Azure. Set the path or the address of another "
            "image.",
        ),
        (
            [JEOS],
            HYPERV,
            "jeos.vhdx: it contains no cloud-init, and waits for a person at its first start. Set the path or the "
            "address of another image.",
        ),
        ([BOX], VAGRANT, "x/64: it is not for the provider virtualbox. Use the provider libvirt, or set box."),
        (
            [ONLINE],
            replace(WSL, formats=("wsl",)),
            "X-13: its format online cannot be read on wsl. Set the path of an archive.",
        ),
        (
            [cloud("two", "raw", firmware=["uefi"], serial_console=False), cloud("one", "raw", firmware=["uefi"])],
            VMD,
            "one: it does not boot with firmware bios. Set firmware: uefi, or use another image.",
        ),
    ],
)
def test_what_does_not_fit_is_rejected_with_what_does(media, needs, message):
    with pytest.raises(Refused) as raised:
        chosen(media, needs)
    assert str(raised.value) == f"web1: image: x: {message}"


def test_no_media_at_all():
    with pytest.raises(Refused, match="no cloud image of it is known for libvirt"):
        resolve([], LIBVIRT, "web1: image: x")
