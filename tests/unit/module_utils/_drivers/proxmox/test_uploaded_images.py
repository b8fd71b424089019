# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that a node cannot read: the host of the task unpacks or converts them, and uploads the result."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.api_storage import used_on
from simulators.proxmox.storage import GIB, MIB, Storage
from unit.module_utils._drivers.proxmox.simulated import Api, do, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.tasks import account, done, failed
from unit.module_utils._drivers.proxmox.vendor import FILE, QCOW2, downloads, images, qcow2, volume_of
from unit.module_utils._media.server import checksum
from unit.module_utils._media.test_signatures import Signer, with_gpg

_UPLOAD = "/nodes/pve1/storage/local/upload"


@pytest.fixture(name="signer")
def _signer(tmp_path, vendor):
    signer = Signer(tmp_path / "gpg", vendor)
    yield signer
    signer.close()


@pytest.fixture(name="signed_file")
def _signed_file(vendor, signer):
    """The signature of the image file itself, as a medium of the catalogue has it."""
    vendor.files[f"/latest/{FILE}.sig"] = signer.detached(QCOW2)
    return signer.signature(file=f"{FILE}.sig", signs="file")


def _zst(content):
    return subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout


_PACKERS = {"xz": lzma.compress, "gz": gzip.compress, "bz2": bz2.compress, "zst": _zst}


class _Packed:
    """A vendor's compressed image."""

    def __init__(self, vendor, compression="xz", content=QCOW2, ending="qcow2"):
        self.vendor, self.content = vendor, content
        self.file = f"debian-13-generic-amd64.{ending}.{compression}"
        self.medium = vendor.medium(file=self.file, image={"format": ending, "compression": compression})
        self.publish(_PACKERS[compression](content))

    def publish(self, packed):
        self.packed = packed
        self.vendor.files[f"/latest/{self.file}"] = packed
        self.vendor.files["/latest/SHA256SUMS"] = f"{checksum(packed)} *{self.file}\n".encode()

    def image(self, **more):
        return {"source": "debian-13", "catalogue": {"media": [self.medium]}, **more}

    def vm(self, name="web3", image=None, **options):
        return self.vendor.vm(name, image or self.image(), **options)

    @property
    def volume(self):
        ending = self.medium["image"]["format"]
        return f"local:import/debian-13-{checksum(self.packed)[:12]}.{ending}"


@pytest.fixture(name="packed")
def _packed(vendor):
    return _Packed(vendor)


def _uploads(world):
    return [one for one in world.journal.requests if one.path.endswith("/upload")]


def _content_of(world, volume):
    storage, _colon, name = volume.partition(":")
    return world.storages.get(storage).get("pve1", name)


@pytest.mark.parametrize("compression", sorted(_PACKERS))
@pytest.mark.parametrize("ending", ["qcow2", "raw"])
def test_compressed_image_is_unpacked_uploaded_and_imported(world, vendor, compression, ending):
    content = {"qcow2": QCOW2, "raw": b"sector" * 5120}[ending]
    packed = _Packed(vendor, compression, content, ending)
    check, run = do(world, check=True, **packed.vm()), do(world, **packed.vm())
    assert not run.failed, run.msg
    assert (check.diff, check.vms[0]["image"]) == (run.diff, run.vms[0]["image"])
    assert downloads(world) == []
    (sent,) = _uploads(world)
    assert (sent.path, {**sent.params, "tmpfilename": ""}) == (
        _UPLOAD,
        {
            "content": "import",
            "checksum-algorithm": "sha256",
            "checksum": checksum(content),
            "filename": packed.volume.rpartition("/")[2],
            "tmpfilename": "",
        },
    )
    assert (images(world), _content_of(world, packed.volume).file_size) == ([packed.volume], len(content))
    assert run.vms[0]["image"]["digest"] == f"sha256:{checksum(packed.packed)}"
    assert machine_of(world, "web3").config.current["scsi0"].startswith("local-lvm:vm-")
    unchanged(world, **packed.vm())


def test_format_that_a_node_cannot_read_is_converted(world, vendor, tmp_path):
    path = tmp_path / "vendor.vhdx"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vhdx", path, "16M"], check=True)
    content = path.read_bytes()
    packed = _Packed(vendor, content=content, ending="vhdx")
    done(world, **packed.vm())
    assert images(world) == [packed.volume.replace(".vhdx", ".qcow2")]
    assert machine_of(world, "web3").config.current["scsi0"].endswith("size=16M")


def test_vms_of_one_task_need_one_upload(world, packed):
    done(world, **packed.vm(["web3", "web4"]))
    assert len(_uploads(world)) == 1


def test_another_node_gets_the_image_without_a_download(world, packed):
    do(world, **packed.vm())
    packed.vendor.requests.clear()
    done(world, **packed.vm("web4", node="pve2"))
    assert packed.vendor.requests == []
    assert [one.path for one in _uploads(world)] == [_UPLOAD, _UPLOAD.replace("pve1", "pve2")]


def test_upload_that_fails_half_way_leaves_no_incomplete_image(world, packed):
    world.faults.task("imgcopy", "import failed: No space left on device")
    failed(world, "No space left on device", **packed.vm())
    assert images(world) == []
    assert not do(world, **packed.vm()).failed


def test_incomplete_image_that_cannot_be_removed_is_named(world, packed):
    world.faults.task("imgcopy", "import failed: No space left on device")
    world.faults.request("reply", method="DELETE", status=403, reason="Permission check failed")
    remedy = f"Delete the incomplete image before you run the task again: pvesm free {packed.volume}"
    failed(world, "No space left on device", remedy, **packed.vm())


def _begin_upload(world, file, path=_UPLOAD):
    """An interrupted run has sent an image; the storage lists it while the node still copies it."""
    file.write_bytes(QCOW2)
    Api(world).upload(path, {"content": "import"}, str(file))
    world.engine.advance(1)


def test_upload_that_runs_already_is_waited_for(world, packed, tmp_path):
    world.timing.upload = 100
    _begin_upload(world, tmp_path / packed.volume.rpartition("/")[2])
    assert images(world) == [packed.volume]
    began = world.engine.clock.now
    done(world, **packed.vm())
    assert world.engine.clock.now - began > 90
    assert (len(_uploads(world)), packed.vendor.requests) == (1, [])


def test_upload_of_another_task_to_another_node_of_a_shared_storage_is_waited_for(world, packed, tmp_path):
    world.storages.add(Storage("shared", "nfs", frozenset({"import"}), shared=True))
    world.timing.upload = 100
    _begin_upload(world, tmp_path / packed.volume.rpartition("/")[2], "/nodes/pve2/storage/shared/upload")
    began = world.engine.clock.now
    assert not do(world, **packed.vm(image_storage="shared")).failed
    assert (world.engine.clock.now - began > 90, len(_uploads(world))) == (True, 1)


def test_upload_that_runs_for_too_long_is_an_error(world, packed, tmp_path):
    world.timing.upload = 10_000
    _begin_upload(world, tmp_path / "x.qcow2")
    failed(world, "node 'pve1' is still storing an upload. Run the task again", **packed.vm(timeout=20))


def test_lost_answer_of_an_upload_is_no_second_copy(world, packed):
    world.faults.request("reset_after", method="POST", path=_UPLOAD, skip=0)
    done(world, **packed.vm())
    assert (len(_uploads(world)), images(world)) == (1, [packed.volume])


def test_storage_that_is_too_small_for_the_unpacked_image_gets_nothing(world, vendor):
    content = qcow2(content=bytes(4000))
    packed = _Packed(vendor, content=content)
    local = world.storages.get("local")
    free = (3 * len(packed.packed) + len(content)) // 2
    local.total = used_on(world, local, "pve1") + free
    world.statistics.renew()
    failed(world, "for the download, but storage 'local' on node 'pve1' has only", **packed.vm())
    assert _uploads(world) == []


def test_storage_without_space_for_the_compressed_image_is_rejected(world, packed):
    world.storages.get("local").total = 2 * GIB + 600 * MIB
    world.statistics.renew()
    rejected(world, "are needed for the download, but storage 'local' on node 'pve1'", **packed.vm())
    assert f"/latest/{packed.file}" not in [path for path, wanted in packed.vendor.requests if wanted is None]


def test_version_that_takes_no_uploaded_images_is_rejected(vendor):
    world = worlds.with_cases(version=(8, 3))
    packed = _Packed(vendor)
    rejected(world, "web3: image 'debian-13': this is Proxmox VE", "need 8.4 or later", **packed.vm())
    assert vendor.requests == []


def test_missing_program_is_named(world, vendor, monkeypatch, tmp_path):
    packed = _Packed(vendor, "zst")
    monkeypatch.setenv("PATH", str(tmp_path))
    rejected(world, "compressed (zst)", "Install zst on the host of the task (package zstd)", **packed.vm())
    converted = _Packed(vendor, ending="vhdx")
    words = ("format vhdx cannot be read on Proxmox VE", "Install qemu-img on the host of the task")
    rejected(world, *words, **converted.vm())


@pytest.mark.parametrize("secret", ["address", "headers"])
def test_image_with_a_secret_is_uploaded_although_the_node_could_read_it(world, vendor, secret, own_images):
    """The task log of a download shows the address, and a node sends no headers."""
    address = vendor.address(checksum=f"sha256:{checksum(QCOW2)}")
    if secret == "address":
        address["source"] = address["source"].replace("//", "//me:secret@")
    else:
        address["headers"] = {"X-Token": "secret"}
    check, outcome = do(world, check=True, **vendor.vm(image=address)), do(world, **vendor.vm(image=address))
    assert not outcome.failed, outcome.msg
    assert (check.diff, check.vms[0]["image"]) == (outcome.diff, outcome.vms[0]["image"])
    assert (downloads(world), len(_uploads(world)), images(world)) == (
        [],
        1,
        [volume_of(name="debian-13-generic-amd64")],
    )
    records = "".join(path.read_text(encoding="utf-8") for path in own_images.glob("*.json"))
    shown = str([(one.path, one.params) for one in world.journal.requests])
    assert "secret" not in f"{records}{shown}{outcome}{machine_of(world, 'web3').config.current}"
    vendor.requests.clear()
    again = do(world, **vendor.vm("web4", image=address))
    assert (again.failed, vendor.requests, len(_uploads(world))) == (False, [], 1)


@with_gpg
def test_signature_of_the_file_is_checked_by_the_host_of_the_task(world, vendor, signed_file):
    image = {"source": "debian-13", "catalogue": {"media": [vendor.medium(signature=signed_file)]}}
    outcome = done(world, **vendor.vm(image={**image, "require_signature": True}))
    assert (downloads(world), len(_uploads(world)), outcome.warnings) == ([], 1, [])


@with_gpg
def test_checksum_of_the_task_makes_the_signature_needless(world, vendor, signed_file):
    image = {"source": "debian-13", "catalogue": {"media": [vendor.medium(signature=signed_file)]}}
    outcome = do(world, **vendor.vm(image={**image, "checksum": f"sha256:{checksum(QCOW2)}"}))
    assert (outcome.failed, len(downloads(world)), _uploads(world)) == (False, 1, []), outcome.msg


_TO_CREATE = ("VM.Audit", "VM.Allocate", "VM.Config.Disk", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Memory")
_MORE = ("VM.Config.Network", "VM.Config.HWType", "VM.Config.Options", "Datastore.AllocateSpace", "Datastore.Audit")


@pytest.mark.parametrize("held", [(), ("Datastore.AllocateTemplate",)])
def test_upload_needs_no_privilege_to_download(world, packed, held):
    outcome = do(world, api=account(world, ("/", {*_TO_CREATE, *_MORE, *held})), **packed.vm())
    assert outcome.failed != bool(held), outcome.msg
    assert ("lacks the privilege Datastore.AllocateTemplate on /storage/local" in outcome.msg) != bool(held)
    assert len(_uploads(world)) == len(held)
