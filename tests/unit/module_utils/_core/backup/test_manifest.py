# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests that can be used, and those that name files elsewhere or lack something; the digest of a file; links."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup import manifest as manifests
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.reader import Damaged

ID, BIRTH = "20270131T120000Z-abcd", "abcd-1"
FILES = (
    {
        "name": "vda.qcow2",
        "role": "disk",
        "slot": "vda",
        "format": "raw",
        "virtual_size": 5,
        "size": 3,
        "sha256": "0" * 64,
    },
    {"name": "definition.xml", "role": "definition", "size": 2, "sha256": "1" * 64},
)


def _manifest(**changes):
    begun = manifests.unfinished(Vm("web1", power="running"), BIRTH, "host1", ID, 5, FILES)
    return {**manifests.finished(begun, "crash", FILES), **changes}


def _parsed(manifest):
    return manifests.parsed(manifest if isinstance(manifest, str) else manifests.printed(manifest), ID, BIRTH)


def test_id_is_a_time_and_the_beginning_of_a_digest_of_the_birth():
    assert manifests.new_id(1801396800, "3f078c8c-2819") == "20270131T120000Z-6efc59e7"


def test_manifest_that_is_printed_is_read_again():
    found = _parsed(_manifest())
    assert found == _manifest()
    backup = manifests.backup_of(found)
    assert (backup.size, backup.vm, backup.is_good, backup.host) == (5, "web1", True, "host1")


def _with(number, **changes):
    files = [dict(one) for one in FILES]
    files[number].update(changes)
    return _manifest(files=files)


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{",
        json.dumps({"v": 1}),
        _manifest(v=2),
        _manifest(id="other"),
        _manifest(birth="other"),
        _manifest(consistency="good"),
        _manifest(start=-1),
        _manifest(start="5"),
        _manifest(protected="yes"),
        _manifest(excluded=["/etc"]),
        _manifest(files=[FILES[0]]),
        _manifest(files=[*FILES, FILES[0]]),
        _manifest(files="vda"),
        _with(0, name="../vda.qcow2"),
        _with(0, name="/etc/passwd"),
        _with(0, name=".."),
        _with(0, name="manifest.json"),
        _with(0, name=5),
        _with(0, size=None),
        _with(0, sha256="x"),
        _with(0, slot="a/b"),
        _with(0, role="other"),
        *(_with(0, **{key: None}) for key in ("format", "slot", "virtual_size", "sha256")),
        *(_with(0, **{key: ["x"]}) for key in ("format", "slot", "virtual_size", "size", "source", "role", "mount")),
        _with(1, name=FILES[0]["name"]),
        _manifest(unfinished="no"),
        _manifest(notes=[1]),
    ],
)
def test_invalid_manifest(manifest):
    with pytest.raises(Damaged):
        _parsed(manifest)


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ({"vda.qcow2": 3, "definition.xml": 2}, ""),
        ({"vda.qcow2": 3}, "definition.xml is missing"),
        ({"vda.qcow2": 2, "definition.xml": 2}, "2 bytes instead of 3"),
    ],
)
def test_sizes(sizes, problem):
    found = manifests.size_problem(_manifest(), sizes)
    assert problem in found
    assert bool(found) == bool(problem)


def _definition(slots=("vda",), uuid=BIRTH, more=""):
    disks = "".join(f"<disk><target dev='{slot}'/></disk>" for slot in slots)
    drive = "<disk device='cdrom'><target dev='sda'/></disk>"
    return ET.fromstring(f"<domain><uuid>{uuid}</uuid><devices>{disks}{drive}{more}</devices></domain>")


@pytest.mark.parametrize(
    ("uuid", "slots", "excluded", "problem"),
    [
        (BIRTH, ["vda"], [], ""),
        (BIRTH, ["vda", "vdb"], ["vdb"], ""),
        (BIRTH, ["vda", "vdb"], [], "its disks are not those of the backup"),
        (BIRTH, ["vda"], ["vdb"], "its disks are not those of the backup"),
        ("abcd-2", ["vda"], [], "its UUID is abcd-2, and the backup is of VM abcd-1"),
    ],
)
def test_definition_is_that_of_the_manifest(uuid, slots, excluded, problem):
    assert manifests.definition_problem(_manifest(excluded=excluded), _definition(slots, uuid)) == problem


def test_definition_that_libvirt_cannot_have_written():
    assert manifests.definition_problem(_manifest(), ET.fromstring("<network/>")) == "it is not a definition of libvirt"
    assert manifests.definition_problem(_manifest(), _definition(more="<disk/>")) == "a disk has no target"


#: A definition in which libvirt reads each of these elements once, and two of the others.
_ONCE = """
<domain><uuid>abcd-1</uuid><metadata/><os><type/></os><devices><emulator/>
<disk><driver/><source><dataStore><source/></dataStore></source><target dev='vda'/><backingStore><source/><backingStore>
<source/></backingStore></backingStore><mirror><source/></mirror></disk>
<interface><source/><target/><driver/></interface><filesystem><driver/><source/><target/></filesystem>
<hostdev><driver/><source/></hostdev><controller><driver/><target/></controller>
<serial type='udp'><source mode='bind'/><source mode='connect'/><target/></serial></devices></domain>
"""
_DEVICES = ("disk", "interface", "filesystem", "hostdev", "controller")


def _doubled():
    """Yield definitions, each with one element twice that libvirt reads once."""
    for place, part in enumerate(ET.fromstring(_ONCE).iter()):
        names = [one.tag for one in part if one.tag not in (*_DEVICES, "serial", "uuid")]
        for name in names if part.tag in ("domain", "devices", *_DEVICES) else ():
            root = ET.fromstring(_ONCE)
            [*root.iter()][place].append(ET.Element(name))
            yield pytest.param(name, root, id=f"{part.tag}-{name}")


@pytest.mark.parametrize(("name", "root"), [*_doubled()])
def test_element_that_is_doubled(name, root):
    found = manifests.definition_problem(_manifest(), root)
    assert f"has two elements '{name}', and libvirt writes one" in found


def test_elements_that_libvirt_writes_several_times():
    assert manifests.definition_problem(_manifest(), ET.fromstring(_ONCE)) == ""
