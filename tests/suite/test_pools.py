# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``virsh_pool`` on real libvirt: do, again and check; data that remain; who uses a pool; what is rejected."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET

import pytest

from suite.carry import carry_one

POOL = "pvg-pool"


@pytest.fixture
def storage(qemu):
    def remove():
        for name in qemu.virsh("pool-list", "--all", "--name").split():
            if name.startswith(POOL):
                for command in ("pool-destroy", "pool-undefine"):
                    subprocess.run(["virsh", "-q", command, name], capture_output=True, check=False)

    qemu.clean()
    remove()
    yield qemu
    qemu.clean()
    remove()


@pytest.fixture
def run(storage, shim, tmp_path):
    """Run virsh_pool; a real run is preceded by check mode, which must report the same."""

    def carry(**options):
        first = carry_one(storage, shim, tmp_path, options, about="pool", check=True)
        real = carry_one(storage, shim, tmp_path, options, about="pool")
        keys = ("changed", "diff", "plan", "kept", "restart_required", "failed")
        assert [first.result.get(key) for key in keys] == [real.result.get(key) for key in keys], real.result
        return real.result

    return carry


def _done(result):
    assert not result.get("failed"), result
    return result


@pytest.mark.core
def test_directory_is_created_and_its_data_remain(storage, run, shim, tmp_path):
    folder = tmp_path / "pools" / "one"
    options = {"name": POOL, "type": "dir", "path": str(folder), "mode": "0750", "autostart": True}
    assert _done(run(**options))["changed"]
    assert folder.stat().st_mode & 0o777 == 0o750
    assert not _done(run(**options))["changed"]
    (folder / "data.img").write_bytes(b"data")
    assert _done(run(name=POOL, state="refreshed"))["changed"]
    (info,) = carry_one(storage, shim, tmp_path, {"name": POOL}, about="pool_info").result["pools"]
    assert (info["volumes"], info["restart_required"]) == ([str(folder / "data.img")], False)
    other = run(**{**options, "name": f"{POOL}2"})
    assert other["failed"]
    assert POOL in other["msg"]
    other_mode = run(**{**options, "mode": "0700"})
    assert other_mode["failed"]
    assert "0750" in other_mode["msg"]
    gone = _done(run(name=POOL, state="absent"))
    assert gone["kept"] == [str(folder / "data.img")]
    assert (folder / "data.img").read_bytes() == b"data"
    assert not _done(run(name=POOL, state="absent"))["changed"]


def test_stopped_vm_with_a_volume_of_a_deleted_pool_is_named(storage, run, shim, tmp_path):
    """It cannot start without the pool. A VM with a file in the directory can."""
    folder = tmp_path / "pool"
    options = {"name": POOL, "type": "dir", "path": str(folder)}
    _done(run(**options))
    storage.virsh("vol-create-as", POOL, "one.qcow2", "8M", "--format", "qcow2")
    sources = {"volume": f"pool='{POOL}' volume='one.qcow2'", "file": f"file='{folder}/one.qcow2'"}
    for kind, source in sources.items():
        disk = f"<disk type='{kind}'><source {source}/><target dev='vda' bus='virtio'/></disk>"
        start = f"<domain type='qemu'><name>pvg-{kind}</name><memory>16384</memory><os><type>hvm</type></os>"
        storage.virsh("define", "/dev/stdin", stdin=f"{start}<devices>{disk}</devices></domain>")
    for is_check in (True, False):
        answer = carry_one(storage, shim, tmp_path, {"name": POOL, "state": "absent"}, about="pool", check=is_check)
        assert answer.result["changed"]
        assert f"{POOL}: these VMs are defined with volumes of the deleted pool: pvg-volume." in str(answer.result)
    assert "warnings" not in _done(run(name=POOL, state="absent"))


def test_path_is_moved_at_the_next_start(run, tmp_path):
    options = {"name": POOL, "type": "dir", "path": str(tmp_path / "one")}
    (tmp_path / "two").mkdir()
    _done(run(**options))
    moved = _done(run(**{**options, "path": str(tmp_path / "two")}))
    assert (moved["changed"], moved["restart_required"]) == (True, True)
    done = _done(run(**{**options, "path": str(tmp_path / "two"), "allow_restart": True}))
    assert (done["changed"], done["restart_required"]) == (True, False)
    stopped = _done(run(name=POOL, state="inactive"))
    assert stopped["pool"]["state"] == "inactive"
    assert not _done(run(name=POOL, state="inactive"))["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "set type"),
        ({"type": "dir"}, "needs path"),
        ({"type": "logical", "volume_group": "pvg-vg0"}, "volume_group: pvg-vg0 does not exist"),
        ({"type": "fs", "path": "/mnt", "device": "/dev/pvg-none"}, "device: /dev/pvg-none is not a block device"),
        ({"type": "dir", "path": "/srv/x", "device": "/dev/sda1"}, "device cannot be set"),
    ],
)
def test_rejected_before_the_first_change(storage, run, options, words):
    result = run(name=POOL, **options)
    assert result["failed"]
    assert _expected(storage, options.get("type"), words) in result["msg"]
    assert POOL not in storage.virsh("pool-list", "--all", "--name").split()


def _expected(storage, kind, words):
    """The error, or that of a type that this host's libvirt does not support: Debian has a package for each."""
    capabilities = ET.fromstring(storage.virsh("pool-capabilities"))
    missing = {one.get("type") for one in capabilities.iter("pool") if one.get("supported") == "no"}
    return f"Install the package libvirt-daemon-driver-storage-{kind}" if kind in missing else words


def test_values_that_the_type_does_not_have_are_rejected(run, tmp_path):
    """libvirt accepts and drops them."""
    options = {"name": POOL, "type": "dir", "path": str(tmp_path / "one")}
    _done(run(**options))
    for more in ({"device": "/dev/sda1"}, {"format": "ext4"}):
        result = run(name=POOL, **more)
        assert result["failed"]
        assert f"{next(iter(more))}: the pool is of the type dir" in result["msg"]


#: The source of a pool of the type iscsi; {0}: its number.
_ISCSI = "<host name='192.0.2.1'/><device path='iqn.2013-06.com.example:{0}'/>"


def _define(storage, folder, name, kind, source, path):
    """Define a pool with virsh, as its users did; this module creates none of these types."""
    capabilities = ET.fromstring(storage.virsh("pool-capabilities"))
    if kind in {one.get("type") for one in capabilities.iter("pool") if one.get("supported") == "no"}:
        pytest.skip(f"This libvirt has no pools of the type {kind}: Debian has a package for each.")
    file = folder / f"{name}.xml"
    target = f"<target><path>{path}</path></target>"
    file.write_text(f"<pool type='{kind}'><name>{name}</name><source>{source}</source>{target}</pool>")
    storage.virsh("pool-define", str(file))


@pytest.fixture
def disk(tmp_path):
    """A disk with data, but without a table of partitions."""
    file = tmp_path / "disk.raw"
    file.write_bytes(b"data " * 100_000)
    device = subprocess.run(
        ["losetup", "-f", "--show", file], capture_output=True, check=True, text=True
    ).stdout.strip()
    yield device
    subprocess.run(["losetup", "-d", device], check=True)


def test_partition_table_is_never_written(storage, run, shim, tmp_path, disk):
    """A disk pool is built by writing one; its directory is only a name, and may be missing."""
    _define(storage, tmp_path, POOL, "disk", f"<device path='{disk}'/><format type='dos'/>", tmp_path / "none")
    before = (tmp_path / "disk.raw").read_bytes()
    options = {"name": POOL, "state": "present", "autostart": True}
    assert _done(run(**options))["changed"]
    assert [call for call in shim.calls() if "pool-build" in str(call)] == []
    with open(disk, "rb") as file:
        assert file.read() == before[: len(before) // 512 * 512]
    assert "Autostart: yes" in " ".join(storage.virsh("pool-info", POOL).split())
    assert not _done(run(**options))["changed"]


@pytest.mark.parametrize(
    ("kind", "source", "path"),
    [
        ("scsi", "<adapter type='scsi_host' name='host{0}'/>", "/dev/disk/by-path"),
        ("iscsi", _ISCSI, "/dev/disk/by-path"),
        ("mpath", "", "/dev/pvg-mapper"),
    ],
)
def test_pools_of_devices_share_a_directory(storage, run, tmp_path, kind, source, path):
    """/dev/disk/by-path is the usual directory of all of them. It may be missing as long as there is no device."""
    names = [POOL] if kind == "mpath" else [POOL, f"{POOL}2"]
    for place, name in enumerate(names):
        _define(storage, tmp_path, name, kind, source.format(place), path)
    for name in names:
        assert _done(run(name=name, state="present", autostart=True))["changed"]
        assert not _done(run(name=name, state="present", autostart=True))["changed"]
        assert _done(run(name=name, state="absent"))["changed"]


def test_pool_without_its_directory_is_not_refreshed(storage, run, tmp_path):
    """libvirt would stop it."""
    folder = tmp_path / "one"
    _done(run(name=POOL, type="dir", path=str(folder)))
    folder.rmdir()
    result = run(name=POOL, state="refreshed")
    assert result["failed"]
    assert f"{folder} does not exist any more" in result["msg"]
    assert POOL in storage.virsh("pool-list", "--name").split()
    _done(run(name=POOL, state="inactive"))
    assert _done(run(name=POOL))["changed"]
    assert folder.is_dir()
