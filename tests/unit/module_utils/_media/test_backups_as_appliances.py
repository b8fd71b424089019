# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of libvirt as appliances: what a task gets from a folder, folders that are rejected, and MACs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.appliances import APPLIANCES as OF_HYPERV
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.appliances import APPLIANCES as OF_PROXMOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.images import APPLIANCES as OF_VIRTUALBOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import APPLIANCES
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.lookup import resolved

from suite import backup_files as made
from unit.module_utils._media.appliance_tasks import M, request
from unit.module_utils._media.test_backup_definitions import NEW_MACS, USUAL

CHECKOUT = Path(__file__).parents[4]


def _qcow2(fill=0, size=16 * M):
    """The header of an image without data."""
    header = b"QFI\xfb\0\0\0\3" + b"\0" * 12 + (16).to_bytes(4, "big") + size.to_bytes(8, "big")
    return header + b"\0" * 72 + bytes([fill]) * 1000


def _backup(tmp_path, devices=None, **about):
    devices = devices or made.disk("vda") + made.disk("vdb") + made.nic()
    contents = {"vda": _qcow2(1), "vdb": _qcow2(2)}
    return made.backup(tmp_path / "backups", made.definition(devices, **about), contents)


def _asked(place, config=None, words=APPLIANCES, **more):
    more = {"networks": {"default": {"type": "nat"}}, **more}
    found = resolved(request(place, config, **more), words, None)
    return found, found.creation["appliance"]


def test_backup_becomes_the_request_that_an_appliance_becomes(tmp_path):
    place = _backup(tmp_path, cpus=2, memory_mib=96)
    for source in (place, f"{place}/", place / "manifest.json"):
        found, appliance = _asked(source)
        assert found.config == {
            **{"cpus": 2, "memory": 96 * M, "firmware": "bios", "display": {"type": "vnc"}},
            "networks": {"0": {"model": "virtio", "type": "nat"}},
        }
        assert appliance["slots"] == {"vda": {}, "vdb": {}}
        images = {slot: (one["source"], one["format"], one["size"]) for slot, one in appliance["disks"].items()}
        assert images == {slot: (str(place / f"{slot}.qcow2"), "qcow2", 16 * M) for slot in ("vda", "vdb")}
        assert (appliance["warnings"], appliance["not_carried"]) == ([], [*USUAL, NEW_MACS])


@pytest.mark.parametrize(
    ("words", "slots", "model"),
    [
        (OF_VIRTUALBOX, ["SATA 0", "SATA 1"], "virtio"),
        (OF_PROXMOX, ["virtio0", "virtio1"], "virtio"),
        (OF_HYPERV, ["IDE 0:0", "IDE 0:1"], None),
    ],
)
def test_each_platform_has_its_words(tmp_path, words, slots, model):
    found, appliance = _asked(_backup(tmp_path), words=words)
    assert list(appliance["disks"]) == slots
    assert found.config["networks"]["0"].get("model") == model


def test_manifest_is_in_the_plan(tmp_path):
    """It has the digests of all files, so another content is another plan."""
    place = _backup(tmp_path)
    before = _asked(place)[1]["checksum"]
    assert before == _asked(place)[1]["checksum"]
    (place / "vdb.qcow2").write_bytes(_qcow2(3))
    made.edit(place, ["vdb.qcow2"])
    assert _asked(place)[1]["checksum"] != before
    assert re.fullmatch("sha256:[0-9a-f]{64}", before)


def test_boot_disk_is_named_by_its_slot(tmp_path):
    found = _asked(_backup(tmp_path), boot_disk="vdb")[1]["disks"]
    assert found["vda"]["source"].endswith("vdb.qcow2")


def _write(name, content):
    return lambda place: (place / name).write_bytes(content)


def _link(place):
    target = place.parent.parent.parent / "secret"
    shutil.move(place / "vda.qcow2", target)
    (place / "vda.qcow2").symlink_to(target)


def _backing(place):
    content = _qcow2(1)
    (place / "vda.qcow2").write_bytes(content[:8] + (104).to_bytes(8, "big") + (8).to_bytes(4, "big") + content[20:])
    made.edit(place, ["vda.qcow2"])


def _larger(place):
    files = json.loads((place / "manifest.json").read_text())["files"]
    made.edit(place, files=[{**one, "virtual_size": 32 * M} if one["name"] == "vda.qcow2" else one for one in files])


def _other_uuid(place):
    path = place / "definition.xml"
    path.write_text(path.read_text().replace(made.BIRTH, made.BIRTH[:-1] + "0"))
    made.edit(place, ["definition.xml"])


#: {what: (how the folder is changed, part of the message)}
TAMPERED = {
    "exchanged disk": (_write("vda.qcow2", _qcow2(7)), "vda.qcow2 differs from its checksum"),
    "disks exchanged": (lambda place: (place / "vdb.qcow2").replace(place / "vda.qcow2"), "vdb.qcow2 is missing"),
    "backing file": (_backing, "vda.qcow2 names another file"),
    "link": (_link, "outside of the appliance: 'vda.qcow2' is a link"),
    "shorter": (_write("vda.qcow2", _qcow2()[:-1]), "bytes instead of"),
    "another size": (_larger, "vda.qcow2 has another size"),
    "no image": (_write("vda.qcow2", b"x" * len(_qcow2())), "vda.qcow2 is not a qcow2 image"),
    "missing disk": (lambda place: (place / "vdb.qcow2").unlink(), "vdb.qcow2 is missing"),
    "unfinished": (lambda place: made.edit(place, unfinished=True), "its task has not completed it"),
    "another UUID": (_other_uuid, "the backup is of VM"),
    "definition": (_write("definition.xml", b"<domain/>"), "definition.xml has 9 bytes"),
    "manifest": (_write("manifest.json", b"{"), "its manifest is not valid"),
    "another directory": (lambda place: made.edit(place, id="20200101T000000Z-0a1b2c3d"), "is that of backup 2020"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_folder_is_rejected(tmp_path, name):
    change, expected = TAMPERED[name]
    place = _backup(tmp_path)
    change(place)
    with pytest.raises(Refused, match=re.escape(expected)) as error:
        _asked(place)
    # That would not help.
    assert "delete the manifest" not in str(error.value)


def test_checksum_is_that_of_the_manifest(tmp_path):
    place = _backup(tmp_path)
    with pytest.raises(Refused, match="has another checksum"):
        _asked(place, checksum="sha256:" + "0" * 64)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_copied_folder_needs_its_owner(tmp_path):
    """One remedy for all of the backup: not one for each directory."""
    place = _backup(tmp_path)
    for one in (place.parent, place):
        os.chown(one, 1234, 1234)
    with pytest.raises(Refused) as error:
        _asked(place)
    assert f"Run: chown -R root {place.parent}; chmod -R go-w {place.parent}." in str(error.value)
    assert _asked(place, allow_shared_directory=True)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("rsync"), reason="needs root and rsync")
def test_copy_command_of_the_guide_is_enough(tmp_path):
    place = _backup(tmp_path)
    for one in (place.parent, place, *place.iterdir()):
        os.chown(one, 1234, 1234)
        one.chmod(0o770)
    (tmp_path / "new").mkdir()
    (command,) = re.findall(r"^rsync .*", (CHECKOUT / "docs" / "appliances.md").read_text(), re.MULTILINE)
    for guide, here in (("kvm1:/srv/backups", tmp_path / "backups"), ("/srv/backups", tmp_path / "new")):
        command = command.replace(guide, str(here), 1)
    subprocess.run(command.replace("UUID", made.BIRTH).replace("ID", made.ID).split(), check=True)
    copy = tmp_path / "new" / made.BIRTH / made.ID
    assert _asked(copy)[1]["checksum"] == _asked(place, allow_shared_directory=True)[1]["checksum"]
    assert {one.stat().st_uid for one in (copy.parent, copy, *copy.iterdir())} == {0}


# MAC addresses --------------------------------------------------------------------------------------------------------


def test_macs_are_kept_if_the_task_says_so(tmp_path):
    place = _backup(tmp_path)
    found, appliance = _asked(place, keep_macs=True)
    assert found.config["networks"] == {"0": {"model": "virtio", "type": "nat", "mac": made.MAC}}
    assert NEW_MACS not in appliance["not_carried"]


@pytest.mark.parametrize("mac", ["", "01:00:00:00:00:01", "52:54:00"])
def test_mac_that_no_nic_can_have_is_rejected(tmp_path, mac):
    place = _backup(tmp_path, made.disk("vda") + made.disk("vdb") + made.nic(mac=mac))
    with pytest.raises(Refused, match="keep_macs: the appliance has the MAC address"):
        _asked(place, keep_macs=True)


def test_macs_of_nics_that_the_task_replaces_cannot_be_kept(tmp_path):
    with pytest.raises(Refused, match="keep_macs: it cannot be set together with networks"):
        _asked(_backup(tmp_path), {"networks": {"0": {"type": "nat"}}}, networks={}, keep_macs=True)
