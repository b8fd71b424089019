# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by name and address: what is asked of a vendor's server, what the store has then, and what is rejected."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import struct
import tarfile
from datetime import date

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request
from ansible_collections.polyvirt.core.plugins.module_utils._media import images as product

from unit.module_utils._media.host import NEEDS, Images
from unit.module_utils._media.server import checksum
from unit.module_utils._media.test_signatures import Signer, with_gpg

_GIB = 1 << 30
_FILE = "debian-13-generic-amd64.qcow2"
_SUMS = "/latest/SHA256SUMS"
_IMAGE = f"/latest/{_FILE}"


def _qcow2(size=3 * _GIB, backing=0, features=0, content=b"data" * 500_000):
    begin = b"QFI\xfb" + struct.pack(">IQIIQ", 3, backing, 0, 16, size) + bytes(40) + struct.pack(">Q", features)
    return begin.ljust(4096, b"\0") + content


QCOW2 = _qcow2()


class Tasks:
    """Tasks on one host, each with an own ``Images``."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder

    def medium(self, **changes):
        medium = {"type": "cloud", "architecture": "amd64", "file": _FILE, "checksums": "SHA256SUMS"}
        image = {"format": "qcow2", **changes.pop("image", {})}
        return {**medium, "bases": [f"{self.server.url}/latest"], **changes, "image": image}

    def request(self, medium=None, source="debian-13", **asked):
        catalogue = {"media": [medium or self.medium()], "mirrors": asked.pop("mirrors", {})}
        image = {"source": source, "linked": False, **asked}
        if "://" not in source:
            image["catalogue"] = catalogue
        return Request(name="web1", creation={"image": image})

    def resolved(self, *arguments, images=None, **more):
        """The resolved image of a task that only reads."""
        images = images or Images(str(self.folder))
        return images.resolved(self.request(*arguments, **more)).creation["image"]

    def run(self, *arguments, **more):
        """The resolved image of a task that fetches it, too."""
        images = Images(str(self.folder))
        image = self.resolved(*arguments, images=images, **more)
        if image["fetch"]:
            images.fetch(image)
        return image

    def error(self, *arguments, **more):
        before = self.files()
        with pytest.raises(PolyvirtError) as raised:
            self.resolved(*arguments, **more)
        assert self.files() == before
        return str(raised.value)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    def publish(self, content, path=_IMAGE, sums=_SUMS):
        self.server.files[path] = content
        self.server.files[sums] = f"{checksum(content)} *{path.rpartition('/')[2]}\n".encode()


def _stored(content, ending="qcow2", name="debian-13"):
    return f"{name}-{checksum(content)[:12]}.{ending}"


def test_check_mode_reads_the_list_and_the_beginning(tasks, server):
    image = tasks.resolved()
    assert server.requests == [(_SUMS, None), (_IMAGE, "bytes=0-4095")]
    assert (image["source"], image["size"]) == (str(tasks.folder / _stored(QCOW2)), 3 * _GIB)
    assert (image["name"], image["digest"]) == ("debian-13", f"sha256:{checksum(QCOW2)}")
    assert (image["fetched"], image["format"]) == (date.today().isoformat(), "qcow2")
    assert tasks.files() == []


def test_image_is_stored_with_a_record(tasks):
    predicted = tasks.resolved()
    image = tasks.run()
    assert {**image, "fetch": None} == {**predicted, "fetch": None}
    assert tasks.files() == [_stored(QCOW2), f"{_stored(QCOW2)}.json"]
    path = tasks.folder / _stored(QCOW2)
    assert path.read_bytes() == QCOW2
    assert path.stat().st_mode & 0o777 == 0o644
    record = json.loads((tasks.folder / f"{_stored(QCOW2)}.json").read_text())
    assert (record["address"], record["checked"]) == (f"{tasks.server.url}/latest", "checksum")


def test_stored_image_needs_no_request(tasks, server):
    tasks.run()
    server.requests.clear()
    image = tasks.run()
    assert (server.requests, image["fetch"], image["size"]) == ([], None, 3 * _GIB)


def test_several_vms_of_a_task_ask_once(tasks, server):
    images = Images(str(tasks.folder))
    first, second = tasks.resolved(images=images), tasks.resolved(images=images)
    assert len(server.requests) == 2
    images.fetch(first)
    images.fetch(second)
    assert len(server.fetched(_IMAGE)) == 2


def test_republished_image_is_fetched_only_on_request(tasks):
    tasks.run()
    new = _qcow2(content=b"newer")
    tasks.publish(new)
    assert tasks.run()["source"].endswith(_stored(QCOW2))
    assert tasks.run(refresh=True)["source"].endswith(_stored(new))
    assert len(tasks.files()) == 4


def test_refresh_of_the_newest_image_fetches_nothing(tasks):
    tasks.run()
    assert tasks.run(refresh=True)["fetch"] is None


def test_next_task_completes_a_download(tasks, server, pauses):
    server.cuts[_IMAGE] = [None, 1_000_000, 0, 0, 0]
    images = Images(str(tasks.folder))
    image = tasks.resolved(images=images)
    with pytest.raises(PolyvirtError, match="connection broke off after 1000000 bytes"):
        images.fetch(image)
    assert len(tasks.files()) == 1
    tasks.run()
    assert server.fetched(_IMAGE)[-1] == "bytes=1000000-"
    assert tasks.files() == [_stored(QCOW2), f"{_stored(QCOW2)}.json"]


def test_server_that_always_ends_at_the_same_byte_is_asked_a_few_times(tasks, server, pauses):
    """Such as a proxy with a limit, in front of a server without ranges."""
    server.ranges, server.cuts[_IMAGE] = False, [None, *([1_000_000] * 50)]
    with pytest.raises(PolyvirtError, match="connection broke off after 1000000 bytes"):
        tasks.run()
    assert len(server.cuts[_IMAGE]) == 46


def test_part_of_an_older_version_is_removed(tasks, server):
    server.cuts[_IMAGE] = [None, 1_000_000, 0, 0, 0]
    with pytest.raises(PolyvirtError):
        tasks.run()
    new = _qcow2(content=b"newer")
    tasks.publish(new)
    server.cuts.clear()
    tasks.run()
    assert (tasks.folder / _stored(new)).read_bytes() == new


def test_wrong_content_is_not_kept(tasks, server):
    images = Images(str(tasks.folder))
    image = tasks.resolved(images=images)
    server.files[_IMAGE] = _qcow2(content=b"forged")
    with pytest.raises(Refused, match="but it must be"):
        images.fetch(image)
    assert tasks.files() == []


@pytest.mark.parametrize(
    "content,text",
    [
        (b"<html>moved</html>".ljust(5000), "is not an image in the format qcow2"),
        (_qcow2(backing=4096), "names another file"),
        (_qcow2(features=4), "names another file"),
    ],
    ids=["page", "backing", "data"],
)
def test_content_that_is_no_whole_image(tasks, content, text):
    tasks.publish(content)
    assert text in tasks.error()


def test_list_without_the_file(tasks, server):
    server.files[_SUMS] = b""
    assert f"has no {_FILE}" in tasks.error()


def test_too_little_space(tasks, monkeypatch):
    monkeypatch.setattr(product.files, "free_space", lambda folder: 1000)
    assert "has only 1000B of free space" in tasks.error()


def test_file_of_somebody_else_is_not_replaced(tasks):
    tasks.folder.mkdir()
    (tasks.folder / _stored(QCOW2)).write_bytes(b"a disk")
    assert "exists, and is not a complete image of this store" in tasks.error()


def test_truncated_image_of_the_store_is_reported(tasks):
    tasks.run()
    (tasks.folder / _stored(QCOW2)).write_bytes(QCOW2[:5000])
    assert "is not a complete image of this store" in tasks.error()


def test_old_image_is_reported(tasks, monkeypatch):
    tasks.run()
    monkeypatch.setattr(product, "today", lambda: date(2099, 1, 1))
    (warning,) = tasks.run()["warnings"]
    assert "days old. Set image.refresh: true" in warning


def _tar(content, member):
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


_RAW = b"disk" * 1000 + bytes(1 << 20)


@pytest.mark.parametrize(
    "packed,image",
    [
        (lzma.compress(_RAW), {"compression": "xz"}),
        (gzip.compress(_RAW), {"compression": "gz"}),
        (lzma.compress(_tar(_RAW, "disk.raw")), {"compression": "tar.xz", "member": "disk.raw"}),
    ],
    ids=["xz", "gz", "tar.xz"],
)
def test_compressed_image_is_unpacked(tasks, packed, image):
    tasks.publish(packed)
    tasks.run(tasks.medium(image={"format": "raw", **image}))
    assert tasks.files() == [_stored(packed, "raw"), f"{_stored(packed, 'raw')}.json"]
    assert (tasks.folder / _stored(packed, "raw")).read_bytes() == _RAW


@pytest.mark.parametrize(
    "packed,text",
    [
        (b"no archive", "cannot be unpacked"),
        (lzma.compress(_tar(_RAW, "other.raw")), "the archive has no file disk.raw"),
    ],
    ids=["damaged", "member"],
)
def test_archive_that_cannot_be_unpacked(tasks, packed, text):
    tasks.publish(packed)
    medium = tasks.medium(image={"format": "raw", "compression": "tar.xz", "member": "disk.raw"})
    with pytest.raises(Refused, match=text):
        tasks.run(medium)


# Addresses ------------------------------------------------------------------------------------------------------------


def address_of(tasks, content=QCOW2, path="/x/my%20image.qcow2?token=1"):
    tasks.server.files[path] = content
    return tasks.server.url + path


def test_address_without_checksum_is_reported(tasks):
    image = tasks.run(source=address_of(tasks))
    assert "nothing was verified" in image["warnings"][0]
    assert (image["digest"], image["size"]) == (None, 3 * _GIB)
    assert tasks.run(source=address_of(tasks))["fetch"] is None


def test_address_with_checksum(tasks, server):
    image = tasks.run(source=address_of(tasks), checksum=f"sha256:{checksum(QCOW2)}")
    assert (image["digest"], image["warnings"]) == (f"sha256:{checksum(QCOW2)}", [])
    server.requests.clear()
    assert tasks.run(source=address_of(tasks), checksum=f"sha256:{checksum(QCOW2)}")["fetch"] is None
    assert server.requests == []


def test_address_with_a_list_of_checksums(tasks):
    address = address_of(tasks, path="/x/image.qcow2")
    tasks.server.files["/x/SUMS"] = f"{checksum(QCOW2)}  image.qcow2\n".encode()
    image = tasks.run(source=address, checksum=f"sha256:{tasks.server.url}/x/SUMS")
    assert image["digest"] == f"sha256:{checksum(QCOW2)}"


@pytest.mark.parametrize("text", ["sha256:12", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha512:" + "0" * 64])
def test_checksum_in_a_wrong_form(tasks, text):
    assert "is no checksum of" in tasks.error(source=address_of(tasks), checksum=text)


def test_address_without_a_known_format(tasks):
    assert "does not tell its format" in tasks.error(source="https://example.org/image")


def test_address_has_a_serial_console_as_far_as_is_known(tasks):
    needs = replace(NEEDS, serial_console=True)
    images = Images(str(tasks.folder), needs)
    image = images.resolved(tasks.request(source=address_of(tasks))).creation["image"]
    assert image["fetch"] is not None
    with pytest.raises(PolyvirtError, match="has no serial console"):
        images.resolved(tasks.request())


def test_incomplete_downloads_of_former_versions_are_removed(tasks):
    tasks.folder.mkdir()
    key, former = checksum(QCOW2)[:16], "0123456789ab"
    others = [f".debian-13-web-{former}.qcow2.{former}.part", f".debian-13-{former}.raw.{former}.part", "disk.part"]
    gone = [f".debian-13-{former}.qcow2.{former}.part", f".debian-13-{former}.qcow2.{former}.part.qcow2"]
    for name in (*others, *gone):
        (tasks.folder / name).write_bytes(b"x")
    (tasks.folder / f".{_stored(QCOW2)}.{key}.part").write_bytes(QCOW2[:1000])
    tasks.run()
    assert tasks.files() == sorted([*others, _stored(QCOW2), f"{_stored(QCOW2)}.json"])
    assert tasks.server.fetched(_IMAGE)[-1] == "bytes=1000-"


def test_credentials_of_a_list_of_checksums_are_not_shown(tasks):
    address = address_of(tasks, path="/x/image.qcow2")
    tasks.server.files["/x/SUMS"] = f"{checksum(QCOW2)}  image.qcow2\n".encode()
    asked = {"checksum": f"sha256:{tasks.server.url.replace('//', '//ann:secret@')}/x/SUMS"}
    image = tasks.run(source=address, **asked)
    record = (tasks.folder / f"{image['source'].rpartition('/')[2]}.json").read_text()
    assert "secret" not in record
    assert tasks.run(source=address, **asked)["fetch"] is None
    assert "secret" not in tasks.error(source=address_of(tasks, path="/y/other.qcow2"), **asked)


def test_credentials_of_an_address_are_not_shown(tasks):
    address = address_of(tasks, path="/x/image.qcow2").replace("//", "//ann:secret@")
    image = tasks.run(source=address)
    record = (tasks.folder / f"{image['source'].rpartition('/')[2]}.json").read_text()
    assert "secret" not in record + image["name"] + image["source"] + "".join(image["warnings"])


# Names ----------------------------------------------------------------------------------------------------------------


def test_unknown_name_names_near_ones(tasks):
    request = Request(name="web1", creation={"image": {"source": "debain-13", "catalogue": {"names": ["debian-13"]}}})
    with pytest.raises(InvalidInput, match=r"there is no image named 'debain-13'. Did you mean debian-13[?]"):
        Images(str(tasks.folder)).resolved(request)


def test_path_is_left_as_it_is(tasks):
    request = Request(name="web1", creation={"image": {"source": "/x.qcow2"}})
    assert Images(str(tasks.folder)).resolved(request) is request


def test_mirror_replaces_the_longest_prefix(tasks, server):
    medium = tasks.medium(bases=["https://cloud.example.org/images/latest"])
    mirrors = {"https://cloud.example.org/": "http://127.0.0.1:1/", "https://cloud.example.org/images": server.url}
    assert tasks.run(medium, mirrors=mirrors)["digest"] == f"sha256:{checksum(QCOW2)}"


def test_missing_signature_is_an_error_if_it_is_required(tasks):
    text = tasks.error(require_signature=True)
    assert "its signature cannot be checked. The vendor publishes no signature." in text


@with_gpg
@pytest.mark.parametrize("is_right", [True, False], ids=["right", "wrong"])
def test_signature_of_the_list_is_checked_before_anything_is_written(tasks, server, tmp_path, is_right):
    signer = Signer(tmp_path / "gpg", server)
    try:
        server.files[f"{_SUMS}.sign"] = signer.detached(server.files[_SUMS] if is_right else b"another list")
        medium = tasks.medium(signature=signer.signature(file="SHA256SUMS.sign"))
        if is_right:
            assert tasks.resolved(medium, require_signature=True)["warnings"] == []
        else:
            assert "has no valid signature" in tasks.error(medium)
    finally:
        signer.close()


def test_image_of_another_name_is_not_used(tasks):
    tasks.run()
    other = _qcow2(content=b"of another system")
    tasks.publish(other, "/other/debian-12-generic-amd64.qcow2", "/other/SHA256SUMS")
    medium = tasks.medium(file="debian-12-generic-amd64.qcow2", bases=[f"{tasks.server.url}/other"])
    assert tasks.run(medium, source="debian-12")["source"].endswith(_stored(other, name="debian-12"))


def test_download_without_checksum_begins_again(tasks, server, pauses):
    """Nothing would detect that the rest is of a newer version."""
    images = Images(str(tasks.folder))
    image = tasks.resolved(source=address_of(tasks, path="/x/image.qcow2"), images=images)
    server.cuts["/x/image.qcow2"] = [3000]
    images.fetch(image)
    assert server.fetched("/x/image.qcow2")[-2:] == [None, None]
