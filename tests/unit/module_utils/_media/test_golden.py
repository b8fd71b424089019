# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a VM becomes an image: what is stored, what is rejected, and which versions are removed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Observation, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import new_mark
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    BASE,
    FILE,
    UNREADABLE,
    WITHOUT_VM,
    Claim,
    Held,
    HoldsClaims,
)
from ansible_collections.polyvirt.core.plugins.module_utils._media import golden
from ansible_collections.polyvirt.core.plugins.module_utils._media.images import Images
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files, folders

NAME = "shop-base"


class _Claims(HoldsClaims):
    def __init__(self, host):
        self._host = host

    def file_identity(self, path):
        return files.identity(path)

    def held(self, wanted):
        found = [Held("web1", "web1", claims=tuple(self.file(path, BASE, "disks.vda"))) for path in self._host.linked]
        mode = UNREADABLE if self._host.is_unread else BASE
        claims = tuple(Claim(FILE, one.identity, mode, WITHOUT_VM, one.text) for one in wanted)
        return [*found, *(Held(path, path, claims=claims) for path in self._host.alone)]


class Host:
    """A driver with one VM, which this collection has created; ``linked`` are the images that disks of VMs need."""

    is_local = True

    def __init__(self, folder):
        self.images = Images(str(folder / "store"), self)
        self.claims, self.linked, self.alone, self.is_unread = _Claims(self), [], [], False
        self.disk = folder / "disk.qcow2"
        self.write("1")
        disks = {"vda": {"source": str(self.disk), "format": "qcow2"}}
        mark = {**new_mark("7", created="now"), "owner": f"golden image {NAME}"}
        self.vm = Vm("build", "7", config={"disks": disks, "firmware": "uefi"}, mark=mark)

    def write(self, content):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.disk, "1M"], check=True)
        subprocess.run(["qemu-io", "-c", f"write -P {content} 0 64k", self.disk], check=True, capture_output=True)

    def traits(self):
        return None

    def observe(self, targets, _facets):
        return Observation(vms=[self.vm] if [self.vm.name] == [one.name for one in targets] else [])

    def run(self, inputs="one", check=False, sealed="7", **changes):
        asked = {"name": "build", "inputs": inputs, "sealed": sealed, "record": {"users": ["root"]}}
        params = {"name": [NAME], "from_vm": asked, "timeout": 1, **changes}
        return golden.present(self, params, check, Approval())

    def stored(self):
        return sorted(one.golden["inputs"] for one in self.images.store.all())


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_disk_is_stored_once(host):
    check = host.run(check=True)
    assert (check["changed"], host.images.store.all()) == (True, [])
    done = host.run()
    assert (done["changed"], done["diff"]) == (True, check["diff"])
    (image,) = done["images"]
    assert image["golden"] == {
        "version": 1, "inputs": "one", "vm": "build", "firmware": "uefi", "bus": "virtio", "users": ["root"],
    }  # fmt: skip
    assert (image["size"], image["format"], image["name"]) == (1 << 20, "qcow2", NAME)
    compared = subprocess.run(["qemu-img", "compare", "-q", host.disk, image["path"]], check=False)
    assert compared.returncode == 0
    host.vm = host.vm.having(name="gone")
    again = host.run(sealed=None)
    assert (again["changed"], again["images"]) == (False, done["images"])


def test_old_version_is_removed_unless_a_vm_needs_it(host):
    host.linked = [host.run("one")["images"][0]["path"]]
    host.write("2")
    assert (host.run("two")["changed"], host.stored()) == (True, ["one", "two"])
    assert (host.run("two")["changed"], host.stored()) == (False, ["one", "two"])
    host.linked = []
    check = host.run("two", check=True)
    assert (check["changed"], host.stored()) == (True, ["one", "two"])
    assert (host.run("two")["diff"], host.stored()) == (check["diff"], ["two"])
    assert host.images.store.all()[0].golden["version"] == 2


def test_version_that_a_program_has_open_is_kept(host, monkeypatch):
    host.run("one")
    host.write("2")
    monkeypatch.setattr(golden.locks, "is_open_elsewhere", lambda path: True)
    host.run("two")
    assert host.stored() == ["one", "two"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": "other"}, NotFound, "there is no VM build"),
        ({"mark": new_mark("7")}, Refused, "build has no record of creation by this collection"),
        ({"mark": None}, Refused, "build has no record of creation by this collection"),
        ({"power": "running"}, Refused, "build is running"),
        ({"config": {"disks": {}}}, Refused, "the VM build has 0 disks"),
        ({"config": {"disks": {"vda": {"source": "volume"}}}}, Refused, "the disk volume of build is not a file"),
    ],
)
def test_vm_that_cannot_be_stored_is_rejected(host, changes, error, message):
    host.vm = host.vm.having(**changes)
    for check in (True, False):
        with pytest.raises(error, match=message):
            host.run(check=check)
    assert not files.exists(host.images.directory)


@pytest.mark.parametrize("owner", ["golden image other", "anna", None])
def test_vm_that_was_created_for_something_else_is_rejected(host, owner):
    lease = {"owner": owner} if owner else {}
    host.vm = host.vm.having(mark={**new_mark("7", created="now"), **lease})
    for check in (True, False):
        with pytest.raises(Refused, match=f"the owner of build is {owner or 'not set'}, not golden image shop-base"):
            host.run(check=check)
    assert not files.exists(host.images.directory)


@pytest.mark.parametrize("sealed", ["8", "", None])
def test_vm_that_was_not_sealed_is_rejected(host, sealed):
    """The guest of another host has the same inventory name: it was sealed, and this one was not."""
    for check in (True, False):
        with pytest.raises(Refused, match=f"the VM that was sealed is {sealed or 'not set'}"):
            host.run(check=check, sealed=sealed)
    assert not files.exists(host.images.directory)


@pytest.mark.parametrize(("of_disk", "of_image"), [(0o600, 0o600), (0o644, 0o644)])
def test_only_users_who_can_read_the_disk_can_read_the_image(host, monkeypatch, of_disk, of_image):
    # Directories of tests are private.
    monkeypatch.setattr(folders, "may_everybody_enter", lambda folder: True)
    convert, modes = golden.QemuImg.convert, []

    def watched(self, source, source_format, path, image_format):
        convert(self, source, source_format, path, image_format)
        modes.append(Path(path).stat().st_mode & 0o777)

    monkeypatch.setattr(golden.QemuImg, "convert", watched)
    host.disk.chmod(of_disk)
    path = host.run()["images"][0]["path"]
    assert (modes, Path(path).stat().st_mode & 0o777) == ([0o600], of_image)


@pytest.mark.parametrize("names", [["a", "b"], ["Shop"], ["https://example.com/x.qcow2"]])
def test_name_that_no_catalogue_can_have_is_rejected(host, names):
    with pytest.raises(InvalidInput, match="from_vm needs a single name"):
        host.run(name=names)


def test_name_of_a_download_is_rejected(host):
    host.run()
    record = next(path for path in files.entries(host.images.directory) if path.endswith(".json"))
    path = f"{host.images.directory}/{record}"
    text = files.read(path).decode()
    start = text.index('"golden"')
    files.write_atomically(path, (text[:start] + '"golden": null, "x"' + text[start + 8 :]).encode(), 0o644)
    with pytest.raises(Refused, match="is not a golden image"):
        host.run("two")


def test_too_little_space_is_rejected_before_the_copy(host, monkeypatch):
    monkeypatch.setattr(files, "free_space", lambda path: 1000)
    with pytest.raises(Refused, match="for the image"):
        host.run()
    assert not files.exists(host.images.directory)


@pytest.mark.parametrize("is_unread", [False, True])
def test_older_version_is_kept_for_disk_files_without_a_vm(host, is_unread):
    host.run()
    host.alone, host.is_unread = ["/vms/left.qcow2"], is_unread
    host.write("2")
    for check in (True, False):
        result = host.run("two", check=check)
        assert result["warnings"][0].startswith(f"name: {NAME}: older versions are kept: ")
        assert ("/vms/left.qcow2, which no VM has, needs" in result["warnings"][0]) != is_unread
    assert host.stored() == ["one", "two"]
