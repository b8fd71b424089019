# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's definitions say about files that VMs share."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    RUNNING,
    STOPPED,
    SUSPENDED,
    Plan,
    Snapshot,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    BASE,
    DELETE,
    FILE,
    OWN,
    SNAPSHOT,
    WRITE,
    Claim,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.answers import Needs
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.claims import VirshClaims

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import FakeVirsh, disk, domain, driver_of, of_vms, unknown_overlay


class Driver:
    """What the claims need of a driver: all definitions, and the VMs that are suspended."""

    is_local, default_folder = True, "/missing"

    def __init__(self, *definitions, saved=(), virsh=None, images=None, pools=None, snapshots=()):
        self.virsh, self.storage = virsh or FakeVirsh(), SimpleNamespace(qemu_img=images, folder="/missing")
        self.saved, self._definitions, self.warnings, self.options = frozenset(saved), definitions, [], {}
        pools = {name: ET.fromstring(text) for name, text in (pools or {}).items()}
        self.needs = Needs(definitions, self.saved, snapshots, pools)
        self.seen = SimpleNamespace(definitions={one.uuid: one.text() for one in definitions})

    def all_definitions(self):
        return self._definitions

    @property
    def claims(self):
        return VirshClaims(self)


def start(name):
    """The plan that starts a VM. Its settings do not matter: what it holds is in its definition."""
    before = Vm(name, id=f"u-{name}", power="stopped", config={"disks": {"vda": {}}})
    return Plan(before, before.having(power=RUNNING), segments=((Step("start"),),))


def held(driver, *wanted):
    found = driver.claims.held(wanted or [Claim(OWN, "u-web")])
    return {one.name: one for one in found}


def test_suspended_vm_uses_its_disks(tmp_path):
    """Its memory is restored with the content that its disks had."""
    path = tmp_path / "shared"
    path.touch()
    driver = Driver(domain("web", disk(path)), domain("db", disk(path)), saved=["u-db"])
    assert held(driver)["db"].power == SUSPENDED
    with pytest.raises(Refused, match=f"{path} is a disk of db"):
        check_claims(driver, start("web"))
    check_claims(Driver(domain("web", disk(path)), domain("db", disk(path))), start("web"))


def network_disk(transport):
    source = f"<source protocol='nbd'><host transport='unix' socket='{transport}'/></source>"
    return f"<disk type='network' device='disk'>{source}<target dev='vda'/></disk>"


@pytest.mark.parametrize(("socket", "rejected"), [("/run/a.sock", True), ("/run/b.sock", False)])
def test_network_disks_differ_by_their_sockets(socket, rejected):
    running = domain("db", more=network_disk("/run/a.sock"))
    running.root.set("id", "1")
    driver = Driver(domain("web", more=network_disk(socket)), running)
    if rejected:
        with pytest.raises(Refused, match=f"{socket}:/ is a disk of db|{socket}/ is a disk of db"):
            check_claims(driver, start("web"))
    else:
        check_claims(driver, start("web"))


def test_character_device_is_no_file_that_vms_share():
    log = "<serial type='file'><source path='/dev/null'/></serial>"
    running = domain("db", more=log)
    running.root.set("id", "1")
    check_claims(Driver(domain("web", more=log), running), start("web"))


def test_name_of_a_backing_file_ends_at_the_first_null_byte(tmp_path):
    """As QEMU and vmd read it. A guest can write anything to a disk of another format."""
    image, name = tmp_path / "image", b"base\0rest"
    image.write_bytes(b"QFI\xfb\0\0\0\x02" + (64).to_bytes(8, "big") + len(name).to_bytes(4, "big") + bytes(44) + name)
    own, below = Driver().claims.file(str(image), WRITE, "disks.vda")
    assert (own.text, below.text) == (str(image), str(tmp_path / "base"))


def test_data_file_of_an_image_is_below_it(tmp_path):
    """The image names it by a relative path. So it is neither attached to another VM nor deleted with it."""
    words = ("-o", "data_file=data.raw,data_file_raw=on", "top.qcow2", "1M")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words], check=True, cwd=tmp_path)
    top, data = str(tmp_path / "top.qcow2"), str(tmp_path / "data.raw")
    qcow2 = disk(top, "<driver name='qemu' type='qcow2'/>")
    driver = Driver(domain("web", disk(data)), domain("db", qcow2))
    deleted = Claim(FILE, driver.claims.identity(data), DELETE, "", data)
    assert [(claim.mode, claim.text) for claim in held(driver, deleted)["db"].claims] == [(WRITE, top), (BASE, data)]


def test_damaged_image_of_a_plan_is_no_error_of_the_comparison(tmp_path):
    """The checks of the image report it, with its option."""
    path = unknown_overlay(tmp_path)
    own, unreadable = Driver(domain("web"), domain("db")).claims.file(path, WRITE, "disks.vdb")
    assert (own.kind, own.text, "neither by a path nor" in unreadable.text) == (FILE, path, True)


@pytest.mark.parametrize(
    ("power", "name", "is_written"),
    [(STOPPED, "inner", True), (STOPPED, "other", False), (RUNNING, "inner", False), (SUSPENDED, "inner", True)],
)
def test_internal_snapshot_is_deleted_from_the_images_of_a_vm_that_is_off(power, name, is_written):
    """So their locks are asked: libvirt does not report that it could not write to an image that is open elsewhere."""
    config = {"disks": {"vda": {"source": "/vms/web.qcow2"}, "vdb": {}}}
    vm = Vm("web", id="u-web", power=power, config=config, snapshots=(Snapshot("inner", kind="internal"),))
    step = Step("drop_snapshot", arguments={"names": (name,)})
    found = Driver(domain("web")).claims.step_files(Plan(vm, vm, segments=((step,),)), step)
    assert list(found) == ([(SNAPSHOT, "disks.vda", "/vms/web.qcow2")] if is_written else [])


@pytest.mark.parametrize("place", ["disk", "pool", "default", "storage"])
def test_stored_image_is_needed_by_disk_files_in_all_directories_of_disks(tmp_path, place):
    base, overlay = str(tmp_path / "image"), str(tmp_path / place / "left")
    (tmp_path / place).mkdir()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay], check=True)
    pool = f"<pool type='dir'><target><path>{tmp_path}/pool</path></target></pool>"
    driver = Driver(domain("web", disk(tmp_path / "disk" / "raw")), pools={"p": pool})
    driver.default_folder, driver.storage.folder = str(tmp_path / "default"), str(tmp_path / "storage")
    found = held(driver, Claim(FILE, driver.claims.identity(base), DELETE, "image", base))
    assert [claim.text for claim in found[overlay].claims] == [base]
    driver.is_local = False
    assert {*held(driver, Claim(FILE, base, DELETE, "image", base))} == {"web"}


@pytest.mark.parametrize("has_snapshots", [False, True])
def test_look_before_twenty_deletions_takes_two_processes_or_three(tmp_path, has_snapshots):
    paths = [tmp_path / f"{number}.qcow2" for number in range(20)]
    virsh = FakeVirsh(of_vms(domain("web", *map(disk, paths)).text(), domain("db").text()))
    if has_snapshots:
        virsh.answers["list", "--all", "--uuid", "--with-snapshot"] = "u-db\n"
        virsh.answers["snapshot-list", "u-db", "--name"] = "s\n"
        virsh.answers["snapshot-dumpxml", "u-db", "--snapshotname", "s"] = "<domainsnapshot/>"
    claims = driver_of(virsh, tmp_path).claims
    claims.place = ("host", "system")
    found = claims.held_now([Claim(FILE, claims.identity(str(path)), DELETE, "", str(path)) for path in paths])
    assert ({one.name for one in found} >= {"web", "db"}, virsh.processes) == (True, 2 + has_snapshots)
