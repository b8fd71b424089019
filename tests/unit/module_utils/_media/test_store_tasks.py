# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules image and image_info with a platform whose VMs hold files: what is fetched, removed, rejected, listed."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from datetime import date, timedelta
from hashlib import sha256

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, PolyvirtError, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    BASE,
    DELETE,
    FILE,
    UNREADABLE,
    WITHOUT_VM,
    Claim,
    Held,
    HoldsClaims,
)
from ansible_collections.polyvirt.core.plugins.module_utils._media import on_host, store_tasks
from ansible_collections.polyvirt.core.plugins.module_utils._media.choose import Needs
from ansible_collections.polyvirt.core.plugins.module_utils._media.download import downloading
from ansible_collections.polyvirt.core.plugins.module_utils._media.images import Images
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._drivers.virsh.answers import opened_elsewhere
from unit.module_utils._media.server import checksum
from unit.module_utils._media.test_images import QCOW2

NAME, OTHER, FILE_NAME = "tests-1", "tests-2", "tests.qcow2"


class _Claims(HoldsClaims):
    def __init__(self, host):
        self._host = host

    def file_identity(self, path):
        return files.identity(path)

    def held(self, wanted):
        if self._host.problem:
            raise self._host.problem
        self._host.modes.update(claim.mode for claim in wanted)
        found = [Held(name, name, claims=tuple(self.file(path, BASE, "disks.vda"))) for name, path in self._host.linked]
        unreadable = Claim(FILE, UNREADABLE, UNREADABLE, "disks.vda", self._host.unreadable, remedy="Repair it.")
        found += [Held("bad", "bad", claims=(unreadable,))] if self._host.unreadable else []
        claims = tuple(Claim(FILE, one.identity, BASE, WITHOUT_VM, one.text) for one in wanted)
        return [*found, *(Held(path, path, claims=claims) for path in self._host.alone)]


class _Images(Images):
    """The images of a host, which is the driver, too."""

    def needs(self, request):
        self._driver.firmware.append(request.config.get("firmware"))
        return Needs("libvirt", request.config.get("architecture") or "amd64", ("qcow2",))


class _Host:
    """A host with a vendor's server; each call is a task with a driver of its own."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.linked, self.unreadable, self.problem, self.modes, self.observed = [], "", None, set(), 0
        self.firmware, self.alone = [], []

    def publish(self, name=NAME, content=QCOW2):
        self.server.files[f"/{name}/{FILE_NAME}"] = content
        self.server.files[f"/{name}/SUMS"] = f"{checksum(content)} *{FILE_NAME}\n".encode()

    def medium(self, name, architecture="amd64"):
        found = {"type": "cloud", "architecture": architecture, "file": FILE_NAME, "checksums": "SUMS"}
        return {**found, "bases": [f"{self.server.url}/{name}"], "image": {"format": "qcow2"}}

    def driver(self):
        host = self

        class Driver(on_host.KeepsImages):
            claims = _Claims(host)
            images = _Images(str(host.folder), host)

            def traits(self):
                return None

            def observe(self, targets, facets):
                host.observed += 1

        return Driver()

    def _params(self, names, more):
        catalogue = {name: {"media": [self.medium(name), self.medium(OTHER, "arm64")]} for name in (NAME, OTHER)}
        defaults = dict.fromkeys(("checksum", "refresh", "headers", "require_signature", "firmware"))
        return {"name": list(names), "timeout": 300, "catalogue": catalogue, **defaults, **more}

    def present(self, *names, check=False, **more):
        return store_tasks.present(self.driver(), self._params(names or (NAME,), more), check, Approval())

    def absent(self, *names, check=False, approval=None, **more):
        return store_tasks.absent(self.driver(), self._params(names or (NAME,), more), check, approval or Approval())

    def report(self, *arguments):
        return store_tasks.report(self.driver(), *arguments)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    def leftover(self, name):
        path = self.folder / name
        self.folder.mkdir(exist_ok=True)
        path.write_bytes(b"incomplete")
        return path


@pytest.fixture(name="host")
def _host(server, tmp_path):
    host = _Host(server, tmp_path / "store")
    host.publish()
    host.publish(OTHER, QCOW2 + b"other")
    return host


def _path(host, content=QCOW2, name=NAME):
    return str(host.folder / f"{name}-{checksum(content)[:12]}.qcow2")


# Fetching -------------------------------------------------------------------------------------------------------------


def test_check_mode_predicts_the_run_and_the_second_run_does_nothing(host, server):
    check = host.present(check=True)
    assert host.files() == []
    run = host.present()
    assert check == run
    assert run["changed"] is True
    assert (run["diff"]["before"], run["diff"]["after"]) == ("", f"{_path(host)}\n")
    server.requests.clear()
    again = host.present()
    assert (again["changed"], again["images"], server.requests) == (False, run["images"], [])
    assert again["diff"]["before"] == again["diff"]["after"] == f"{_path(host)}\n"


def test_image_is_described(host):
    host.present()
    host.linked = [("web1", _path(host))]
    assert host.present()["images"] == [
        {
            "name": NAME,
            "path": _path(host),
            "digest": f"sha256:{checksum(QCOW2)}",
            "architecture": "amd64",
            "size": 3 << 30,
            "format": "qcow2",
            "fetched": date.today().isoformat(),
            "checked": "checksum",
            "golden": None,
            "users": ["web1"],
        }
    ]


def test_images_of_two_architectures_are_two_images(host):
    (amd64,), (arm64,) = host.present()["images"], host.present(architecture="arm64")["images"]
    assert (amd64["architecture"], arm64["architecture"]) == ("amd64", "arm64")
    assert [one["path"] for one in host.report("arm64")["images"]] == [arm64["path"]]
    assert [one["path"] for one in host.absent(architecture="arm64")["images"]] == [arm64["path"]]
    assert [one["path"] for one in host.report()["images"]] == [amd64["path"]]


def test_new_image_needs_no_answer_of_the_platform(host):
    host.problem = Unavailable("no virsh", why="missing")
    result = host.present()
    assert (result["images"][0]["users"], result["warnings"], host.observed) == ([], [], 0)


def test_firmware_is_that_of_the_vms(host):
    host.present(check=True)
    host.present(check=True, firmware="uefi")
    assert host.firmware == [None, "uefi"]


def test_refresh_stores_a_newer_version_next_to_the_old_one(host):
    host.present()
    host.publish(content=QCOW2 + b"newer")
    assert host.present()["changed"] is False
    result = host.present(refresh=True)
    assert (result["changed"], [one["path"] for one in result["images"]]) == (True, [_path(host, QCOW2 + b"newer")])
    assert len(host.files()) == 4


def test_failure_after_the_first_image_reports_what_was_fetched(host, server):
    server.cuts[f"/{OTHER}/{FILE_NAME}"] = [None, 5000, 0, 0, 0]
    result = host.present(NAME, OTHER)
    assert (result["failed"], result["changed"], [one["name"] for one in result["images"]]) == (True, True, [NAME])
    assert "the connection broke off" in result["msg"]


def test_path_is_rejected(host):
    with pytest.raises(InvalidInput, match=r"name: /srv/x.qcow2 is a path"):
        host.present("/srv/x.qcow2")


def test_warnings_of_an_address_are_returned(host, server):
    result = host.present(f"{server.url}/{NAME}/{FILE_NAME}")
    assert "nothing was verified" in result["warnings"][0]


def test_image_that_was_copied_from_another_host_needs_no_request(host, server, tmp_path):
    host.present()
    other = _Host(server, tmp_path / "copied")
    shutil.copytree(host.folder, other.folder)
    server.requests.clear()
    assert (other.present()["changed"], server.requests) == (False, [])


# Removing -------------------------------------------------------------------------------------------------------------


def test_absent_removes_all_versions_of_the_name_only(host):
    host.present(NAME, OTHER)
    host.publish(content=QCOW2 + b"newer")
    host.present(refresh=True)
    before = host.files()
    check = host.absent(check=True)
    assert host.files() == before
    run = host.absent()
    assert check == run
    assert run["changed"] is True
    assert sorted(run["diff"]["before"].split()) == sorted([_path(host), _path(host, QCOW2 + b"newer")])
    assert [name[: len(OTHER)] for name in host.files()] == [OTHER, OTHER]
    assert host.absent()["changed"] is False


def test_absent_of_an_address_ignores_its_credentials(host, server):
    address = f"{server.url}/{NAME}/{FILE_NAME}"
    host.present(address, checksum=f"sha256:{checksum(QCOW2)}")
    assert host.absent(address.replace("://", "://user:secret@"))["changed"] is True
    assert host.files() == []


def test_used_image_is_kept(host):
    host.present()
    host.linked = [("web2", _path(host)), ("web1", _path(host)), ("db1", "/elsewhere.qcow2")]
    before = host.files()
    for check in (True, False):
        with pytest.raises(PolyvirtError, match=r"tests-1: disks of web1, web2 need .*Nothing was removed"):
            host.absent(check=check)
    assert host.files() == before
    assert host.modes == {DELETE}


def test_image_is_kept_for_disk_files_without_a_vm(host):
    host.present()
    host.alone = ["/vms/left.qcow2"]
    message = f"tests-1: disk files that no VM has need {_path(host)}: /vms/left.qcow2. Delete these files first if"
    for check in (True, False):
        with pytest.raises(PolyvirtError, match=message):
            host.absent(check=check)
    assert len(host.files()) == 2


@pytest.mark.parametrize(("state", "message"), [
    ("", None), ("only record", None), ("nothing", None), ("no record", "has no record"), ("link", "is a link, and"),
    ("other content", "has no record of this collection that fits it"), ("linked", "is needed by web1. Delete these"),
    ("alone", "is needed by /left. Delete these first"), ("unreadable", "may be needed: bad uses an image. Repair it."),
])  # fmt: skip
def test_image_at_a_path_is_removed_with_proof_and_if_nobody_needs_it(host, tmp_path, state, message):
    path, record = tmp_path / "base.qcow2", tmp_path / "base.qcow2.polyvirt.json"
    path.write_bytes(QCOW2)
    if state not in ("no record", "nothing"):
        record.write_text(json.dumps({"file_size": len(QCOW2), "sha256": sha256(QCOW2).hexdigest()}))
    if state == "other content":
        path.write_bytes(QCOW2[:-1] + b"x")
    elif state in ("only record", "nothing"):
        path.unlink()
    elif state == "link":
        path.symlink_to(path.rename(tmp_path / "real"))
    host.linked, host.alone = [("web1", str(path))] * (state == "linked"), ["/left"] * (state == "alone")
    host.unreadable = "bad uses an image" * (state == "unreadable")
    before = {one.name for one in tmp_path.iterdir()}
    for check in (True, False, None):
        result = store_tasks.absent_file(host.driver(), str(path), bool(check), Approval())
        assert result["changed"] == (not message and state != "nothing" and check is not None)
        assert result.get("msg", "").count(message or "none") == bool(message)
        gone = set() if message or check else {path.name, record.name}
        assert {one.name for one in tmp_path.iterdir()} == before - gone


def test_image_is_kept_if_a_disk_cannot_be_read(host):
    host.present()
    host.unreadable = "bad uses an image that cannot be read"
    with pytest.raises(PolyvirtError, match=r"cannot be read. Repair it. Nothing was removed."):
        host.absent()
    assert len(host.files()) == 2


def test_image_is_kept_if_the_platform_does_not_answer(host):
    host.present()
    host.problem = Unavailable("no virsh", why="missing")
    with pytest.raises(Unavailable):
        host.absent()
    assert len(host.files()) == 2


def test_image_that_a_vm_of_another_connection_has_open_is_kept(host):
    """Its definition cannot be read here; the lock of QEMU on the file is all that shows it."""
    host.present()
    with opened_elsewhere(_path(host)):
        for check in (True, False):
            with pytest.raises(PolyvirtError, match=f"name: {NAME}: {_path(host)} is open in another program"):
                host.absent(check=check)
    assert len(host.files()) == 2


def test_image_that_is_opened_during_the_task_is_kept(host, monkeypatch):
    """The VMs are read before the images are removed, which takes time."""
    host.present(NAME, OTHER)
    approval = Approval()
    with ExitStack() as held:
        path = _path(host, QCOW2 + b"other", OTHER)
        monkeypatch.setattr(approval, "permit", lambda *_plan: held.enter_context(opened_elsewhere(path)))
        with pytest.raises(PolyvirtError, match=f"{OTHER}: {path} is open in another program"):
            host.absent(NAME, OTHER, approval=approval)
    assert len(host.files()) == 4


def test_leftovers_are_removed_and_running_downloads_are_not(host):
    names = [".a-1.qcow2.0123.part", ".a-1.qcow2.0123.part.disk.raw", ".b-1.vdi.4567.part.vdi", "other.part"]
    for name in names:
        host.leftover(name)
    with downloading(str(host.folder / "c.qcow2"), "89", 0):
        (host.folder / ".c.qcow2.89.part").write_bytes(b"begun")
        host.leftover(".c.qcow2.89.part.raw")
        check, run = host.absent(check=True), host.absent()
        assert host.files() == [".c.qcow2.89.part", ".c.qcow2.89.part.raw", "other.part"]
    assert check == run
    assert run["diff"]["before"].split() == [str(host.folder / name) for name in names[:3]]
    assert (run["changed"], run["images"]) == (True, [])


# Listing --------------------------------------------------------------------------------------------------------------


def test_report_lists_what_is_stored(host):
    host.present()
    host.linked = [("web1", _path(host))]
    (host.folder / "other.qcow2").write_bytes(b"of somebody else")
    record = host.folder / f"{_path(host)}.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    content["fetched"] = (date.today() - timedelta(days=12)).isoformat()
    record.write_text(json.dumps(content), encoding="utf-8")
    result = host.report()
    assert (result["changed"], result["directory"], result["warnings"]) == (False, str(host.folder), [])
    (image,) = result["images"]
    assert (image["name"], image["users"], image["age"]) == (NAME, ["web1"], 12)
    assert (image["size"], image["file_size"]) == (3 << 30, len(QCOW2))
    assert host.modes == {BASE}


def test_report_without_the_platform_does_not_fail(host):
    host.present()
    host.problem = Unavailable("virsh was not found.", why="missing")
    result = host.report()
    assert [one["users"] for one in result["images"]] == [None]
    assert result["warnings"] == ["It is not known which VMs use the images: virsh was not found."]


def test_report_without_a_store_asks_nobody(host):
    assert (host.report()["images"], host.observed, host.files()) == ([], 0, [])
