# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Approved plans with volumes and files: one that is replaced is another one, and nothing is written."""

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import VARIABLE, Approval
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run

from simulators.proxmox.storage import GIB, MIB, Volume
from unit.module_utils._drivers.proxmox.simulated import Api, SimulatedClock, asked_of

_ISO, _IMAGE, _DISK, _DOCUMENT = "iso/debian.iso", "import/x.qcow2", "vm-300-disk-0", "snippets/user.yml"
_URL = "https://example.com/new.iso"
_NEW = {"name": "web3", "node": "pve1", "disks": [{"size": "8G"}]}
#: {what: (name of the volume, options of the task)}
_USES = {
    "ISO image": (_ISO, {"name": "web2", "iso": f"local:{_ISO}"}),
    "ISO image of a new VM": (_ISO, {**_NEW, "iso": f"local:{_ISO}"}),
    "ISO image on a node that is chosen": (_ISO, {**_NEW, "node": "auto", "iso": f"local:{_ISO}"}),
    "address of an ISO image that the storage has": (_ISO, {**_NEW, "iso": "https://example.com/debian.iso"}),
    "image": (_IMAGE, {**_NEW, "image": {"source": f"local:{_IMAGE}"}}),
    "disk": (_DISK, {"name": "web2", "disks": [{"slot": "scsi1", "source": f"local-lvm:{_DISK}"}]}),
    "documents": (_DOCUMENT, {"name": "web2", "native": {"cicustom": f"user=local:{_DOCUMENT}"}}),
    "documents of a new VM": (_DOCUMENT, {**_NEW, "native": {"cicustom": f"user=local:{_DOCUMENT}"}}),
}


@pytest.fixture(name="cluster")
def _cluster(world):
    """The cluster with the volumes of _USES on each node."""
    for node in world.cluster.nodes:
        for name, volume in _volumes(1.0).items():
            storage = "local-lvm" if name == _DISK else "local"
            _put(world, node, storage, name, volume)
    world.journal.clear()
    return world


def _volumes(created):
    return {
        _ISO: Volume(MIB, "raw", "iso", created=created),
        _IMAGE: Volume(GIB, "qcow2", "import", created=created),
        _DISK: Volume(GIB, "raw", vmid=300, created=created),
        _DOCUMENT: Volume(100, "raw", "snippets", created=created),
    }


def _put(world, node, storage, name, volume):
    found = world.storages.by_id[storage]
    found.volumes[found.key(node, name)] = volume


def _replace(world, name):
    for node in world.cluster.nodes:
        _put(world, node, "local-lvm" if name == _DISK else "local", name, _volumes(2.0)[name])


def _run(world, options, approval=None, check=False):
    driver, asked = asked_of(world, **options)
    return run(driver, asked, check, approval, clock=SimulatedClock(world), probe=lambda *_where: True)


def _planned(world, options):
    """The digest that check mode shows, and the warnings."""
    approval = Approval()
    outcome = _run(world, options, approval, check=True)
    assert not outcome.failed, outcome.msg
    return approval.plan, approval.warnings


def _approved(*plans):
    return Approval({VARIABLE: list(plans)})


@pytest.mark.parametrize("use", _USES)
def test_volume_that_was_replaced_is_not_used(cluster, use):
    name, options = _USES[use]
    plan, _warnings = _planned(cluster, options)
    assert _planned(cluster, options)[0] == plan
    _replace(cluster, name)
    cluster.journal.clear()
    outcome = _run(cluster, options, _approved(plan))
    assert (outcome.failed, "was not approved" in outcome.msg, cluster.journal.writes()) == (True, True, [])
    assert not _run(cluster, options, _approved(_planned(cluster, options)[0])).failed


def test_volume_that_the_task_does_not_use_may_be_replaced(cluster):
    plan, _warnings = _planned(cluster, _USES["image"][1])
    _replace(cluster, _ISO)
    assert _planned(cluster, _USES["image"][1])[0] == plan


def test_storages_are_listed_only_if_a_plan_uses_a_volume(cluster):
    lists = partial(_lists_of, cluster)
    assert lists({"name": "web2", "cpus": 4}) == []
    found = [f"/nodes/pve1/storage/{name}/content" for name in ("local-lvm", "local", "nfs", "zfs")]
    for name in (["web3"], ["web3", "web4"]):
        # A new VM needs a number with which no storage has volumes.
        assert lists({**_NEW, "disks": [{"size": "1G"}], "name": name}) == found
        assert lists({**_USES["image"][1], "name": name}) == sorted([*found, found[1]])


def _lists_of(world, options):
    world.journal.clear()
    _planned(world, options)
    return sorted(entry.path for entry in world.journal.requests if entry.path.endswith("/content"))


def test_file_that_is_uploaded_must_be_the_same(cluster, tmp_path):
    file = tmp_path / "mine.iso"
    file.write_bytes(b"one")
    options = {**_NEW, "iso": str(file)}
    plan, _warnings = _planned(cluster, options)
    file.write_bytes(b"another")
    outcome = _run(cluster, options, _approved(plan))
    assert (outcome.failed, cluster.journal.writes()) == (True, [])


def test_address_without_a_checksum_cannot_be_approved(cluster):
    plan, (warning,) = _planned(cluster, {**_NEW, "iso": _URL})
    assert plan is None and f"{_URL}: an address without a checksum" in warning
    outcome = _run(cluster, {**_NEW, "iso": _URL}, _approved())
    assert (outcome.failed, cluster.journal.writes()) == (True, [])
    assert _planned(cluster, {**_NEW, "iso": _URL, "iso_checksum": f"sha256:{64 * '0'}"})[0]


def test_volume_that_cannot_be_listed_cannot_be_approved(cluster):
    """Without the privilege to list a storage, nobody could see that a volume was replaced."""
    local = cluster.storages.get("local")
    local.content -= {"images"}
    cluster.faults.request("reply", path=".*/storage/local/content", times=9, status=403, reason="Permission denied")
    plan, (warning,) = _planned(cluster, _USES["image"][1])
    assert plan is None and "cannot be seen" in warning


@pytest.mark.parametrize("field", ["user_data", "meta_data", "network_config"])
def test_documents_of_a_new_vm_are_part_of_the_plan(cluster, field):
    one, other = ({**_NEW, "cloud_init": {field: {"version": 2, "a": text}}} for text in ("b", "c"))
    assert _planned(cluster, one)[0] != _planned(cluster, other)[0]


def test_cluster_of_another_credential_has_another_plan(cluster):
    options = {"name": "web2", "cpus": 4}
    plan, _warnings = _planned(cluster, options)
    other = Api(cluster)
    other.where = "pve9:8006"
    driver, asked = asked_of(cluster, other, **options)
    outcome = run(driver, asked, False, _approved(plan), clock=SimulatedClock(cluster))
    assert (outcome.failed, cluster.journal.writes()) == (True, [])
