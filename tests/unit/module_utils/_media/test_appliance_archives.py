# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives of appliances, which may be hostile, and the checksums of their files."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.container import Container, check_manifest
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.envelope import Damaged
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from suite import appliance_files as made
from unit.module_utils._media.appliance_tasks import VMDK, M, appliance_of, ova

LINES = {
    "VMware": ("SHA256({})= {}", "sha256"),
    "VirtualBox, 0.9 and 1.0": ("SHA1 ({}) = {}", "sha1"),
    "VirtualBox, 2.0": ("SHA256 ({}) = {}", "sha256"),
    "scripts": ("SHA2-256({})= {}", "sha256"),
    "long": ("sha512({})= {}", "sha512"),
}


@pytest.mark.parametrize("name", LINES)
def test_manifest_in_each_spelling(tmp_path, name):
    line, algorithm = LINES[name]
    source = ova(tmp_path, line=line, algorithm=algorithm)
    container = Container(source)
    parts = {"disk1.vmdk": container.part("disk1.vmdk")}
    assert check_manifest(container, parts) == []
    content = Path(source).read_bytes()
    at = content.index(VMDK) + 1000
    Path(source).write_bytes(content[:at] + b"x" + content[at + 1 :])
    with pytest.raises(Damaged, match=r"disk1\.vmdk differs"):
        check_manifest(container, parts)


def test_changed_descriptor_differs_from_the_manifest(tmp_path):
    source = ova(tmp_path)
    content = Path(source).read_bytes()
    Path(source).write_bytes(content.replace(b"sample", b"simple"))
    with pytest.raises(Refused, match=r"vm\.ovf differs"):
        appliance_of(source)


def test_manifest_may_name_what_is_not_there(tmp_path):
    files = {"vm.ovf": made.one_disk(made.nic()).encode(), "disk1.vmdk": VMDK}
    text = made.manifest(files) + f"SHA256(other.iso)= {'0' * 64}\r\n"
    source = made.archive(tmp_path / "x.ova", {**files, "vm.mf": text.encode()})
    assert appliance_of(source)[1]["warnings"] == []


def _quoted(folder, line):
    """The descriptor quotes the name of the disk, and the manifest does not."""
    files = {"vm.ovf": made.one_disk(made.nic(), file="disk%201.vmdk").encode(), "disk 1.vmdk": VMDK}
    text = made.manifest({"vm.ovf": files["vm.ovf"]}) + line
    return made.archive(folder / "x.ova", {**files, "vm.mf": text.encode()})


@pytest.mark.parametrize("name", ["disk 1.vmdk", "disk%201.vmdk"])
def test_manifest_and_descriptor_may_quote_a_name_differently(tmp_path, name):
    digits = made.hashlib.sha256(VMDK).hexdigest()
    assert appliance_of(_quoted(tmp_path, f"SHA256({name})= {digits}\n"))[1]["warnings"] == []
    with pytest.raises(Refused, match="differs from its checksum"):
        appliance_of(_quoted(tmp_path, f"SHA256({name})= {'0' * 64}\n"))


def test_disk_that_the_manifest_does_not_list_is_not_verified(tmp_path):
    source = _quoted(tmp_path, "")
    (warning,) = appliance_of(source)[1]["warnings"]
    assert "its manifest does not list disk%201.vmdk" in warning
    digits = made.hashlib.sha256(Path(source).read_bytes()).hexdigest()
    assert appliance_of(source, checksum=f"sha256:{digits}")[1]["warnings"] == []


def test_checksum_of_a_descriptor_does_not_verify_its_disks(tmp_path):
    source = tmp_path / "vm.ovf"
    source.write_text(made.one_disk(made.nic()))
    (tmp_path / "disk1.vmdk").write_bytes(VMDK)
    digits = made.hashlib.sha256(source.read_bytes()).hexdigest()
    (warning,) = appliance_of(source, checksum=f"sha256:{digits}")[1]["warnings"]
    assert "no manifest" in warning
    (tmp_path / "vm.mf").write_text(made.manifest({"vm.ovf": source.read_bytes(), "disk1.vmdk": VMDK}))
    assert appliance_of(source)[1]["warnings"] == []


def test_line_that_is_no_checksum_is_rejected(tmp_path):
    files = {"vm.ovf": made.one_disk(made.nic()).encode(), "disk1.vmdk": VMDK, "vm.mf": b"MD5(disk1.vmdk)= 00\n"}
    with pytest.raises(Refused, match="no checksum"):
        appliance_of(made.archive(tmp_path / "x.ova", files))


def test_appliance_without_a_manifest_warns_unless_its_checksum_is_set(tmp_path):
    source = ova(tmp_path, with_manifest=False)
    assert "no manifest" in appliance_of(source)[1]["warnings"][0]
    digits = made.hashlib.sha256(Path(source).read_bytes()).hexdigest()
    assert appliance_of(source, checksum=f"sha256:{digits}")[1]["warnings"] == []
    with pytest.raises(Refused, match="another checksum"):
        appliance_of(source, checksum=f"sha256:{'0' * 64}")


# Archives -----------------------------------------------------------------------------------------------------------


def test_link_in_an_archive_is_no_file(tmp_path):
    path = tmp_path / "x.ova"
    text = made.one_disk(made.nic()).encode()
    with tarfile.open(path, "w") as target:
        member = tarfile.TarInfo("vm.ovf")
        member.size = len(text)
        target.addfile(member, io.BytesIO(text))
        link = tarfile.TarInfo("disk1.vmdk")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        target.addfile(link)
    with pytest.raises(Refused, match=r"does not contain the disk disk1\.vmdk\. Export it again"):
        appliance_of(path)


def _sparse_archive(path, kind, size=1536 * M, name="header"):
    """An archive with one header, and ``size`` bytes that it describes."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    with path.open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.truncate(size + 10240)
    return path


@pytest.fixture(name="most_read")
def _most_read(monkeypatch):
    """The most bytes that are read into memory at once."""
    sizes = []
    read = files.read_part

    def measured(*arguments):
        sizes.append(len(read(*arguments)))
        return read(*arguments)

    monkeypatch.setattr(files, "read_part", measured)
    return sizes


@pytest.mark.parametrize("size", [64 * 1024 + 1, 2 * M, 1536 * M, 8 * 1024 * M])
@pytest.mark.parametrize("kind", list(b"xgXLK"), ids=chr)
def test_header_that_would_fill_the_memory_is_rejected(tmp_path, kind, size, most_read):
    with pytest.raises(Refused, match="larger than any name"):
        appliance_of(_sparse_archive(tmp_path / "x.ova", bytes([kind]), size))
    assert max(most_read) <= 512


def test_map_of_a_sparse_file_is_not_read(tmp_path, most_read):
    with pytest.raises(Refused, match="sparse file"):
        appliance_of(_sparse_archive(tmp_path / "x.ova", tarfile.GNUTYPE_SPARSE))
    _headers_of(tmp_path / "y.ova", {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
    with pytest.raises(Refused, match="sparse file"):
        appliance_of(tmp_path / "y.ova")
    assert max(most_read) <= 1024


def _headers_of(path, headers):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as target:
        member = tarfile.TarInfo("vm.ovf")
        member.pax_headers = headers
        target.addfile(member)


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.SYMTYPE])
def test_each_entry_of_an_archive_counts(tmp_path, kind):
    with tarfile.open(tmp_path / "x.ova", "w") as target:
        for number in range(4001):
            member = tarfile.TarInfo(f"m{number}")
            member.type = kind
            target.addfile(member)
    with pytest.raises(Refused, match="more than 4000 entries"):
        appliance_of(tmp_path / "x.ova")


@pytest.mark.parametrize("record", [b"9 size=-1", b"99 path=x\n", b"0 a=b\n", b"x", b"16 size=99999999\n" * 9])
def test_damaged_extension_of_a_header_is_rejected(tmp_path, record):
    _headers_of(tmp_path / "x.ova", {"comment": "x" * 400})
    content = (tmp_path / "x.ova").read_bytes()
    (tmp_path / "x.ova").write_bytes(content[:512] + record.ljust(411, b"z")[:411] + content[923:])
    with pytest.raises(Refused, match="damaged archive"):
        appliance_of(tmp_path / "x.ova")


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_of_each_form_of_archive(tmp_path, form):
    folder = "/".join(["d" * 60] * 3)
    text = made.one_disk(made.nic()).encode()
    with tarfile.open(tmp_path / "x.ova", "w", format=form) as target:
        top = tarfile.TarInfo("./")
        top.type = tarfile.DIRTYPE
        target.addfile(top)
        for name, content in {"vm.ovf": text, "disk1.vmdk": VMDK}.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    (image,) = appliance_of(tmp_path / "x.ova")[1]["disks"].values()
    assert Path(image["source"]).read_bytes()[image["part"][0] :].startswith(VMDK)


@pytest.mark.parametrize("folder", ["a//", "./a/./", "././", "a/"])
def test_names_of_an_archive_are_normalized(tmp_path, folder):
    files_of = {f"{folder}vm.ovf": made.one_disk(made.nic()).encode(), f"{folder}disk1.vmdk": VMDK}
    assert appliance_of(made.archive(tmp_path / "x.ova", files_of))[1]["disks"]


@pytest.mark.parametrize("name", ["/vm.ovf", "../vm.ovf", "a/../vm.ovf", ".", "//"])
def test_invalid_name_in_an_archive_is_rejected(tmp_path, name):
    path = _sparse_archive(tmp_path / "x.ova", tarfile.REGTYPE, 0, name.rstrip("/") or "/" * 2)
    with pytest.raises(Refused, match=r"invalid name|0 descriptors"):
        appliance_of(path)


def _cut(path):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: content.index(VMDK) + 700])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_cut, "incomplete|damaged archive"),
        (lambda path: Path(path).write_bytes(b"PK\3\4" + b"\0" * 600), r"is compressed\. Unpack it \(unzip\), and"),
        (lambda path: Path(path).write_bytes(b"\x1f\x8b" + b"\0" * 600), "damaged compressed"),
        (lambda path: Path(path).write_bytes(b"\0" * 600), "neither an OVA nor an OVF"),
    ],
)
def test_damaged_archive_is_rejected(tmp_path, change, expected):
    source = ova(tmp_path, with_manifest=False)
    change(source)
    with pytest.raises(Refused, match=expected):
        appliance_of(source)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_box_without_a_descriptor_is_rejected_with_what_to_use_instead(tmp_path, compress):
    """Those for libvirt and Hyper-V have none."""
    source = Path(made.archive(tmp_path / "x.box", {"metadata.json": b"{}", "box.img": b"QFI\xfb" + bytes(600)}))
    source.write_bytes(compress(source.read_bytes()))
    words = r"is a box of Vagrant without a descriptor \(\.ovf\)\. Unpack it \(tar -xzf\), and set image to"
    with pytest.raises(Refused, match=words):
        appliance_of(source)


@pytest.mark.parametrize("checksum", [False, True])
def test_files_are_read_as_a_whole_once_for_all_vms_of_a_task(tmp_path, monkeypatch, checksum):
    source, read = ova(tmp_path, disks={"disk1.vmdk": VMDK + bytes(2 * M)}), []
    more = {"checksum": f"sha256:{hashlib.sha256(Path(source).read_bytes()).hexdigest()}"} if checksum else {}
    whole = files.read_part

    def counted(path, offset, length):
        found = whole(path, offset, length)
        read.append(len(found))
        return found

    monkeypatch.setattr(files, "read_part", counted)
    counts = []
    for _vm in range(3):
        appliance_of(source, **more)
        counts.append(sum(read))
        read.clear()
    assert counts[0] > 2 * M and max(counts[1:]) < M
    # A file that was replaced is another one.
    Path(source).write_bytes(Path(source).read_bytes().replace(VMDK, VMDK[:-1] + b"x"))
    with pytest.raises(Refused, match=r"differs from its checksum|has another checksum"):
        appliance_of(source, **more)


def test_archive_has_one_descriptor_without_those_of_macos(tmp_path):
    text = made.one_disk(made.nic()).encode()
    files = {"._vm.ovf": b"x", "in/vm.ovf": text, "in/disk1.vmdk": VMDK}
    assert appliance_of(made.archive(tmp_path / "x.ova", files))[1]["disks"]
    with pytest.raises(Refused, match="2 descriptors"):
        appliance_of(made.archive(tmp_path / "y.ova", {**files, "other.ovf": text}))
