# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only the owner can read the disk of a VM, unless QEMU could not open it then."""

from __future__ import annotations

import os
import stat
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import storage
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.observe import VirshObserver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.storage import Storage, opens_private_disk
from ansible_collections.polyvirt.core.plugins.module_utils._ports import partial_files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

_DAC = "<secmodel><model>dac</model><doi>0</doi><baselabel type='kvm'>+64055:+107</baselabel></secmodel>"


@pytest.fixture(name="umask", autouse=True)
def _umask():
    former = os.umask(0o022)
    yield
    os.umask(former)


@pytest.fixture(name="base")
def _base(tmp_path):
    path = tmp_path / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"], check=True)
    return str(path)


def _mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("image_format", ["qcow2", "raw"])
@pytest.mark.parametrize("image", [None, {}, {"linked": True, "format": "qcow2"}], ids=["empty", "copy", "linked"])
def test_new_disk_can_be_read_by_its_owner_only(tmp_path, base, image_format, image):
    kept, path = Storage(QemuImg(Commands()), str(tmp_path)), str(tmp_path / "web-vda")
    source = image if image is None else {**image, "source": base}
    assert kept.create_disk(path, {"format": image_format, "size": 1 << 20}, source)
    assert (_mode(path), _mode(base)) == (0o600, 0o644)


def test_disk_that_qemu_could_not_open_can_be_read_by_all_with_a_warning(tmp_path, monkeypatch):
    """Another user of the file system owns what root creates (NFS)."""
    host, path = _observer(), str(tmp_path / "web-vda")
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    kept = Storage(QemuImg(Commands()), str(tmp_path), host=host)
    assert kept.create_disk(path, {"size": 1 << 20}, None)
    assert _mode(path) == 0o644
    assert [one.startswith(f"{path}: all users of this host can read this disk") for one in host.warnings] == [True]


def _observer(uri="qemu:///system", hypervisor="QEMU"):
    observer = VirshObserver(SimpleNamespace(uri=uri, run=lambda *_words: _DAC), None, {})
    observer.hypervisor = hypervisor
    return observer


@pytest.mark.parametrize(
    ("setting", "owner"),
    [("#dynamic_ownership = 0", None), ("dynamic_ownership = 1", None), ("dynamic_ownership = 0", (64055, 107))],
)
def test_owner_of_a_disk_is_qemus_user_if_libvirt_changes_none(tmp_path, base, monkeypatch, setting, owner):
    conf, given = tmp_path / "qemu.conf", []
    conf.write_text(f"user = 1\n {setting}\n", encoding="utf-8")
    monkeypatch.setattr(storage, "_QEMU_CONF", str(conf))
    monkeypatch.setattr(os, "chown", lambda path, *ids: given.append((path, ids)))
    assert opens_private_disk(_observer(), base)
    assert given == ([(base, owner)] if owner else [])


@pytest.mark.parametrize(
    ("user", "owner", "has_attributes", "can"),
    [(0, 0, False, True), (0, 65534, True, False), (1000, 1000, True, True), (1000, 1000, False, False)],
    ids=["root without attributes", "NFS", "user", "user without attributes"],
)
def test_libvirt_changes_the_owner_and_back(monkeypatch, base, user, owner, has_attributes, can):
    def getxattr(_path, _name):
        raise OSError(61 if has_attributes else 95, "no such attribute, or no attributes at all")

    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "getxattr", getxattr)
    monkeypatch.setattr(partial_files.os, "stat", lambda _path: SimpleNamespace(st_uid=owner))
    assert partial_files.can_change_owner_and_back(base) == can


@pytest.mark.parametrize(("uri", "hypervisor"), [("qemu:///session", "QEMU"), ("test:///default", "TEST")])
def test_session_of_a_user_has_its_own_disks(monkeypatch, base, uri, hypervisor):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert opens_private_disk(_observer(uri, hypervisor), base)
