# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which running VMs use a pool: by its name, by files below its directory, or by the devices that are its volumes."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.pool_host import Pools
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer


class Virsh:
    """virsh with these pools, {name: (type, path, volumes)}, and one running VM with a disk.

    The disk is instead the error with which the definition cannot be read, if it is no element.
    """

    def __init__(self, uri, pools, disk):
        self.uri, self._pools, self._disk = uri, pools, disk

    def batch(self, requests, timeout=None):
        return [self._answer(*words) for words in requests]

    def _answer(self, command, *words):
        if words[-1:] == ("--inactive",) and command == "list":
            return Answer("", None)
        lists = {"pool-list": "\n".join(self._pools), "list": "6d2f4f0c-1d1b-4a55-8f5c-4a2f0f2e7c11 web1\n"}
        if command in lists:
            return Answer(lists[command], None)
        if command == "dumpxml" and not self._disk.startswith("<"):
            return Answer("", self._disk)
        if command == "dumpxml":
            return Answer(f"<domain><devices><disk type='block'>{self._disk}</disk></devices></domain>", None)
        if command not in ("pool-info", "pool-dumpxml", "vol-list"):
            return Answer("", "unknown")
        kind, path, volumes = self._pools[words[0]]
        text = {
            "pool-info": "State: running\nPersistent: yes\n",
            "pool-dumpxml": f"<pool type='{kind}'><name>{words[0]}</name><target><path>{path}</path></target></pool>",
            "vol-list": "".join(f" one   {volume}\n" for volume in volumes),
        }
        return Answer(text[command], None)


def _guests(name, pools, disk, uri="qemu:///system"):
    found = Pools(Virsh(uri, pools, disk))
    found.read()
    return found.state(name).guests


def _source(path):
    return f"<source dev='{path}'/>"


@pytest.mark.parametrize("uri", ["qemu:///system", "qemu+ssh://host/system"])
@pytest.mark.parametrize("kind", ["iscsi", "scsi", "disk", "mpath"])
def test_devices_in_a_shared_directory_belong_to_the_pool_that_lists_them(kind, uri, tmp_path):
    one, two = (str(tmp_path / f"lun-{place}") for place in (1, 2))
    pools = {"first": (kind, str(tmp_path), [one]), "second": (kind, str(tmp_path), [two])}
    assert _guests("first", pools, _source(one), uri) == ("web1",)
    assert _guests("second", pools, _source(one), uri) == ()


def test_device_is_the_same_under_each_of_its_names(tmp_path):
    """A volume is shown below /dev/disk/by-path, and a VM may have /dev/sdb."""
    (tmp_path / "sdb").touch()
    os.symlink(tmp_path / "sdb", tmp_path / "by-path-lun-1")
    pools = {"first": ("iscsi", str(tmp_path), [str(tmp_path / "by-path-lun-1")])}
    assert _guests("first", pools, _source(tmp_path / "sdb")) == ("web1",)


@pytest.mark.parametrize(
    ("kind", "users"), [("fs", ("web1",)), ("netfs", ("web1",)), ("logical", ("web1",)), ("dir", ())]
)
def test_what_would_be_unmounted_is_in_use(kind, users):
    """A directory remains when its pool is stopped."""
    assert _guests("first", {"first": (kind, "/srv/images", [])}, _source("/srv/images/new.raw")) == users
    assert _guests("first", {"first": (kind, "/srv/images", [])}, "<source pool='first' volume='new.raw'/>") == (
        "web1",
    )


def test_pool_of_another_type_does_not_own_its_directory():
    pools = {"first": ("dir", "/srv/images", []), "second": ("scsi", "/dev/disk/by-path", [])}
    found = Pools(Virsh("qemu:///system", pools, "<source/>"))
    found.read()
    assert found.state("second", "/srv/images").paths == {"/srv/images": "first"}
    assert found.state("first", "/dev/disk/by-path").paths == {}
    assert found.state("first", "/dev/disk/by-path").twin is None


@pytest.mark.parametrize(
    ("error", "users"),
    [("error: internal error: cannot parse", ("web1",)), ("error: Domain not found: no domain with matching uuid", ())],
)
def test_vm_whose_definition_cannot_be_read_may_use_each_pool(error, users):
    assert _guests("first", {"first": ("fs", "/srv/images", [])}, error) == users
