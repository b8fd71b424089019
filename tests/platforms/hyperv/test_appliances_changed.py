# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances on Hyper-V that were changed after their disks were stored: nothing of them is used unproven."""

from __future__ import annotations

import stat

import pytest

from platforms.hyperv.appliance_tasks import A, B, M, bytes_in, host_with_switch, ova, task
from platforms.hyperv.stored_images import images_of, steps_of
from platforms.hyperv.tasks import done, run
from suite import appliance_files as made


@pytest.fixture(name="host")
def _host(world):
    return host_with_switch()


@pytest.fixture(name="at_address")
def _at_address(world, tmp_path):
    asked = task(ova(tmp_path))
    about = made.published(world.vendor.server, asked["appliance"]["source"])
    return {**asked, "appliance": {**asked["appliance"], **about}}


def _delete_archive(world):
    """As the documentation describes it; the converted disks remain."""
    for path in world.store.iterdir():
        if ".ova" in path.name:
            path.unlink()


def test_descriptor_is_proven_although_the_disks_are_stored(host, at_address, world):
    done(host, **at_address)
    _delete_archive(world)
    second = {**at_address, "name": ["web2"]}
    files, right = world.vendor.server.files, world.vendor.server.files["/x.ova"]
    files["/x.ova"] = right.replace(b">128<", b">512<")
    assert files["/x.ova"] != right
    result = run(host, **second)
    assert result["failed"] and "but it must be" in result["msg"], result["msg"]
    assert [vm.name for vm in host.vms] == ["web"]
    files["/x.ova"] = right
    check, result = run(host, check=True, **second), done(host, **second)
    assert (check["diff"], steps_of(result, "web2")) == (result["diff"], ["fetch", "create"])
    assert bytes_in(host, "web2") == {"IDE 0:0": B, "IDE 0:1": A}
    assert not done(host, **second)["changed"]


def _write_pieces(folder, content, size):
    """Write an appliance of which the disk is in pieces; a piece that is the same is not written."""
    pieces = {f"d.vhd.{at // size:09}": content[at : at + size] for at in range(0, len(content), size)}
    body = made.hardware(made.sata(("d1", 0)), made.nic(), memory=128)
    text = made.envelope(body, [("f1", "d.vhd", f'ovf:chunkSize="{size}"')], [("d1", "f1", 16 * M)])
    files = {"vm.ovf": text.encode(), **pieces}
    for name, piece in {**files, "vm.mf": made.manifest(files).encode()}.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != piece:
            path.write_bytes(piece)
    return str(folder / "vm.ovf")


def test_each_piece_of_a_disk_is_of_its_version(host, world, tmp_path):
    first, second = (made.disk(tmp_path / f"{one}.vhd", "vpc", byte=one) for one in (A, B))
    folder, size = tmp_path / "pieces", 4096
    folder.mkdir()
    done(host, **task(_write_pieces(folder, first, size)))
    changed = first[:size] + second[size:-512] + first[-512:]
    asked = task(_write_pieces(folder, changed, size), "web2")
    result = done(host, **asked)
    assert (steps_of(result, "web2"), len(images_of(host))) == (["fetch", "create"], 4)
    assert not done(host, **asked)["changed"]


def test_appliance_that_a_password_protects_is_private_on_the_controller(host, at_address, world):
    about = at_address["appliance"]
    asked = {**at_address, "appliance": {**about, "source": about["source"].replace("://", "://me:S3cret@")}}
    done(host, **asked)
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in world.store.iterdir()}
    assert (modes[".ova"], modes[".vhdx"]) == (0o600, 0o600)
