# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue for one architecture: the media, and the values that differ."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs import catalogue

from unit.lookup.test_distribution import ENTRIES, EXPECTED, TODAY, names

#: {name: (console, mirror, first ISO image, kernel) for arm64}
FOR_ARM64 = {
    "debian-13": (
        "console=ttyAMA0,115200n8",
        "http://ftp.debian.org/debian",
        "https://cdimage.debian.org/debian-cd/current/arm64/iso-cd/debian-13.*-arm64-netinst.iso",
        "https://ftp.debian.org/debian/dists/trixie/main/installer-arm64/current/images/"
        "netboot/debian-installer/arm64/linux",
    ),
    "ubuntu-24.04": (
        "console=ttyAMA0,115200n8",
        "http://ports.ubuntu.com/ubuntu-ports",
        "https://cdimage.ubuntu.com/releases/24.04/release/ubuntu-24.04*-live-server-arm64.iso",
        None,
    ),
    "fedora-44": (
        "console=ttyAMA0,115200",
        "https://download.fedoraproject.org/pub/fedora/linux/releases/44/Everything/aarch64/os",
        "https://download.fedoraproject.org/pub/fedora/linux/releases/44/Server/aarch64/iso/"
        "Fedora-Server-dvd-aarch64-44-1.7.iso",
        "https://dl.fedoraproject.org/pub/fedora/linux/releases/44/Server/aarch64/os/images/pxeboot/vmlinuz",
    ),
    "rocky-10": (
        "console=ttyAMA0,115200",
        "https://dl.rockylinux.org/pub/rocky/10",
        "https://dl.rockylinux.org/pub/rocky/10/isos/aarch64/Rocky-10.*-aarch64-boot.iso",
        "https://dl.rockylinux.org/pub/rocky/10/BaseOS/aarch64/os/images/pxeboot/vmlinuz",
    ),
    "almalinux-9": (
        "console=ttyAMA0,115200",
        "https://repo.almalinux.org/almalinux/9",
        "https://repo.almalinux.org/almalinux/9/isos/aarch64/AlmaLinux-9.*-aarch64-boot.iso",
        "https://repo.almalinux.org/almalinux/9/BaseOS/aarch64/os/images/pxeboot/vmlinuz",
    ),
    "centos-stream-10": (
        "console=ttyAMA0,115200",
        "https://mirror.stream.centos.org/10-stream",
        "https://mirror.stream.centos.org/10-stream/BaseOS/aarch64/iso/CentOS-Stream-10-latest-aarch64-boot.iso",
        "https://mirror.stream.centos.org/10-stream/BaseOS/aarch64/os/images/pxeboot/vmlinuz",
    ),
    "alpine-3.23": (
        "console=ttyAMA0,115200",
        "https://dl-cdn.alpinelinux.org/alpine",
        "https://dl-cdn.alpinelinux.org/alpine/v3.23/releases/aarch64/alpine-virt-3.23.5-aarch64.iso",
        None,
    ),
}


def address(entry, kind):
    return next((f"{one['bases'][0]}/{one['file']}" for one in entry["media"] if one["type"] == kind), None)


@pytest.mark.parametrize("name", FOR_ARM64)
def test_installer_of_arm64(name):
    entry = catalogue.of_architecture(ENTRIES[name], "arm64")
    found = (entry["serial_console"], entry["package_mirror"], address(entry, "iso"), address(entry, "netboot"))
    assert (found, entry["architecture"]) == (FOR_ARM64[name], "arm64")
    assert "cpu" not in {**entry["minimum"], **entry["recommended"]}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_no_medium_of_one_architecture_is_named_as_the_other(name):
    words = {"amd64": ("arm64", "aarch64"), "arm64": ("amd64", "x86_64", "x86-64", "ttyS0")}
    for architecture, of_the_other in words.items():
        entry = catalogue.of_architecture(ENTRIES[name], architecture)
        shown = {key: value for key, value in entry.items() if key not in ("arm64", "level")}
        assert [word for word in of_the_other if word in json.dumps(shown, default=str)] == []


def test_images_of_arm64_have_uefi_only():
    images = [one for entry in ENTRIES.values() for one in entry["media"] if one["type"] == "cloud"]
    found = {tuple(one["image"]["firmware"]) for one in images if one["architecture"] == "arm64"}
    assert found == {("uefi",)}
    assert [
        one
        for entry in ENTRIES.values()
        for one in entry["media"]
        if one["type"] != "cloud" and "firmware" in one.get("image", {})
    ] == []


def test_media_of_amd64_are_the_first_of_their_type():
    for entry in ENTRIES.values():
        first = {medium["type"]: medium["architecture"] for medium in reversed(entry["media"])}
        assert set(first.values()) <= {"amd64"}, entry["name"]


def test_entries_of_an_architecture():
    assert names(architecture="amd64") == names()
    assert "arch" not in names(architecture="arm64")
    assert names(architecture="arm64", platform="vmd") == []
    (arch,) = catalogue.selected({"arch": ENTRIES["arch"]}, TODAY, hidden=True, architecture="arm64")
    assert (arch["media"], arch["platforms"], arch["architecture"]) == ([], [], "arm64")
    assert catalogue.as_result(ENTRIES["debian-13"], TODAY)["architecture"] is None
