# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server rejects in the middle of a task is rejected before it, in check mode too.

Each case is also sent to the simulated server itself, which must reject it: otherwise the test would show nothing.
"""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput

from simulators.proxmox import behind, worlds
from simulators.proxmox.storage import GIB, Volume
from unit.module_utils._drivers.proxmox.simulated import Api, applied, do, rejected

_WHOLE = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


def _answer(world, method, path, **parameters):
    """(message of the request or the error of its task)."""
    api = Api(world)
    answer = api.call(method, path, parameters)
    if answer.status >= 400:
        return f"{answer.reason} {answer.errors or ''}"
    if isinstance(answer.data, str) and answer.data.startswith("UPID"):
        world.engine.advance(120)
        return api.call("GET", f"/nodes/pve1/tasks/{answer.data}/status").data["exitstatus"]
    return ""


def _shared_template(world, slot="scsi0"):
    """A template on pve1 with its only disk on a shared storage, in ``slot``."""
    storage, name = world.storages.get("nfs"), "9001/base-9001-disk-0.raw"
    storage.volumes[storage.key("pve1", name)] = Volume(8 * GIB, "raw", vmid=9001)
    options = {"name": "shared", "template": "1", slot: f"nfs:{name},size=8G"}
    worlds.add_machine(world, 9001, "pve1", {"scsi0": "none,media=cdrom", **options})
    if slot != "scsi0":
        behind.edit(world, 9001, scsi0=None)
    world.statistics.renew()


@pytest.mark.parametrize(
    ("native", "sent"),
    [
        ({"cpu": "host,flags=+foo"}, {"cpu": "host,flags=+foo"}),
        ({"cpu": "host,flags=+aes;-foo"}, {"cpu": "host,flags=+aes;-foo"}),
        ({"machine": "pc,viommu=intel"}, {"machine": "pc,viommu=intel"}),
        ({"machine": "viommu=intel"}, {"machine": "viommu=intel"}),
    ],
)
def test_native_values_that_only_the_server_judged(world, native, sent):
    (key,) = native
    assert _answer(world, "PUT", "/nodes/pve2/qemu/101/config", **sent)
    rejected(world, f"web2: native: {key}", name="web2", native=native)
    rejected(world, f"new: native: {key}", name="new", disks=[{"size": "1G"}], native=native)


@pytest.mark.parametrize("native", [{"cpu": "host,flags=+aes;-pcid"}, {"machine": "q35,viommu=intel"}])
def test_native_values_that_the_server_accepts(world, native):
    applied(world, name="web2", native=native)


def test_an_iso_image_is_no_source_of_a_disk(world):
    volume = "local:iso/debian.iso"
    assert "media=cdrom" in _answer(world, "PUT", "/nodes/pve2/qemu/101/config", scsi3=volume)
    entry = {"slot": "scsi3", "source": volume}
    rejected(world, "web2: disks: source of scsi3", "no disk", "option iso", name="web2", disks=[entry])
    rejected(world, "new: disks: source of scsi3", name="new", disks=[{"size": "1G"}, entry])


@pytest.mark.parametrize("cut", [1, 4, 20, 40])
def test_a_public_key_that_was_cut_off(world, cut):
    from urllib.parse import quote

    key = f"ssh-ed25519 {_WHOLE[:-cut]}"
    assert "SSH public key" in _answer(world, "PUT", "/nodes/pve2/qemu/101/config", sshkeys=quote(key, safe=""))
    with pytest.raises(InvalidInput, match="entry 1 is a public key that is not complete"):
        do(world, name="web2", cloud_init={"ssh_authorized_keys": [key]})


@pytest.mark.parametrize(
    ("storage", "reason"), [("local-lvm", "is not shared"), ("n2", "is not shared"), ("nfs", None), (None, None)]
)
def test_a_full_clone_on_another_node_needs_a_shared_storage(world, storage, reason):
    _shared_template(world)
    task = {"name": "new", "clone": {"source": "shared"}, "node": "pve2", "storage": storage}
    if reason is None:
        applied(world, **task)
        return
    sent = {"newid": 150, "full": 1, "target": "pve2", "storage": storage}
    assert storage in _answer(world, "POST", "/nodes/pve1/qemu/9001/clone", **sent)
    rejected(world, "new: 'shared' cannot be cloned to node 'pve2'", storage, reason, "Clone it on pve1", **task)


@pytest.mark.parametrize("slot", ["virtio0", "sata0", "scsi1"])
def test_the_only_disk_of_a_clone_grows_wherever_it_is(world, slot):
    _shared_template(world, slot)
    task = {"name": "new", "clone": {"source": "shared"}, "disks": [{"size": "40G"}]}
    options = applied(world, **task)
    assert [key for key, text in options.items() if "disk" in text] == [slot]
    assert "size=40G" in options[slot]
    applied(world, **{**task, "disks": [{"size": "41G"}]})
