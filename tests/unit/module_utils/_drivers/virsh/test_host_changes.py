# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of libvirt that a removal deletes, and the disks in them, which it keeps."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.course import Step
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt import host_changes, host_reading
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.host_record import Record


@pytest.fixture(name="root")
def _root(tmp_path, monkeypatch):
    """A host with two directories of libvirt; one of them has that for disks."""
    for name in ("etc/qemu", "lib/images", "lib/qemu/nvram"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/qemu/default.xml").touch()
    (tmp_path / "lib/qemu/nvram/gone_VARS.fd").touch()
    for module in (host_reading, host_changes):
        monkeypatch.setattr(module, "IMAGES", str(tmp_path / "lib/images"))
    monkeypatch.setattr(host_reading, "_FOLDERS", tuple(str(tmp_path / name) for name in ("etc", "lib", "none")))
    return tmp_path


def _remove(root):
    reader = host_reading.Reader(None, None)
    folders = reader.folders()
    changes = host_changes.Changes(None, None, reader)
    changes.make(Step("folders", list(folders), []), {"state": "absent"})
    return [one.rpartition("/")[2] for one in folders], sorted(str(one.relative_to(root)) for one in root.rglob("*"))


def test_directories_without_disks_are_deleted(root):
    assert _remove(root) == (["etc", "lib"], [])


class _Recording(host_reading.Reader):
    """A host with a record of an installation that was interrupted, on which ``init`` cannot be removed."""

    def __init__(self):
        super().__init__(None, None)
        self.stored = Record(packages_before=("bash",), nested=True)

    def record(self):
        return self.stored

    def installed(self):
        return frozenset({"bash", "qemu", "init"})

    def removable(self, packages):
        return tuple(name for name in packages if name != "init")


def test_removal_knows_what_an_interrupted_installation_has_added(monkeypatch):
    reader = _Recording()
    assert reader.whole_record().packages == ("qemu",)
    changes = host_changes.Changes(None, None, reader)
    monkeypatch.setattr(changes, "_store", lambda record: setattr(reader, "stored", record))
    monkeypatch.setattr(host_changes.files, "remove", lambda path: None)
    changes.make(Step("nested", True, None), {"state": "absent"})
    assert reader.stored == Record(packages=("qemu",))


def test_disks_are_kept(root):
    (root / "lib/images/web1.qcow2").write_bytes(b"data")
    assert _remove(root) == (["etc", "lib"], ["lib", "lib/images", "lib/images/web1.qcow2"])
    # What only holds disks is no step of the next run.
    assert _remove(root)[0] == []
