# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of appliances, their manifests and disks, and what a task has to decide."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import (
    CommandFailed,
    NotFound,
    Refused,
    Timeout,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.appliances import APPLIANCES as OF_PROXMOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import APPLIANCES
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.disk import most_bytes, unpacked
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.lookup import resolved

from suite import appliance_files as made
from suite.appliance_files import PROPERTIES
from unit.module_utils._media.appliance_tasks import VMDK, M, appliance_of, ova, request


def test_disk_is_a_part_of_the_archive(tmp_path):
    found, appliance = appliance_of(ova(tmp_path))
    (image,) = appliance["disks"].values()
    offset, size = image["part"]
    assert Path(image["source"]).read_bytes()[offset : offset + len(VMDK)] == VMDK
    assert (size % 512, image["format"], image["size"]) == (0, "vmdk", 16 * M)
    assert found.config == {
        **{"cpus": 1, "memory": 64 * M, "firmware": "bios", "display": {"type": "vnc"}},
        "networks": {"0": {"model": "e1000", "type": "nat"}},
    }
    assert appliance["slots"] == {"sata0": {}}


def test_options_of_the_task_win(tmp_path):
    config = {"cpus": 8, "networks": {"0": {"type": "user"}}, "display": {"type": "spice"}}
    found, _appliance_of = appliance_of(ova(tmp_path), config, networks={})
    assert {name: found.config[name] for name in config} == config


def test_disks_next_to_their_descriptor(tmp_path):
    (tmp_path / "vm.ovf").write_text(made.one_disk(made.nic()))
    (tmp_path / "disk1.vmdk").write_bytes(VMDK)
    _found, appliance = appliance_of(tmp_path / "vm.ovf")
    (image,) = appliance["disks"].values()
    assert (image["source"], image["part"]) == (str(tmp_path / "disk1.vmdk"), None)


QCOW2 = b"QFI\xfb\0\0\0\3" + (104).to_bytes(8, "big") + (8).to_bytes(4, "big") + b"\0" * 4 + (M).to_bytes(8, "big")
TEXT = b"""# Disk DescriptorFile
version=1
CID=1
parentCID=ffffffff
createType="monolithicFlat"
RW 4 FLAT "/etc/passwd" 0
"""
BAD_DISKS = {
    "text that names other files": TEXT,
    "sparse without a capacity": b"KDMV" + b"\0" * 2000,
    "qcow2 with a backing file": QCOW2 + b"\0" * 80 + b"/etc/shadow" + b"\0" * 500,
    "snapshot": VMDK[:512] + b"# Disk DescriptorFile\nCID=1\nparentCID=12345678\n" + b"\0" * 1000,
    "no disk": b"root:x:0:0:" * 100,
    "empty": b"",
}


@pytest.mark.parametrize("is_archive", [True, False], ids=["archive", "directory"])
@pytest.mark.parametrize("name", BAD_DISKS)
def test_disk_that_is_none_or_names_other_files_is_rejected(tmp_path, name, is_archive):
    source = ova(tmp_path, disks={"disk1.vmdk": BAD_DISKS[name]})
    if not is_archive:
        source = tmp_path / "vm.ovf"
        source.write_text(made.one_disk(made.nic()))
        (tmp_path / "disk1.vmdk").write_bytes(BAD_DISKS[name])
    with pytest.raises(Refused, match=r"contains disk1\.vmdk"):
        appliance_of(source)


@pytest.mark.parametrize(
    "href",
    ["../../etc/passwd", "/etc/passwd", "http://example.com/x.vmdk", "a/../../x", "..\\x", "%2e%2e/%2e%2e/etc/passwd"],
)
@pytest.mark.parametrize("is_archive", [True, False], ids=["archive", "directory"])
def test_path_outside_is_rejected(tmp_path, href, is_archive):
    text = made.one_disk(made.nic(), file=href)
    source = ova(tmp_path, text)
    if not is_archive:
        source = tmp_path / "vm.ovf"
        source.write_text(text)
    with pytest.raises(Refused, match="outside of the appliance"):
        appliance_of(source)


def test_link_that_leads_outside_is_rejected(tmp_path):
    folder = tmp_path / "appliance"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(VMDK)
    (folder / "disk1.vmdk").symlink_to(tmp_path / "secret")
    (folder / "vm.ovf").write_text(made.one_disk(made.nic()))
    with pytest.raises(Refused, match="is a link"):
        appliance_of(folder / "vm.ovf")


PACKED = made.one_disk(made.nic(), attributes='ovf:compression="gzip"')


def _pieces(content, size):
    return {f"disk1.vmdk.{at // size:09}": content[at : at + size] for at in range(0, len(content), size)}


def _divided(folder, pieces, size=1000, more=""):
    text = made.one_disk(made.nic(), attributes=f'ovf:chunkSize="{size}" {more}')
    return ova(folder, text, pieces)


def test_compressed_disk_is_unpacked_for_its_copy(tmp_path):
    _found, appliance = appliance_of(ova(tmp_path, PACKED, {"disk1.vmdk": gzip.compress(VMDK)}))
    (image,) = appliance["disks"].values()
    assert (image["part"], image["format"], image["size"], image["unpacked"]) == (None, "vmdk", 16 * M, len(VMDK))
    with unpacked(image, str(tmp_path / "disk.qcow2")) as found:
        assert Path(found["source"]).read_bytes() == VMDK
        assert not found["packed"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.ova"]


def test_pieces_of_a_disk_are_put_together(tmp_path):
    _found, appliance = appliance_of(_divided(tmp_path, _pieces(VMDK, 1000), more=f'ovf:size="{len(VMDK)}"'))
    (image,) = appliance["disks"].values()
    with unpacked(image, str(tmp_path / "disk.qcow2")) as found:
        assert Path(found["source"]).read_bytes() == VMDK


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_gap_between_pieces_is_an_error(tmp_path, missing):
    pieces = _pieces(VMDK, 1000)
    del pieces[f"disk1.vmdk.{missing:09}"]
    with pytest.raises(Refused, match="lacks a piece"):
        appliance_of(_divided(tmp_path, pieces, more=f'ovf:size="{len(VMDK)}"'))


def test_changed_piece_differs_from_the_manifest(tmp_path):
    source = _divided(tmp_path, _pieces(VMDK, 1000))
    content = Path(source).read_bytes()
    at = content.index(VMDK[:100]) + 900
    Path(source).write_bytes(content[:at] + b"x" + content[at + 1 :])
    with pytest.raises(Refused, match=r"disk1\.vmdk\.000000000 differs"):
        appliance_of(source)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gzip.compress(VMDK)[:-20], "incomplete"),
        (VMDK, "damaged compressed disk"),
        (gzip.compress(VMDK + bytes(200 * M)), "unpacks to more than its size"),
        (gzip.compress(b"KDMV" + bytes(2000)), "names another file"),
    ],
    ids=["cut", "not compressed", "bomb", "names files"],
)
def test_hostile_compressed_disk_is_rejected(tmp_path, content, expected):
    with pytest.raises(Refused, match=expected):
        appliance_of(ova(tmp_path, PACKED, {"disk1.vmdk": content}))


def test_other_compression_is_rejected(tmp_path):
    with pytest.raises(Refused, match="compressed with bzip2"):
        appliance_of(ova(tmp_path, PACKED.replace("gzip", "bzip2")))


def test_missing_appliance_is_rejected(tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        appliance_of(tmp_path / "x.ova")


# What the task decides ------------------------------------------------------------------------------------------------


def test_appliance_in_a_directory_of_others_needs_a_permission(tmp_path):
    path = ova(tmp_path)
    tmp_path.chmod(0o1777)
    with pytest.raises(Refused, match=r"appliance\.source: other users can write to .*, so they could exchange files"):
        appliance_of(path)
    assert appliance_of(path, allow_shared_directory=True)
    tmp_path.chmod(0o755)
    assert appliance_of(path)


def test_unmapped_network_is_rejected(tmp_path):
    with pytest.raises(Refused, match="'VM Network' of the appliance is not mapped"):
        appliance_of(ova(tmp_path), networks={})
    with pytest.raises(Refused, match="no network 'LAN'"):
        appliance_of(ova(tmp_path), networks={"VM Network": {"type": "nat"}, "LAN": {"type": "nat"}})


def test_networks_of_the_vm_and_of_the_appliance_exclude_each_other(tmp_path):
    config = {"networks": {"0": {"type": "user"}}}
    for asked in ({"VM Network": {"type": "nat"}}, {"LAN": None}):
        with pytest.raises(Refused, match=r"appliance\.networks: it cannot be set together with networks"):
            appliance_of(ova(tmp_path), config, networks=asked)


def test_license_is_in_the_rejection(tmp_path):
    license_of = "<EulaSection><Info/><License>Pay 5 EUR</License></EulaSection>"
    source = ova(tmp_path, made.one_disk(made.nic(), sections=license_of))
    with pytest.raises(Refused, match="Pay 5 EUR") as error:
        appliance_of(source)
    assert "accept_eula: true" in error.value.remedy
    assert appliance_of(source, accept_eula=True)


def test_boot_disk_is_the_first_one(tmp_path):
    body = made.hardware(made.sata(("d1", 0), ("d2", 1)))
    text = made.envelope(body, [("f1", "a.vmdk", ""), ("f2", "b.vmdk", "")], [("d1", "f1", 1), ("d2", "f2", 1)])
    source = ova(tmp_path, text, {"a.vmdk": VMDK, "b.vmdk": VMDK + b"\0" * 512})
    usual, chosen = (appliance_of(source, networks={}, boot_disk=one)[1]["disks"] for one in (None, "b.vmdk"))
    assert [one["part"][1] for one in chosen.values()] == [one["part"][1] for one in usual.values()][::-1]
    assert list(chosen) == ["sata0", "sata1"]
    with pytest.raises(Refused, match=r"no disk 'c\.vmdk'"):
        appliance_of(source, networks={}, boot_disk="c.vmdk")


def _with_properties(folder, transport):
    return ova(folder, made.one_disk(made.nic(), sections=PROPERTIES, transport=transport))


def test_properties_become_an_iso_image(tmp_path):
    given = {"com.x.password": 'a"<&', "com.x.login": "root"}
    found, appliance = appliance_of(_with_properties(tmp_path, "iso"), properties=given)
    assert found.creation["cloud_init"] == {
        "ovf_env": {"com.x.login": "root", "com.x.password": 'a"<&', "com.x.model": "X1"}
    }
    assert "properties" not in appliance


@pytest.mark.parametrize(("value", "expected"), [(True, "true"), (False, "false"), (7, "7"), ("True", "True")])
def test_property_is_written_as_text(tmp_path, value, expected):
    found, _appliance_of = appliance_of(_with_properties(tmp_path, "iso"), properties={"com.x.login": value})
    assert found.creation["cloud_init"]["ovf_env"]["com.x.login"] == expected


@pytest.mark.parametrize("value", [{"a": 1}, ["a"], {}, []])
def test_property_that_is_no_text_is_rejected(tmp_path, value):
    with pytest.raises(Refused, match=r"com\.x\.login is a list or a mapping") as error:
        appliance_of(_with_properties(tmp_path, "iso"), properties={"com.x.login": value})
    assert "quotes" in error.value.remedy


@pytest.mark.parametrize(
    ("transport", "given", "expected"),
    [
        ("iso", {"com.x.other": "1"}, "no property 'com.x.other'"),
        ("iso", {"com.x.model": "X2"}, "cannot be set by users"),
        ("iso", {"com.x.login": "a\0"}, "control character"),
        ("com.vmware.guestInfo", {"com.x.login": "a"}, "which only VMware has"),
    ],
)
def test_property_that_has_no_effect_is_rejected(tmp_path, transport, given, expected):
    with pytest.raises(Refused, match=expected):
        appliance_of(_with_properties(tmp_path, transport), properties=given)


def test_properties_that_only_vmware_passes_are_not_carried(tmp_path):
    found, appliance = appliance_of(_with_properties(tmp_path, "com.vmware.guestInfo"))
    assert "cloud_init" not in found.creation
    assert any("which only VMware has" in text for text in appliance["not_carried"])


def test_cloud_init_and_properties_exclude_each_other(tmp_path):
    asked = request(_with_properties(tmp_path, "iso"), properties={"com.x.login": "a"})
    both = {**asked.creation, "cloud_init": {"user": "a"}}
    with pytest.raises(Refused, match="cloud_init"):
        resolved(Request("web", creation=both), APPLIANCES, None)


def test_windows_has_its_clock_in_local_time(tmp_path):
    system = (
        '<OperatingSystemSection ovf:id="120"><Info/><Description>Windows 10</Description></OperatingSystemSection>'
    )
    found, _appliance_of = appliance_of(ova(tmp_path, made.one_disk(made.nic(), sections=system)))
    assert found.config["rtc"] == "localtime"


class _Slow:
    """A qemu-img that measures for minutes, as it does with 130 kB that claim to be 4 TB."""

    def needed(self, _path, _image_format, timeout):
        raise Timeout(f"qemu-img did not finish within {timeout} seconds", timeout)


def test_disk_that_is_not_measured_in_time_needs_its_whole_size():
    assert most_bytes(_Slow(), {"source": "/a.vmdk", "format": "vmdk", "size": 4 << 40}) == 4 << 40


# Other files than appliances, and disks that differ from their description --------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "x.vmdk",
            VMDK,
            r"x\.vmdk is a disk or another file, neither an OVA nor an OVF\. For a disk, set image instead",
        ),
        ("x.qcow2", QCOW2, "is a disk or another file"),
        ("text.vmdk", TEXT, "is a disk or another file"),
        ("x.raw", b"\0" * 5000, "is a disk or another file"),
        ("x.ova", b"", r"x\.ova is empty\. Export it again"),
        ("folder", None, r"folder is a directory\. Set the path of the \.ova or \.ovf file in it"),
    ],
)
def test_what_is_no_appliance_is_named(tmp_path, name, content, expected):
    path = tmp_path / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(Refused) as error:
        appliance_of(path)
    assert re.search(expected, str(error.value)), error.value


@pytest.mark.parametrize("is_archive", [True, False], ids=["archive", "directory"])
@pytest.mark.parametrize("href", ["./disk1.vmdk", ".//disk1.vmdk", "%2E/disk1.vmdk"])
def test_path_may_begin_with_the_directory_itself(tmp_path, href, is_archive):
    text = made.one_disk(made.nic(), file=href)
    source = ova(tmp_path, text)
    if not is_archive:
        source = tmp_path / "vm.ovf"
        source.write_text(text)
        (tmp_path / "disk1.vmdk").write_bytes(VMDK)
    assert len(appliance_of(source)[1]["disks"]) == 1


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [(20 * M, {"size": 20 * M}), (20 * M - 1, {"size": 20 * M}), (16 * M, {}), (5, {}), ("unknown", {}), ("", {})],
)
def test_disk_larger_than_its_file_grows(tmp_path, capacity, expected):
    text = made.one_disk(made.nic()).replace(f'capacity="{16 * M}"', f'capacity="{capacity}"')
    assert appliance_of(ova(tmp_path, text))[1]["slots"] == {"sata0": expected}


def test_piece_without_a_size_of_pieces_is_named(tmp_path):
    source = ova(tmp_path, disks={"disk1.vmdk.000000000": VMDK})
    with pytest.raises(Refused, match=r"not contain the disk disk1\.vmdk, but disk1\.vmdk\.000000000, and its"):
        appliance_of(source)


def test_disk_that_is_smaller_than_a_piece_is_whole(tmp_path):
    assert appliance_of(_divided(tmp_path, {"disk1.vmdk": VMDK}, size=len(VMDK) + 1))[1]["disks"]


def test_properties_that_nothing_passes_are_not_carried(tmp_path):
    _found, appliance = appliance_of(_with_properties(tmp_path, ""))
    assert "properties (the appliance does not state how it reads them)" in appliance["not_carried"]
    with pytest.raises(Refused, match="does not state how it reads them"):
        appliance_of(_with_properties(tmp_path, ""), properties={"com.x.login": "a"})


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_descriptor_in_utf_16_is_no_other_file(tmp_path, encoding):
    text = made.one_disk(made.nic()).replace("UTF-8", "UTF-16")
    (tmp_path / "vm.ovf").write_bytes(f"\ufeff{text}".encode(encoding))
    (tmp_path / "disk1.vmdk").write_bytes(VMDK)
    assert appliance_of(tmp_path / "vm.ovf")[1]["disks"]


@pytest.mark.parametrize("words", [APPLIANCES, OF_PROXMOX], ids=["libvirt", "proxmox"])
@pytest.mark.parametrize(("model", "expected"), [("1", "rtl8139"), ("VmxNet3,E1000", "vmxnet3"), ("9", "e1000")])
def test_model_of_a_nic_is_one_of_the_platform(tmp_path, words, model, expected):
    asked = request(ova(tmp_path, made.one_disk(made.nic(model=model))))
    assert resolved(asked, words, None).config["networks"]["0"]["model"] == expected


@pytest.mark.parametrize(
    ("is_damaged", "image"),
    [
        (True, {"source": "/a.ova", "format": "vmdk", "part": None}),
        (False, {"source": "/a.ova", "format": "vmdk", "part": None}),
        (False, {"source": "/a.vmdk"}),
        (False, None),
    ],
)
def test_damaged_part_of_a_disk_is_reported_as_that(is_damaged, image):
    what = "reading" if is_damaged or not (image and "part" in image) else "writing"
    stderr = f"qemu-img: error while {what} at byte 0: Invalid argument"
    with pytest.raises(Refused if is_damaged else CommandFailed) as error, unpacked(image, "/disk"):
        raise CommandFailed(["qemu-img"], 1, stderr)
    assert ("/a.ova contains a damaged disk: qemu-img" in str(error.value)) == is_damaged
