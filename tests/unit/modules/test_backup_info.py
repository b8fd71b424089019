# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vm_backup_info returns of a directory: all backups, and the newest one of each VM that counts."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup import manifest as manifests
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._media.backup_folder import BackupFolder
from ansible_collections.polyvirt.core.plugins.modules.vm_backup_info import MODULE

NOW = 1801396800
CONTENT = b"<domain/>"


class _Check:
    check_mode = True


def _make(folder, name, birth, age, is_finished=True):
    entry = {"name": "definition.xml", "role": "definition"}
    start = NOW - age
    backup_id = manifests.new_id(start, birth)
    begun = manifests.unfinished(Vm(name, power="running"), birth, "host1", backup_id, start, [entry])
    folder.begin(begun)
    folder.write(begun, "definition.xml", CONTENT)
    if is_finished:
        folder.finish(begun, "crash")
    return backup_id


@pytest.fixture(name="directory")
def _directory(tmp_path):
    folder = BackupFolder(str(tmp_path), "host1")
    _make(folder, "web1", "u1", 7200)
    _make(folder, "web1", "u1", 3600)
    _make(folder, "web1", "u1", 60, is_finished=False)
    _make(folder, "db1", "u2", 99)
    (tmp_path / "u3").mkdir()
    (tmp_path / "not-a-directory").write_text("")
    return tmp_path


def _result(place, **options):
    given = {"platform": "libvirt", "directory": str(place), "controller_time": NOW, "verify": False, **options}
    return MODULE.result({**dict.fromkeys(MODULE.options), **given}, _Check())


def test_all_backups_and_the_newest_of_each_vm(directory):
    found = _result(directory)
    assert [(one["vm"], one["age"], bool(one["unfinished"])) for one in found["backups"]] == [
        ("web1", 7200, False),
        ("web1", 3600, False),
        ("db1", 99, False),
        ("web1", 60, True),
    ]
    assert [(one["name"], one["age"], one["count"]) for one in found["vms"]] == [("db1", 99, 1), ("web1", 3600, 3)]
    assert [one["name"] for one in _result(directory, name=["db1"])["vms"]] == ["db1"]


def test_damaged_backup_is_not_the_newest(directory):
    (path,) = (directory / "u2").glob("*/definition.xml")
    path.write_bytes(b"x" * len(CONTENT))
    assert hashlib.sha256(path.read_bytes()).hexdigest()
    assert _result(directory, name=["db1"])["vms"][0]["age"] == 99
    (entry,) = _result(directory, name=["db1"], verify=True)["vms"]
    assert (entry["newest"], entry["age"]) == (None, None)


def test_links_and_second_names_of_files_are_read(directory, tmp_path_factory):
    """Such as backups of one VM on another disk, and copies by rsnapshot."""
    elsewhere = tmp_path_factory.mktemp("disk") / "u2"
    (directory / "u2").rename(elsewhere)
    (directory / "u2").symlink_to(elsewhere)
    (path,) = elsewhere.glob("*/definition.xml")
    (directory / "copy").hardlink_to(path)
    assert [one["age"] for one in _result(directory, name=["db1"], verify=True)["vms"]] == [99]


@pytest.mark.parametrize(
    ("options", "words"), [({"storage": "s"}, "storage: libvirt has no such option"), ({"directory": None}, "not set")]
)
def test_place_of_another_platform_is_rejected(directory, options, words):
    found = _result(directory, **options)
    assert found["failed"]
    assert words in found["msg"]


def test_directory_that_does_not_exist_has_no_backups(tmp_path):
    assert _result(tmp_path / "none")["backups"] == []
