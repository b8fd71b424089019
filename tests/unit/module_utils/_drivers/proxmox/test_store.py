# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules image and image_info on a cluster: a node downloads images, deletes and lists them, without a VM."""

from __future__ import annotations

from datetime import date

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.images import HostOfImages
from ansible_collections.polyvirt.core.plugins.module_utils._media import store_tasks

from simulators.proxmox import worlds
from simulators.proxmox.storage import GIB, Storage, Volume
from unit.module_utils._drivers.proxmox.simulated import do, driver_of
from unit.module_utils._drivers.proxmox.tasks import account
from unit.module_utils._drivers.proxmox.vendor import IMAGE, QCOW2, downloads, images, qcow2, volume_of
from unit.module_utils._media.server import checksum

_NAME = "debian-13"
_DEFAULTS = dict.fromkeys(("checksum", "refresh", "headers", "require_signature", "firmware"))


class Node:
    """A node of the cluster; each call is a task with a driver of its own."""

    def __init__(self, world, vendor):
        self.world, self.medium, self.options, self.api = world, vendor.medium(), {"node": "pve1"}, None

    def host(self):
        return HostOfImages(driver_of(self.world, self.api, self.options))

    def present(self, *names, check=False, **more):
        names = names or (_NAME,)
        catalogue = {name: {"media": [self.medium]} for name in names if "://" not in name}
        params = {"name": list(names), "timeout": 300, "catalogue": catalogue, **_DEFAULTS, **more}
        return store_tasks.present(self.host(), params, check, Approval())

    def absent(self, *names, check=False, **more):
        return store_tasks.absent(self.host(), {"name": list(names or (_NAME,)), **more}, check, Approval())

    def report(self):
        return store_tasks.report(self.host())


@pytest.fixture(name="node")
def _node(world, vendor):
    return Node(world, vendor)


def _add(world, name, digits, day=1, storage="local", node="pve1"):
    found = world.storages.get(storage)
    volume = Volume(GIB, "qcow2", "import", created=day * 86400, file_size=1000)
    found.volumes[found.key(node, f"import/{name}-{digits * 12}.qcow2")] = volume


# Fetching -------------------------------------------------------------------------------------------------------------


def test_image_is_described_as_far_as_it_is_known(node):
    """A node records nothing about a file."""
    known = {"name": _NAME, "path": volume_of(), "format": "qcow2", "fetched": date.today().isoformat(), "users": []}
    known.update(architecture="amd64", golden=None)
    digest = f"sha256:{checksum(QCOW2)}"
    (new,), (stored,) = node.present()["images"], node.present()["images"]
    assert new == {**known, "digest": digest, "size": GIB, "checked": "checksum"}
    assert stored == {**known, "digest": None, "size": None, "checked": None}


def test_checksum_of_the_task_is_the_digest(node, vendor):
    digest, address = f"sha256:{checksum(QCOW2)}", f"{vendor.url}{IMAGE}"
    node.present(address, checksum=digest)
    (image,) = node.present(address, checksum=digest)["images"]
    assert (image["name"], image["digest"]) == (address, digest)


def test_refresh_stores_a_newer_version_next_to_the_old_one(world, node, vendor):
    node.present()
    newer = qcow2(content=b"newer")
    vendor.publish(newer)
    assert node.present()["changed"] is False
    assert node.present(refresh=True)["changed"] is True
    assert images(world) == sorted([volume_of(), volume_of(newer)])


@pytest.mark.parametrize("check", [True, False])
def test_missing_privilege_is_found_before_the_download(world, node, check):
    node.api = account(world, ("/", {"Datastore.Audit", "Sys.Audit"}))
    lacks = "name: debian-13: ci@pve!t lacks the privilege Datastore.AllocateTemplate"
    with pytest.raises(PolyvirtError, match=lacks):
        node.present(check=check)
    assert downloads(world) == []


# Architectures --------------------------------------------------------------------------------------------------------


def test_architecture_is_in_the_name_of_the_file(world, node):
    _add(world, "debian-13", "a")
    _add(world, "debian-13.arm64", "b")
    _add(world, "alpine-3.22", "c")
    found = {(one["name"], one["architecture"]) for one in node.report()["images"]}
    assert found == {("debian-13", "amd64"), ("debian-13", "arm64"), ("alpine-3.22", "amd64")}
    removed = node.absent("debian-13", architecture="arm64")["images"]
    assert [one["path"].partition("/")[2][:16] for one in removed] == ["debian-13.arm64-"]


# Removing -------------------------------------------------------------------------------------------------------------


def test_absent_removes_all_versions_of_the_name_only(world, node):
    for name, digits in ((_NAME, "a"), (_NAME, "b"), ("debian-13-generic", "c"), ("debian-12", "d")):
        _add(world, name, digits)
    check = node.absent(check=True)
    assert len(images(world)) == 4
    run = node.absent()
    assert check == run
    assert [one["path"].rpartition("-")[2] for one in run["images"]] == [f"{'a' * 12}.qcow2", f"{'b' * 12}.qcow2"]
    assert [one.rpartition("/")[2] for one in images(world)] == [
        f"debian-12-{'d' * 12}.qcow2",
        f"debian-13-generic-{'c' * 12}.qcow2",
    ]
    assert "local:import/x.qcow2" in node.host().images.store.volumes()
    assert node.absent()["changed"] is False


def test_image_of_a_vm_can_be_removed(world, node, vendor):
    do(world, **vendor.vm())
    assert node.report()["images"][0]["users"] == []
    assert node.absent()["changed"] is True
    assert images(world) == []


def test_image_that_another_task_has_deleted_meanwhile(world, node):
    node.present()
    host = node.host()
    store, tool = host.images.store, host.images._driver.tool
    run = tool.run

    def raced(*arguments, **parameters):
        tool.run = run
        world.storages.free(volume_of(), "pve1")
        world.faults.request("reply", skip=0, status=500, reason="unlink failed - No such file or directory")
        return run(*arguments, **parameters)

    tool.run = raced
    store.remove(store.all(), [])
    assert images(world) == []


def test_failed_deletion_is_an_error(world, node):
    node.present()
    host = node.host()
    stored = host.images.store.all()
    world.faults.request("reply", skip=0, status=500, reason="unlink failed - Read-only file system")
    with pytest.raises(PolyvirtError, match="Read-only file system"):
        host.images.store.remove(stored, [])


@pytest.mark.parametrize("check", [True, False])
def test_missing_privilege_to_delete(world, node, check):
    node.present()
    node.api = account(world, ("/", {"Datastore.Audit", "Datastore.AllocateTemplate"}))
    with pytest.raises(PolyvirtError, match=r"name: debian-13: ci@pve!t lacks the privilege Datastore.Allocate on"):
        node.absent(check=check)
    assert node.absent("debian-12")["changed"] is False
    assert images(world) == [volume_of()]


# Listing --------------------------------------------------------------------------------------------------------------


def test_report_lists_what_is_stored(world, node):
    _add(world, _NAME, "b", day=2)
    _add(world, _NAME, "a", day=1)
    result = node.report()
    assert (result["changed"], result["directory"], result["warnings"]) == (False, "local:import", [])
    first, second = result["images"]
    assert (first["name"], first["fetched"], second["fetched"]) == (_NAME, "1970-01-02", "1970-01-03")
    assert (first["users"], first["file_size"], first["format"]) == ([], 1000, "qcow2")
    assert first["age"] == (date.today() - date(1970, 1, 2)).days


# The node and its storage ---------------------------------------------------------------------------------------------


def _share(world, nodes=None):
    world.storages.add(Storage("shared", "nfs", frozenset({"import"}), shared=True, nodes=nodes))


def test_several_nodes_with_separate_storages_are_an_error(node):
    for node.options in ({}, {"node": "auto"}):
        with pytest.raises(PolyvirtError, match="node: the nodes pve1, pve2, pve3 have separate storages for images"):
            node.report()


def test_shared_storage_needs_no_node(world, node):
    _share(world)
    node.options = {"image_storage": "shared"}
    assert node.host().node == "pve1"
    assert node.present()["images"][0]["path"] == volume_of().replace("local", "shared")


def test_only_node_with_the_storage_is_used(node):
    node.options = {"image_storage": "n2"}
    assert node.host().node == "pve2"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"node": "pve9"}, "node: there is no node 'pve9'. Its nodes: pve1, pve2, pve3."),
        ({"image_storage": "zfs"}, "^image_storage: node 'pve1' has no active storage 'zfs'"),
        ({"node": "pve1", "image_storage": "n2"}, "^image_storage: node 'pve1' has no active storage 'n2'"),
    ],
)
def test_wrong_place_is_an_error(node, options, words):
    node.options = options
    with pytest.raises(PolyvirtError, match=words):
        node.report()


def test_old_version_is_an_error(vendor):
    old = Node(worlds.with_cases(version=(8, 2)), vendor)
    for task in (old.present, old.absent, old.report):
        with pytest.raises(PolyvirtError, match=r"platform: proxmox: this is Proxmox VE 8.2.*need 8.4 or later"):
            task()
