# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs from images by name and address: the node downloads them, once, and verifies their checksum."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import mark

from simulators.proxmox import worlds
from simulators.proxmox.access import Account, User
from simulators.proxmox.storage import GIB, Storage, Volume
from simulators.proxmox.web import File as _File
from unit.module_utils._drivers.proxmox.simulated import Api, do, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.vendor import DOWNLOAD, IMAGE, QCOW2, SUMS, downloads, images, volume_of
from unit.module_utils._media.server import checksum


def test_node_downloads_the_image_and_imports_it(world, vendor):
    check = do(world, check=True, **vendor.vm())
    assert [step["verb"] for step in check.vms[0]["steps"]] == ["fetch", "create"]
    assert (world.journal.writes(), images(world)) == ([], [])
    run = do(world, **vendor.vm())
    assert not run.failed, run.msg
    assert check.diff == run.diff
    assert check.vms[0]["image"] == run.vms[0]["image"]
    (sent,) = downloads(world)
    assert (sent.method, sent.path) == ("POST", DOWNLOAD)
    assert sent.params == {
        "content": "import",
        "url": f"{vendor.url}{IMAGE}",
        "filename": volume_of().rpartition("/")[2],
        "checksum": checksum(QCOW2),
        "checksum-algorithm": "sha256",
    }
    assert images(world) == [volume_of()]
    assert run.vms[0]["image"]["digest"] == f"sha256:{checksum(QCOW2)}"
    assert machine_of(world, "web3").config.current["scsi0"].endswith("size=1G")
    unchanged(world, **vendor.vm())


def test_download_that_runs_already_is_waited_for(world, vendor):
    api = Api(world)
    file = volume_of().rpartition("/")[2]
    api.call("POST", DOWNLOAD, {"content": "import", "url": f"{vendor.url}{IMAGE}", "filename": file})
    outcome = do(world, **vendor.vm())
    assert not outcome.failed, outcome.msg
    assert len(downloads(world)) == 1


def test_download_that_runs_for_too_long_is_an_error(world, vendor):
    world.timing.upload = 10_000
    file = volume_of().rpartition("/")[2]
    Api(world).call("POST", DOWNLOAD, {"content": "import", "url": f"{vendor.url}{IMAGE}", "filename": file})
    outcome = do(world, **vendor.vm(timeout=20))
    assert f"{file}: node 'pve1' is still downloading it. Run the task again" in outcome.msg


def test_two_tasks_at_the_same_moment_end_with_one_file(world, vendor):
    """Another task stores the file between this task's look and its download."""
    address = vendor.address()
    vendor.files[SUMS] = b""
    api = Api(world)
    call, others = api.call, []

    def raced(method, path, parameters=None):
        if path == DOWNLOAD and not others:
            others.append(call(method, path, parameters))
            world.engine.advance(5)
        return call(method, path, parameters)

    api.call = raced
    outcome = do(world, api=api, **vendor.vm(image=address))
    assert (outcome.failed, len(downloads(world)), len(images(world))) == (False, 2, 1), outcome.msg


def test_address_without_a_checksum_warns_and_is_stored_by_the_address(world, vendor):
    outcome = do(world, **vendor.vm(image=vendor.address()))
    assert "nothing was verified" in str(outcome.warnings)
    vendor.requests.clear()
    assert not do(world, **vendor.vm("web4", image=vendor.address())).failed
    assert (vendor.requests, len(images(world)), len(downloads(world))) == ([], 1, 1)
    assert "checksum" not in downloads(world)[0].params


def test_checksum_in_the_task_needs_no_connection_of_the_controller(world, vendor):
    world.web = lambda url: _File(QCOW2)
    vendor.files.clear()
    address = {"source": "http://127.0.0.1:1/x.qcow2", "checksum": f"sha256:{checksum(QCOW2)}"}
    outcome = do(world, **vendor.vm(image=address))
    assert not outcome.failed, outcome.msg
    assert images(world) == [volume_of(name="x")]
    rejected(world, "127.0.0.1:1", **vendor.vm("web4", image={"source": "http://127.0.0.1:1/y.qcow2"}))


def test_newest_file_of_the_name_is_used_and_an_old_one_warns(world, vendor):
    local = world.storages.get("local")
    for day, digits in ((1, "a" * 12), (2, "b" * 12)):
        volume = Volume(GIB, "qcow2", "import", created=day * 86400)
        local.volumes[local.key("pve1", f"import/debian-13-{digits}.qcow2")] = volume
    local.volumes[local.key("pve1", f"import/debian-13-generic-{'c' * 12}.qcow2")] = Volume(GIB, "qcow2", "import")
    outcome = do(world, **vendor.vm())
    assert "Set image.refresh: true for the newest one" in str(outcome.warnings)
    (sent,) = [one for one in world.journal.requests if (one.method, one.path) == ("POST", "/nodes/pve1/qemu")]
    assert f"import-from=local:import/debian-13-{'b' * 12}.qcow2" in sent.params["scsi0"]
    assert outcome.vms[0]["image"] == {"name": "debian-13", "digest": None, "fetched": "1970-01-03"}


def test_unfinished_vm_keeps_its_image_when_the_vendor_has_a_newer_one(world, vendor):
    inputs = {"image": "debian-13", "digest": "sha256:1234", "fetched": "2026-01-02"}
    notes = mark.notes_of("", mark.new_mark(150, inputs))
    worlds.add_machine(world, 150, "pve2", {"name": "web3", "description": notes})
    outcome = do(world, **{**vendor.vm(), "node": None})
    assert not outcome.failed, outcome.msg
    assert outcome.vms[0]["image"] == {"name": "debian-13", "digest": "sha256:1234", "fetched": "2026-01-02"}
    assert (vendor.requests, downloads(world)) == ([], [])
    assert "unfinished" not in machine_of(world, "web3").config.current["description"]


def test_node_is_one_with_a_storage_for_images(world, vendor):
    world.storages.get("local").nodes = frozenset({"pve3"})
    outcome = do(world, **{**vendor.vm(), "node": None, "image_storage": "local"})
    assert not outcome.failed, outcome.msg
    assert machine_of(world, "web3").node == "pve3"


def test_storage_of_the_task_is_used(world, vendor):
    world.storages.add(Storage("images", "nfs", frozenset({"import"}), shared=True))
    world.storages.add(Storage("esx", "esxi", frozenset({"import"})))
    assert not do(world, **vendor.vm(image_storage="images")).failed
    assert downloads(world)[0].path == "/nodes/pve1/storage/images/download-url"
    words = ("image_storage: node 'pve1' has no active storage 'esx'", "It has: images, local.")
    rejected(world, *words, **vendor.vm("web4", image_storage="esx"))


@pytest.mark.parametrize("version", [(8, 3), (7, 4)])
def test_version_that_cannot_download_images_is_rejected(vendor, version):
    world = worlds.with_cases(version=version)
    words = ("web3: image 'debian-13': this is Proxmox VE", "need 8.4 or later", "Set the volume of an image")
    rejected(world, *words, **vendor.vm())


def test_node_without_a_storage_for_images_is_rejected(world, vendor):
    for name in ("local", "off", "n2"):
        world.storages.get(name).content = frozenset({"images", "iso"})
    words = ("web3: image: node 'pve1' has no active storage with files and the content Import", "pvesm set local")
    rejected(world, *words, **vendor.vm())


def test_disk_smaller_than_the_image_is_rejected(world, vendor):
    rejected(world, "512M is smaller than the image debian-13 (1G)", **vendor.vm(disks=[{"size": "512M"}]))


#: For a new VM; the others are for the download.
TO_CREATE = frozenset(
    {
        "VM.Audit", "VM.Allocate", "VM.Config.Disk", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Memory",
        "VM.Config.Network", "VM.Config.HWType", "VM.Config.Options", "Datastore.AllocateSpace", "Datastore.Audit",
        "SDN.Use",
    }
)  # fmt: skip


def account_with(world, privileges):
    """The API for an account with these privileges."""
    world.access.accounts["me@pve"] = Account()
    world.access.roles["Machines"] = frozenset(privileges)
    world.access.allow("/", "me@pve", "Machines")
    return Api(world, User("me@pve"))


@pytest.mark.parametrize(
    "held,missing",
    [
        (["Sys.AccessNetwork"], "Datastore.AllocateTemplate on /storage/local"),
        (["Datastore.AllocateTemplate"], "Sys.AccessNetwork on /nodes/pve1"),
        (["Datastore.AllocateTemplate", "Sys.AccessNetwork"], None),
        (["Datastore.AllocateTemplate", "Sys.Audit", "Sys.Modify"], None),
    ],
)
def test_privileges_to_download(world, vendor, held, missing):
    outcome = do(world, api=account_with(world, TO_CREATE.union(held)), **vendor.vm())
    assert outcome.failed == (missing is not None), outcome.msg
    assert f"lacks the privilege {missing}" in outcome.msg if missing else not outcome.msg
    assert bool(downloads(world)) == (missing is None)


def test_option_of_a_download_is_rejected_for_a_volume(world, vendor):
    image = {"source": volume_of(), "require_signature": True}
    words = ("image.require_signature: it is about a download", "is not downloaded. Omit it")
    rejected(world, *words, **vendor.vm(image=image))
