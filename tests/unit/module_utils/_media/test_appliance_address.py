# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances at an address: parts of them are read, and the whole file is downloaded before a VM is created."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as options
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan_create import fetch_steps
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import digest_of_disk, inputs_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import APPLIANCES
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances import address as product
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.lookup import resolved
from ansible_collections.polyvirt.core.plugins.module_utils._media.images import Images
from ansible_collections.polyvirt.core.plugins.module_utils._ports import download

from suite import appliance_files as made
from unit.module_utils._media.appliance_tasks import VMDK, M, ova, request

PLAIN = {name: option.default for name, option in options.VM.items()}
#: A disk that is larger than what is read of it.
LARGE = VMDK + bytes(5 * M)


class Published:
    """An appliance on a server, and the directory to which it is downloaded."""

    def __init__(self, server, folder):
        self.server, self.folder, self.store = server, folder, folder / "store"
        self.publish({"disk1.vmdk": LARGE})

    def publish(self, disks, text=None):
        self.content = Path(ova(self.folder, text, disks)).read_bytes()
        self.server.files["/shop.ova"], self.address = self.content, f"{self.server.url}/shop.ova"
        self.checksum = f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def read(self, images=None, **more):
        asked = request(self.address, **{"checksum": self.checksum, **more})
        return resolved(asked, APPLIANCES, images or Images(str(self.store)))

    def files(self):
        return sorted(one.name for one in self.store.iterdir()) if self.store.exists() else []


@pytest.fixture(name="published")
def _published(server, tmp_path):
    return Published(server, tmp_path)


def _run(found):
    for step in fetch_steps(found):
        step.arguments["image"]["fetch"].run(None, step.arguments["image"])


def test_appliance_is_read_in_parts_and_downloaded_once(published):
    found = published.read()
    disk = found.creation["appliance"]["disks"]["sata0"]
    assert all(wanted for _path, wanted in published.server.requests)
    assert len(published.server.requests) < 6
    assert (found.config["memory"], found.creation["appliance"]["warnings"], published.files()) == (64 * M, [], [])
    (step,) = fetch_steps(found)
    assert "shop.ova" in step.note
    _run(found)
    assert Path(disk["source"]).read_bytes() == published.content
    begin, size = disk["part"]
    assert (published.content[begin : begin + len(LARGE)], size - len(LARGE)) == (LARGE, -len(LARGE) % 512)
    (one,) = Images(str(published.store)).store.all()
    assert (one.name, one.format, one.checked) == (published.address, "ova", "checksum")
    published.server.requests.clear()
    again = published.read()
    stored = again.creation["appliance"]["disks"]["sata0"]
    assert (published.server.requests, stored["fetch"], fetch_steps(again)) == ([], None, [])
    assert {**disk, "fetch": None} == stored
    assert digest_of_disk(disk) == digest_of_disk(stored)


def test_disks_of_one_appliance_are_downloaded_together(published):
    body = made.hardware(made.sata(("d1", 0), ("d2", 1)))
    files = [("f1", "a.vmdk", ""), ("f2", "b.vmdk", "")]
    text = made.envelope(body, files, [("d1", "f1", 16 * M), ("d2", "f2", 16 * M)])
    published.publish({"a.vmdk": LARGE, "b.vmdk": VMDK}, text)
    found = published.read(networks={})
    extents = [one["fetch"].extent for one in found.creation["appliance"]["disks"].values()]
    assert (len(fetch_steps(found)), extents) == (1, [len(LARGE), len(VMDK)])


def test_parts_are_read_once_for_all_vms_of_a_task(published):
    images = Images(str(published.store))
    found = [published.read(images=images) for _vm in range(3)]
    assert len(published.server.requests) == len(set(published.server.requests))
    assert found[0].creation == found[2].creation


def _rejected(published, words, **more):
    with pytest.raises(PolyvirtError) as caught:
        published.read(**more)
    assert words in f"{caught.value.message} {caught.value.remedy}", caught.value.message
    assert published.files() == []


def test_server_without_ranges_is_rejected_with_the_remedy(published):
    published.server.ranges = False
    words = "shop.ova cannot be read in parts, because its server does not support ranges. Download it with ansible."
    _rejected(published, words)


@pytest.mark.parametrize("what", ["descriptor", "gzip", "bzip2"])
def test_file_that_is_no_plain_archive_is_rejected_with_the_remedy(published, what):
    texts = {
        "descriptor": (made.one_disk().encode(), "Download it with ansible.builtin.get_url"),
        "gzip": (gzip.compress(published.content), "Download it with ansible.builtin.get_url"),
        "bzip2": (b"BZh91AY", "is compressed. Unpack it (tar -xjf)"),
    }
    published.server.files["/shop.ova"], words = texts[what]
    _rejected(published, words)


def test_disk_that_cannot_be_read_in_parts_is_rejected_with_the_remedy(published):
    packed = {"disk1.vmdk": gzip.compress(VMDK)}
    pieces = {"disk1.vmdk.000000000": VMDK, "disk1.vmdk.000000001": VMDK}
    for disks, attributes in ((packed, 'ovf:compression="gzip"'), (pieces, f'ovf:chunkSize="{len(VMDK)}"')):
        published.publish(disks, made.one_disk(made.nic(), attributes=attributes))
        _rejected(published, "; it must be downloaded first. Download it with ansible.builtin.get_url")


def test_missing_file_and_damaged_archive_are_rejected(published):
    published.server.files["/shop.ova"] = published.content[: len(LARGE) // 2]
    _rejected(published, "shop.ova is incomplete")
    del published.server.files["/shop.ova"]
    _rejected(published, "the server answers 404")


def test_archive_with_too_many_parts_is_rejected(published, monkeypatch):
    monkeypatch.setattr(product, "_MOST_BLOCKS", 2)
    _rejected(published, "has too many parts to be read at its address")


def test_hostile_appliance_is_rejected_before_a_download(published):
    published.publish({"disk1.vmdk": LARGE}, made.one_disk(made.nic(), file="../../etc/passwd"))
    _rejected(published, "outside of the appliance")
    text = b'# Disk DescriptorFile\nversion=1\nRW 4 FLAT "/etc/passwd" 0\n'
    published.publish({"disk1.vmdk": text.ljust(4096)})
    _rejected(published, "names another file")


def test_download_with_another_checksum_is_not_kept(published):
    found = published.read(checksum=f"sha256:{'0' * 64}")
    with pytest.raises(Refused, match="it must be 0000"):
        _run(found)
    assert [name for name in published.files() if not name.startswith(".")] == []


def test_file_that_is_not_what_was_read_is_rejected(published):
    """The server sends one file in parts, and another one, which has the checksum, as a whole."""
    right = published.content
    published.server.files["/shop.ova"] = right.replace(VMDK, VMDK[:-1] + b"x")
    found = published.read()
    published.server.files["/shop.ova"] = right
    with pytest.raises(Refused, match="has another content than its server sent when this task read it"):
        _run(found)
    # The remedy works.
    assert fetch_steps(published.read()) == []


def test_stored_appliance_that_was_changed_is_rejected(published):
    _run(published.read())
    (name,) = [one for one in published.files() if one.endswith(".ova")]
    path = published.store / name
    path.write_bytes(path.read_bytes()[:-4] + b"evil")
    os.utime(path, (1, 1))
    with pytest.raises(Refused, match="was changed since it was stored"):
        published.read()


def test_appliance_with_empty_disks_is_downloaded_and_compared(published):
    text = made.envelope(made.hardware(made.sata(("d1", 0))), [], [("d1", "", 16 * M)])
    published.publish({}, text)
    found = published.read(networks={})
    assert found.creation["appliance"]["disks"] == {}
    assert len(fetch_steps(found)) == 1
    _run(found)
    assert fetch_steps(published.read(networks={})) == []
    with pytest.raises(Refused, match="it must be 0000"):
        _run(published.read(networks={}, checksum=f"sha256:{'0' * 64}"))


def test_checksum_that_only_begins_as_that_of_the_stored_file_is_rejected(published):
    _run(published.read())
    wrong = published.checksum[:-1] + ("0" if published.checksum[-1] != "0" else "1")
    with pytest.raises(Refused, match=r"appliance: checksum: .* is stored with the checksum .* it must be") as caught:
        published.read(checksum=wrong)
    assert wrong in caught.value.message
    # The remedy works.
    assert fetch_steps(published.read()) == []


@pytest.mark.parametrize(("secret", "mode"), [("://me:S3cret@", 0o600), ("://", 0o644)])
def test_only_its_owner_can_read_an_appliance_that_a_password_protects(published, secret, mode):
    published.address = published.address.replace("://", secret)
    _run(published.read())
    (path,) = published.store.glob("*.ova")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_query_of_an_address_is_in_no_message_and_no_record(published):
    """It can be a signature; the files of two addresses that differ in it can differ, too."""
    plain, query = published.address, "?X-Amz-Signature=S3cret"
    published.server.files[f"/shop.ova{query}"] = published.content
    published.address = f"{plain}{query}"
    found = published.read()
    (step,) = fetch_steps(found)
    mark = inputs_of({"creation": found.creation})
    assert mark["appliance"].startswith(f"{plain}?query-")
    _run(found)
    (path,) = published.store.glob("*.ova")
    assert "S3cret" not in f"{step.note}{mark}{(published.store / f'{path.name}.json').read_text()}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert fetch_steps(published.read()) == []
    published.server.files[f"/shop.ova{query}"] = b"x"
    with pytest.raises(Refused) as caught:
        published.read(checksum=f"sha256:{'0' * 64}")
    assert "S3cret" not in str(caught.value)


@pytest.mark.parametrize("ranges", [True, False])
def test_empty_file_is_reported_as_empty(published, ranges):
    published.server.files["/shop.ova"], published.server.ranges = b"", ranges
    _rejected(published, "shop.ova is empty at its address. Publish it again")


@pytest.mark.parametrize("size", ["²", "9" * 5000], ids=["another digit", "too long"])
def test_size_that_is_no_number_is_no_size(published, size):
    published.server.size = size
    _rejected(published, "its server does not support ranges")
    content, known = download.beginning(published.address, 20, 512)
    assert (content, known) == (published.content[:512], None)


def test_password_in_the_address_is_in_no_message_and_no_record(published):
    published.address = published.address.replace("://", "://me:S3cret@")
    found = published.read()
    fetch = found.creation["appliance"]["disks"]["sata0"]["fetch"]
    assert "S3cret" not in f"{fetch.note}{fetch.stored}"
    published.server.files["/shop.ova"] = b"x"
    with pytest.raises(Refused) as caught:
        published.read()
    assert "S3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("https://a.example/x.ova", "appliance.checksum: it is required"),
        ("x.ova", "appliance.source: 'x.ova' is not an absolute path"),
        ("file:///etc/x.ova", "appliance.source: 'file:///etc/x.ova' is not an absolute path"),
    ],
)
def test_ambiguous_source_is_rejected(source, words):
    with pytest.raises(InvalidInput, match=words):
        requests({**PLAIN, "name": ["web"], "appliance": {"source": source}}, options.VM)
