# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs a file that no definition names: snapshots, images that no VM has, and volumes of inactive pools."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    DELETE,
    FILE,
    MERGE,
    UNREADABLE,
    Claim,
)

from unit.module_utils._drivers.virsh.answers import FakeVirsh, chain, disk, domain, failed, unknown_overlay, volume
from unit.module_utils._drivers.virsh.test_claims import Driver
from unit.module_utils._drivers.virsh.test_own_files import vm_of, web_files

_QCOW2 = "<driver type='qcow2'/>"


def test_volume_of_another_vm_counts_as_its_file(images, tmp_path):
    base = chain(images, tmp_path, "base", "top")[0]
    virsh = FakeVirsh({("vol-path", "--pool", "p", "--vol", name): f"{tmp_path}/{name}\n" for name in ("base", "top")})
    for name in ("base", "top"):
        file = web_files(images, domain("web", disk(base)), domain("db", more=volume(name)), virsh=virsh)[base]
        assert "db" in file.used_by


def _pool(folder, kind="dir"):
    return {"p": f"<pool type='{kind}'><target><path>{folder}</path></target></pool>"}


NOT_ACTIVE = FakeVirsh({("vol-path", "--pool", "p", "--vol", "v"): failed("storage pool 'p' is not active")})


@pytest.mark.parametrize(
    ("pools", "remedy"), [({}, "Detach that disk: virsh detach-disk db vdz --config."), (_pool("/mnt"), "pool-start p")]
)
def test_volume_with_unknown_path_prevents_deletion(images, tmp_path, pools, remedy):
    (path,), virsh = chain(images, tmp_path, "web.qcow2"), NOT_ACTIVE
    with pytest.raises(Refused, match="may be needed by db: db uses the volume v of the pool p") as caught:
        others = (domain("db", more=volume("v")),)
        web_files(images, domain("web", disk(path)), *others, vm=vm_of(path), virsh=virsh, pools=pools)
    assert remedy in caught.value.message
    # A volume of the VM itself does not prevent its deletion, nor does any volume if the VM has no files.
    assert web_files(images, domain("web", disk(path), more=volume("v")), virsh=virsh)[path].used_by == ()
    assert web_files(images, domain("web"), domain("db", more=volume("v")), virsh=virsh) == {}


@pytest.mark.parametrize("case", ["raw", "of a device", "reported"])
def test_volume_of_an_inactive_pool_that_needs_no_file_prevents_nothing(images, tmp_path, case):
    """It is not where its pool has it. The chain of a running VM is what libvirt reports."""
    base, own = chain(images, tmp_path, "base")[0], chain(images, tmp_path, "own")[0]
    chained = f"<backingStore type='file'><source file='{base}'/></backingStore><target"
    more = volume("v").replace("<target", chained) if case == "reported" else volume("v").replace("qcow2", "raw")
    other, pools = domain("db", more=more), _pool("/dev/vg", "logical") if case == "of a device" else _pool("/mnt")
    if case == "reported":
        other.root.set("id", "1")
    web = domain("web", disk(own, _QCOW2), disk(base, _QCOW2))
    found = web_files(images, web, other, virsh=NOT_ACTIVE, pools=pools)
    assert (found[own].used_by, found[base].used_by) == ((), ("db",) if case == "reported" else ())


@pytest.mark.parametrize("name", ["base", "top"])
def test_volume_of_an_inactive_pool_is_read_by_its_path(images, tmp_path, name):
    base = chain(images, tmp_path, "base", "top")[0]
    virsh = FakeVirsh({("vol-path", "--pool", "p", "--vol", name): failed("storage pool 'p' is not active")})
    other = domain("db", more=volume(name))
    found = web_files(images, domain("web", disk(base)), other, virsh=virsh, pools=_pool(tmp_path))
    assert "db" in found[base].used_by


@pytest.mark.parametrize("place", ["sub", "a/b/c"])
def test_backing_file_of_overlay_below_a_directory_of_disks_is_used(images, tmp_path, place):
    (base,) = chain(images, tmp_path, "base")
    (tmp_path / place).mkdir(parents=True)
    images.overlay(top := f"{tmp_path}/{place}/top", base, "qcow2")
    assert web_files(images, domain("web", disk(base)))[base].used_by == (top,)


def _snapshot(needs, base, hidden):
    """(command, text) of a snapshot or checkpoint of db that needs ``base``; ``hidden`` is an image on top of it."""
    if needs == "checkpoint":
        text = f"<domaincheckpoint>{domain('db', disk(base)).text()}</domaincheckpoint>"
        return ("checkpoint-dumpxml", "u-db", "--checkpointname", "s"), text
    kind, source = "internal" if needs.endswith("disk") else "external", f"<source file='{base}'/>"
    running = domain("db", disk(base if needs == "running disk" else "/d")).text()
    stored = domain("db", disk({"disk": base, "base of disk": hidden}.get(needs, "/d"), _QCOW2)).text()
    memory, overlay = f"file='{base}'" if needs == "memory" else "", source if needs == "overlay" else ""
    return ("snapshot-dumpxml", "u-db", "--snapshotname", "s"), (
        f"<domainsnapshot><name>s</name><memory snapshot='{kind}' {memory}/><disks><disk name='vd0' snapshot='{kind}'>"
        f"{overlay}</disk></disks>{running}{stored.replace('domain>', 'inactiveDomain>')}</domainsnapshot>"
    )


@pytest.mark.parametrize("needs", ["disk", "base of disk", "running disk", "overlay", "memory", "checkpoint"])
def test_file_that_a_snapshot_of_another_vm_needs_is_used_by_it(images, tmp_path, needs):
    """The disk has been detached since, so that no definition names it."""
    (base,) = chain(images, tmp_path, "base")
    (tmp_path / ".hidden").mkdir()
    images.overlay(hidden := f"{tmp_path}/.hidden/top", base, "qcow2")
    words, text = _snapshot(needs, base, hidden)
    web, virsh = domain("web", disk(base)), FakeVirsh({words: text})
    found = web_files(images, web, domain("db"), virsh=virsh, snapshots=[words])
    assert found[base].used_by == ("a snapshot of db",)
    # Its own snapshots are deleted with a VM.
    own = (words[0], "u-web", *words[2:])
    found = web_files(images, web, domain("db"), virsh=FakeVirsh({own: text}), snapshots=[own])
    assert found[base].used_by == ()


def test_unknown_volume_in_a_snapshot_is_resolved_by_its_deletion(images, tmp_path):
    """The VM has it no more, so that it cannot be detached."""
    (base,), words = chain(images, tmp_path, "base"), ("snapshot-dumpxml", "u-db", "--snapshotname", "s")
    text = f"<domainsnapshot><name>s</name>{domain('db', more=volume('v')).text()}</domainsnapshot>"
    virsh = FakeVirsh({words: text, ("vol-path", "--pool", "p", "--vol", "v"): failed("no storage pool 'p'")})
    with pytest.raises(Refused, match="uses the volume v of the pool p") as caught:
        web_files(images, domain("web", disk(base)), domain("db"), virsh=virsh, snapshots=[words])
    assert "If nobody needs snapshot 's' of 'db', delete it." in caught.value.message


def test_snapshot_with_a_torn_name_is_reported_and_prevents_no_deletion(images, tmp_path):
    """virsh lists names by lines; a name with a line break is two names that libvirt does not know."""
    (base,) = chain(images, tmp_path, "base")
    words = ("snapshot-dumpxml", "u-db", "--snapshotname", "half")
    virsh = FakeVirsh({words: failed("Domain snapshot not found: no domain snapshot with matching name 'half'")})
    driver = Driver(domain("web", disk(base)), domain("db"), virsh=virsh, snapshots=[words])
    claims = driver.claims
    identity = claims.identity(base)
    held = claims.held([Claim(FILE, identity, DELETE, "", base)])
    assert [one.name for one in held if one.claims and one.name != "web"] == []
    assert "db has a snapshot whose name is not listed in full: 'half'" in claims.warnings[0]
    (unknown,) = (
        one
        for held in claims.held([Claim(FILE, identity, MERGE, "", base)])
        for one in held.claims[-1:]
        if one.mode == UNREADABLE
    )
    assert unknown.remedy.startswith(
        "If nobody needs that snapshot, delete it by its whole name: virsh snapshot-delete"
    )


def test_what_is_not_searched_is_reported_and_an_unknown_only_where_a_lost_file_is(images, tmp_path, monkeypatch):
    (tmp_path / "disks").mkdir(), (tmp_path / "pool").mkdir()
    (base,), lists = chain(images, tmp_path / "disks", "base"), os.scandir
    unknown_overlay(tmp_path / "pool")
    driver = Driver(domain("web", disk(base)), images=images, pools=_pool(tmp_path / "pool"))
    claims = driver.claims
    lost = Claim(FILE, claims.identity(base), DELETE, "", base)
    assert [one.name for one in claims.held([lost]) if one.claims] == ["web"]
    assert f"{tmp_path}/pool/top (the image cannot be read)" in claims.warnings[0]

    def denied(path):
        if path.startswith(str(tmp_path)):
            raise PermissionError(13, "Permission denied")
        return lists(path)

    monkeypatch.setattr(os, "scandir", denied)  # The searching process inherits it.
    _web, unknown = claims.held([lost])
    assert [(one.identity, one.mode) for one in unknown.claims] == [(lost.identity, UNREADABLE)]
    assert f"{base} may be needed by an image in {tmp_path}/disks, which cannot be listed" in unknown.claims[0].text
    assert f"{tmp_path}/pool (Permission denied)" in claims.warnings[1]
