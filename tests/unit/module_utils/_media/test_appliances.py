# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of appliances, their manifests and disks, and what a task has to decide."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import APPLIANCES
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances import packed
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.container import (
    Container,
    check_manifest,
)
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.disk import unpacked
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.envelope import Damaged
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.lookup import resolved
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from suite import appliance_files as made
from suite.appliance_files import PROPERTIES

M = 1024**2
VMDK = b"KDMV" + b"\0" * 8 + (32768).to_bytes(8, "little") + b"\0" * 2000


def _ova(folder, text=None, disks=None, **about):
    disks = {"disk1.vmdk": VMDK} if disks is None else disks
    return made.ova(folder / "x.ova", text or made.one_disk(made.nic()), disks, **about)


def _request(source, config=None, **more):
    asked = {"source": str(source), "networks": {"VM Network": {"type": "nat"}}, **more}
    return Request("web", config=config or {}, creation={"appliance": asked})


def _appliance(source, config=None, **more):
    found = resolved(_request(source, config, **more), APPLIANCES)
    return found, found.creation["appliance"]


def test_disk_is_a_part_of_the_archive(tmp_path):
    found, appliance = _appliance(_ova(tmp_path))
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
    found, _appliance_of = _appliance(_ova(tmp_path), config, networks={})
    assert {name: found.config[name] for name in config} == config


def test_disks_next_to_their_descriptor(tmp_path):
    (tmp_path / "vm.ovf").write_text(made.one_disk(made.nic()))
    (tmp_path / "disk1.vmdk").write_bytes(VMDK)
    _found, appliance = _appliance(tmp_path / "vm.ovf")
    (image,) = appliance["disks"].values()
    assert (image["source"], image["part"]) == (str(tmp_path / "disk1.vmdk"), None)


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
    source = _ova(tmp_path, line=line, algorithm=algorithm)
    container = Container(source)
    parts = {"disk1.vmdk": container.part("disk1.vmdk")}
    assert check_manifest(container, parts) == []
    content = Path(source).read_bytes()
    at = content.index(VMDK) + 1000
    Path(source).write_bytes(content[:at] + b"x" + content[at + 1 :])
    with pytest.raises(Damaged, match=r"disk1\.vmdk differs"):
        check_manifest(container, parts)


def test_changed_descriptor_differs_from_the_manifest(tmp_path):
    source = _ova(tmp_path)
    content = Path(source).read_bytes()
    Path(source).write_bytes(content.replace(b"sample", b"simple"))
    with pytest.raises(Refused, match=r"vm\.ovf differs"):
        _appliance(source)


def test_manifest_may_name_what_is_not_there(tmp_path):
    files = {"vm.ovf": made.one_disk(made.nic()).encode(), "disk1.vmdk": VMDK}
    text = made.manifest(files) + f"SHA256(other.iso)= {'0' * 64}\r\n"
    source = made.archive(tmp_path / "x.ova", {**files, "vm.mf": text.encode()})
    assert _appliance(source)[1]["warnings"] == []


def _quoted(folder, line):
    """The descriptor quotes the name of the disk, and the manifest does not."""
    files = {"vm.ovf": made.one_disk(made.nic(), file="disk%201.vmdk").encode(), "disk 1.vmdk": VMDK}
    text = made.manifest({"vm.ovf": files["vm.ovf"]}) + line
    return made.archive(folder / "x.ova", {**files, "vm.mf": text.encode()})


@pytest.mark.parametrize("name", ["disk 1.vmdk", "disk%201.vmdk"])
def test_manifest_and_descriptor_may_quote_a_name_differently(tmp_path, name):
    digits = made.hashlib.sha256(VMDK).hexdigest()
    assert _appliance(_quoted(tmp_path, f"SHA256({name})= {digits}\n"))[1]["warnings"] == []
    with pytest.raises(Refused, match="differs from its checksum"):
        _appliance(_quoted(tmp_path, f"SHA256({name})= {'0' * 64}\n"))


def test_disk_that_the_manifest_does_not_list_is_not_verified(tmp_path):
    source = _quoted(tmp_path, "")
    (warning,) = _appliance(source)[1]["warnings"]
    assert "its manifest does not list disk%201.vmdk" in warning
    digits = made.hashlib.sha256(Path(source).read_bytes()).hexdigest()
    assert _appliance(source, checksum=f"sha256:{digits}")[1]["warnings"] == []


def test_checksum_of_a_descriptor_does_not_verify_its_disks(tmp_path):
    source = tmp_path / "vm.ovf"
    source.write_text(made.one_disk(made.nic()))
    (tmp_path / "disk1.vmdk").write_bytes(VMDK)
    digits = made.hashlib.sha256(source.read_bytes()).hexdigest()
    (warning,) = _appliance(source, checksum=f"sha256:{digits}")[1]["warnings"]
    assert "no manifest" in warning
    (tmp_path / "vm.mf").write_text(made.manifest({"vm.ovf": source.read_bytes(), "disk1.vmdk": VMDK}))
    assert _appliance(source)[1]["warnings"] == []


def test_line_that_is_no_checksum_is_rejected(tmp_path):
    files = {"vm.ovf": made.one_disk(made.nic()).encode(), "disk1.vmdk": VMDK, "vm.mf": b"MD5(disk1.vmdk)= 00\n"}
    with pytest.raises(Refused, match="no checksum"):
        _appliance(made.archive(tmp_path / "x.ova", files))


def test_appliance_without_a_manifest_warns_unless_its_checksum_is_set(tmp_path):
    source = _ova(tmp_path, with_manifest=False)
    assert "no manifest" in _appliance(source)[1]["warnings"][0]
    digits = made.hashlib.sha256(Path(source).read_bytes()).hexdigest()
    assert _appliance(source, checksum=f"sha256:{digits}")[1]["warnings"] == []
    with pytest.raises(Refused, match="another checksum"):
        _appliance(source, checksum=f"sha256:{'0' * 64}")


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
    source = _ova(tmp_path, disks={"disk1.vmdk": BAD_DISKS[name]})
    if not is_archive:
        source = tmp_path / "vm.ovf"
        source.write_text(made.one_disk(made.nic()))
        (tmp_path / "disk1.vmdk").write_bytes(BAD_DISKS[name])
    with pytest.raises(Refused, match=r"contains disk1\.vmdk"):
        _appliance(source)


@pytest.mark.parametrize(
    "href",
    ["../../etc/passwd", "/etc/passwd", "http://example.com/x.vmdk", "a/../../x", "..\\x", "%2e%2e/%2e%2e/etc/passwd"],
)
@pytest.mark.parametrize("is_archive", [True, False], ids=["archive", "directory"])
def test_path_outside_is_rejected(tmp_path, href, is_archive):
    text = made.one_disk(made.nic(), file=href)
    source = _ova(tmp_path, text)
    if not is_archive:
        source = tmp_path / "vm.ovf"
        source.write_text(text)
    with pytest.raises(Refused, match="outside of the appliance"):
        _appliance(source)


def test_link_that_leads_outside_is_rejected(tmp_path):
    folder = tmp_path / "appliance"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(VMDK)
    (folder / "disk1.vmdk").symlink_to(tmp_path / "secret")
    (folder / "vm.ovf").write_text(made.one_disk(made.nic()))
    with pytest.raises(Refused, match="is a link"):
        _appliance(folder / "vm.ovf")


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
    with pytest.raises(Refused, match=r"does not contain the disk disk1\.vmdk"):
        _appliance(path)


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
        _appliance(_sparse_archive(tmp_path / "x.ova", bytes([kind]), size))
    assert max(most_read) <= 512


def test_map_of_a_sparse_file_is_not_read(tmp_path, most_read):
    with pytest.raises(Refused, match="sparse file"):
        _appliance(_sparse_archive(tmp_path / "x.ova", tarfile.GNUTYPE_SPARSE))
    _headers_of(tmp_path / "y.ova", {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
    with pytest.raises(Refused, match="sparse file"):
        _appliance(tmp_path / "y.ova")
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
        _appliance(tmp_path / "x.ova")


@pytest.mark.parametrize("record", [b"9 size=-1", b"99 path=x\n", b"0 a=b\n", b"x", b"16 size=99999999\n" * 9])
def test_damaged_extension_of_a_header_is_rejected(tmp_path, record):
    _headers_of(tmp_path / "x.ova", {"comment": "x" * 400})
    content = (tmp_path / "x.ova").read_bytes()
    (tmp_path / "x.ova").write_bytes(content[:512] + record.ljust(411, b"z")[:411] + content[923:])
    with pytest.raises(Refused, match="damaged archive"):
        _appliance(tmp_path / "x.ova")


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
    (image,) = _appliance(tmp_path / "x.ova")[1]["disks"].values()
    assert Path(image["source"]).read_bytes()[image["part"][0] :].startswith(VMDK)


@pytest.mark.parametrize("folder", ["a//", "./a/./", "././", "a/"])
def test_names_of_an_archive_are_normalized(tmp_path, folder):
    files_of = {f"{folder}vm.ovf": made.one_disk(made.nic()).encode(), f"{folder}disk1.vmdk": VMDK}
    assert _appliance(made.archive(tmp_path / "x.ova", files_of))[1]["disks"]


@pytest.mark.parametrize("name", ["/vm.ovf", "../vm.ovf", "a/../vm.ovf", ".", "//"])
def test_invalid_name_in_an_archive_is_rejected(tmp_path, name):
    path = _sparse_archive(tmp_path / "x.ova", tarfile.REGTYPE, 0, name.rstrip("/") or "/" * 2)
    with pytest.raises(Refused, match=r"invalid name|0 descriptors"):
        _appliance(path)


def _cut(path):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: content.index(VMDK) + 700])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_cut, "incomplete|damaged archive"),
        (lambda path: Path(path).write_bytes(b"PK\3\4" + b"\0" * 600), r"is compressed; unpack it first \(unzip\)"),
        (lambda path: Path(path).write_bytes(b"\x1f\x8b" + b"\0" * 600), "damaged compressed"),
        (lambda path: Path(path).write_bytes(b"\0" * 600), "not UTF-8"),
    ],
)
def test_damaged_archive_is_rejected(tmp_path, change, expected):
    source = _ova(tmp_path, with_manifest=False)
    change(source)
    with pytest.raises(Refused, match=expected):
        _appliance(source)


def test_archive_has_one_descriptor_without_those_of_macos(tmp_path):
    text = made.one_disk(made.nic()).encode()
    files = {"._vm.ovf": b"x", "in/vm.ovf": text, "in/disk1.vmdk": VMDK}
    assert _appliance(made.archive(tmp_path / "x.ova", files))[1]["disks"]
    with pytest.raises(Refused, match="2 descriptors"):
        _appliance(made.archive(tmp_path / "y.ova", {**files, "other.ovf": text}))


PACKED = made.one_disk(made.nic(), attributes='ovf:compression="gzip"')


def _pieces(content, size):
    return {f"disk1.vmdk.{at // size:09}": content[at : at + size] for at in range(0, len(content), size)}


def _divided(folder, pieces, size=1000, more=""):
    text = made.one_disk(made.nic(), attributes=f'ovf:chunkSize="{size}" {more}')
    return _ova(folder, text, pieces)


def test_compressed_disk_is_unpacked_for_its_copy(tmp_path):
    _found, appliance = _appliance(_ova(tmp_path, PACKED, {"disk1.vmdk": gzip.compress(VMDK)}))
    (image,) = appliance["disks"].values()
    assert (image["part"], image["format"], image["size"], image["unpacked"]) == (None, "vmdk", 16 * M, len(VMDK))
    with unpacked(image, str(tmp_path / "disk.qcow2")) as found:
        assert Path(found["source"]).read_bytes() == VMDK
        assert not found["packed"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.ova"]


def test_pieces_of_a_disk_are_put_together(tmp_path):
    _found, appliance = _appliance(_divided(tmp_path, _pieces(VMDK, 1000), more=f'ovf:size="{len(VMDK)}"'))
    (image,) = appliance["disks"].values()
    with unpacked(image, str(tmp_path / "disk.qcow2")) as found:
        assert Path(found["source"]).read_bytes() == VMDK


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_gap_between_pieces_is_an_error(tmp_path, missing):
    pieces = _pieces(VMDK, 1000)
    del pieces[f"disk1.vmdk.{missing:09}"]
    with pytest.raises(Refused, match="lacks a piece"):
        _appliance(_divided(tmp_path, pieces, more=f'ovf:size="{len(VMDK)}"'))


def test_changed_piece_differs_from_the_manifest(tmp_path):
    source = _divided(tmp_path, _pieces(VMDK, 1000))
    content = Path(source).read_bytes()
    at = content.index(VMDK[:100]) + 900
    Path(source).write_bytes(content[:at] + b"x" + content[at + 1 :])
    with pytest.raises(Refused, match=r"disk1\.vmdk\.000000000 differs"):
        _appliance(source)


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
        _appliance(_ova(tmp_path, PACKED, {"disk1.vmdk": content}))


def _whole(folder, content=None, **about):
    """An OVA that is compressed as a whole."""
    source = Path(_ova(folder, **about))
    whole = folder / "x.tar.gz"
    whole.write_bytes(gzip.compress(source.read_bytes() if content is None else content))
    source.unlink()
    return str(whole)


@pytest.mark.parametrize("at_once", [1000, 4 * M])
def test_archive_that_is_compressed_as_a_whole_is_read(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(packed, "_PIECE", at_once)
    files = {"a.vmdk": VMDK[:-1] + b"a", "b.vmdk": VMDK[:-1] + b"b"}
    listed = [("f1", "a.vmdk", ""), ("f2", "b.vmdk", "")]
    body = made.hardware(made.sata(("d2", 0), ("d1", 1)), made.nic())
    text = made.envelope(body, listed, [("d1", "f1", 16 * M), ("d2", "f2", 16 * M)])
    source = _whole(tmp_path, text=text, disks=files)
    _found, appliance = _appliance(source)
    assert (list(appliance["disks"]), appliance["warnings"]) == (["sata0", "sata1"], [])
    for slot, name in (("sata0", "b.vmdk"), ("sata1", "a.vmdk")):
        image = appliance["disks"][slot]
        assert (image["source"], image["part"], image["unpacked"]) == (source, None, len(VMDK))
        with unpacked(image, str(tmp_path / "disk.qcow2")) as found:
            assert Path(found["source"]).read_bytes() == files[name]
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]


def test_box_of_virtualbox_is_read(tmp_path):
    """A box has no manifest, and other files of Vagrant."""
    members = {"./box.ovf": made.one_disk(made.nic()).encode(), "./Vagrantfile": b"", "./disk1.vmdk": VMDK}
    content = Path(made.archive(tmp_path / "x.tar", members)).read_bytes()
    (tmp_path / "x.box").write_bytes(gzip.compress(content))
    _found, appliance = _appliance(tmp_path / "x.box")
    assert appliance["disks"]["sata0"]["size"] == 16 * M
    assert "no manifest" in appliance["warnings"][0]


def test_hostile_compressed_archive_is_rejected(tmp_path, monkeypatch):
    changed = Path(_ova(tmp_path)).read_bytes().replace(b"KDMV" + bytes(8), b"KDMV" + bytes(7) + b"x")
    with pytest.raises(Refused, match=r"disk1\.vmdk differs from its checksum"):
        _appliance(_whole(tmp_path, changed))
    source = Path(_whole(tmp_path))
    source.write_bytes(source.read_bytes()[:-20])
    with pytest.raises(Refused, match="incomplete"):
        _appliance(source)
    with pytest.raises(Refused, match="compressed twice"):
        _appliance(_whole(tmp_path, text=PACKED, disks={"disk1.vmdk": gzip.compress(VMDK)}))
    monkeypatch.setattr(packed, "_OVERHEAD", 0)
    with pytest.raises(Refused, match="unpacks to more than 200 times its size"):
        _appliance(_whole(tmp_path, bytes(M)))


def test_other_compression_is_rejected(tmp_path):
    with pytest.raises(Refused, match="compressed with bzip2"):
        _appliance(_ova(tmp_path, PACKED.replace("gzip", "bzip2")))


def test_missing_appliance_is_rejected(tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        _appliance(tmp_path / "x.ova")


# What the task decides ------------------------------------------------------------------------------------------------


def test_unmapped_network_is_rejected(tmp_path):
    with pytest.raises(Refused, match="'VM Network' of the appliance is not mapped"):
        _appliance(_ova(tmp_path), networks={})
    with pytest.raises(Refused, match="no network 'LAN'"):
        _appliance(_ova(tmp_path), networks={"VM Network": {"type": "nat"}, "LAN": {"type": "nat"}})


def test_networks_of_the_vm_and_of_the_appliance_exclude_each_other(tmp_path):
    config = {"networks": {"0": {"type": "user"}}}
    for asked in ({"VM Network": {"type": "nat"}}, {"LAN": None}):
        with pytest.raises(Refused, match=r"appliance\.networks: it cannot be set together with networks"):
            _appliance(_ova(tmp_path), config, networks=asked)


def test_license_is_in_the_rejection(tmp_path):
    license_of = "<EulaSection><Info/><License>Pay 5 EUR</License></EulaSection>"
    source = _ova(tmp_path, made.one_disk(made.nic(), sections=license_of))
    with pytest.raises(Refused, match="Pay 5 EUR") as error:
        _appliance(source)
    assert "accept_eula: true" in error.value.remedy
    assert _appliance(source, accept_eula=True)


def test_boot_disk_is_the_first_one(tmp_path):
    body = made.hardware(made.sata(("d1", 0), ("d2", 1)))
    text = made.envelope(body, [("f1", "a.vmdk", ""), ("f2", "b.vmdk", "")], [("d1", "f1", 1), ("d2", "f2", 1)])
    source = _ova(tmp_path, text, {"a.vmdk": VMDK, "b.vmdk": VMDK + b"\0" * 512})
    usual, chosen = (_appliance(source, networks={}, boot_disk=one)[1]["disks"] for one in (None, "b.vmdk"))
    assert [one["part"][1] for one in chosen.values()] == [one["part"][1] for one in usual.values()][::-1]
    assert list(chosen) == ["sata0", "sata1"]
    with pytest.raises(Refused, match=r"no disk 'c\.vmdk'"):
        _appliance(source, networks={}, boot_disk="c.vmdk")


def _with_properties(folder, transport):
    return _ova(folder, made.one_disk(made.nic(), sections=PROPERTIES, transport=transport))


def test_properties_become_an_iso_image(tmp_path):
    given = {"com.x.password": 'a"<&', "com.x.login": "root"}
    found, appliance = _appliance(_with_properties(tmp_path, "iso"), properties=given)
    assert found.creation["cloud_init"] == {
        "ovf_env": {"com.x.login": "root", "com.x.password": 'a"<&', "com.x.model": "X1"}
    }
    assert "properties" not in appliance


@pytest.mark.parametrize(("value", "expected"), [(True, "true"), (False, "false"), (7, "7"), ("True", "True")])
def test_property_is_written_as_text(tmp_path, value, expected):
    found, _appliance_of = _appliance(_with_properties(tmp_path, "iso"), properties={"com.x.login": value})
    assert found.creation["cloud_init"]["ovf_env"]["com.x.login"] == expected


@pytest.mark.parametrize("value", [{"a": 1}, ["a"], {}, []])
def test_property_that_is_no_text_is_rejected(tmp_path, value):
    with pytest.raises(Refused, match=r"com\.x\.login is a list or a mapping") as error:
        _appliance(_with_properties(tmp_path, "iso"), properties={"com.x.login": value})
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
        _appliance(_with_properties(tmp_path, transport), properties=given)


def test_properties_that_only_vmware_passes_are_not_carried(tmp_path):
    found, appliance = _appliance(_with_properties(tmp_path, "com.vmware.guestInfo"))
    assert "cloud_init" not in found.creation
    assert any("only on VMware" in text for text in appliance["not_carried"])


def test_cloud_init_and_properties_exclude_each_other(tmp_path):
    request = _request(_with_properties(tmp_path, "iso"), properties={"com.x.login": "a"})
    both = {**request.creation, "cloud_init": {"user": "a"}}
    with pytest.raises(Refused, match="cloud_init"):
        resolved(Request("web", creation=both), APPLIANCES)


def test_windows_has_its_clock_in_local_time(tmp_path):
    system = (
        '<OperatingSystemSection ovf:id="120"><Info/><Description>Windows 10</Description></OperatingSystemSection>'
    )
    found, _appliance_of = _appliance(_ova(tmp_path, made.one_disk(made.nic(), sections=system)))
    assert found.config["rtc"] == "localtime"
