# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks, drives and NICs of a definition; names of disks' slots, and the two buses that share one row of names."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import disks
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import networks as networks_file
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import MAC, machine_xml, with_devices
from unit.module_utils._drivers.virsh.test_definition import edited
from unit.tables.rows import ask

SEED = "/var/lib/libvirt/images/vm1-seed.iso"
CARD = "/devices[1]/interface[1]"
TRAITS = virsh_traits("QEMU", "9.0.0", local=True)
SATA = {"size": 1 << 30, "bus": "sata"}
SCSI = {"size": 1 << 30, "bus": "scsi"}


# Disks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("<source dev='/dev/sdz'/>", "/dev/sdz"),
        ("<source protocol='rbd' name='pool/image'><host name='ceph'/></source>", "pool/image"),
        ("<source pool='images' volume='a.qcow2'/>", "a.qcow2"),
        ("", ""),
    ],
)
def test_disks_that_are_not_files_are_read(source, read):
    text = machine_xml(with_devices(f"<disk device='lun'>{source}<target dev='sdx' bus='scsi'/></disk>"))
    disk = {"size": None, "format": "raw", "source": read, "bus": "scsi"}
    assert disks.read_disks(Definition(text), {})["sdx"] == disk


def test_disk_is_added_and_removed_without_other_changes():
    element = disks.disk_element("vdb", "/d/b.qcow2", "qcow2", {"serial": "b"})
    added = edited(machine_xml(), lambda definition: disks.insert_disk(definition, element))
    assert {path.rpartition("/disk[3]")[0] for path in added} == {"/devices[1]"}
    assert added["/devices[1]/disk[3]/target[1]@bus"] == (None, "virtio")
    assert added["/devices[1]/disk[3]/serial[1]"] == (None, "b")
    removed = edited(machine_xml(), lambda definition: disks.remove_disk_element(definition, "vda"))
    # The drive behind it moves up, and is not touched.
    assert removed["/devices[1]/disk[1]/source[1]@file"] == ("/var/lib/libvirt/images/m1.qcow2", SEED)
    assert removed["/devices[1]/disk[2]"] == ("", None)


def test_drive_is_not_removed_as_disk():
    assert edited(machine_xml(), lambda definition: disks.remove_disk_element(definition, "sda")) == {}


# NICs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "inside", "read"),
    [
        ("network", "<source network='lan' portgroup='p'/>", {"type": "network", "source": "lan"}),
        ("bridge", "<source bridge='br0'/>", {"type": "bridged", "source": "br0"}),
        ("direct", "<source dev='eth0' mode='vepa'/>", {"type": "bridged", "source": "eth0"}),
        ("user", "<mac address='52:54:00:AB:00:01'/>", {"type": "user", "mac": "52:54:00:ab:00:01"}),
        ("hostdev", "<source><address type='pci'/></source>", {"type": "hostdev"}),
        ("ethernet", "<model type='e1000e'/>", {"type": "ethernet", "model": "e1000e"}),
    ],
)
def test_nics_of_all_types_are_read(kind, inside, read):
    definition = Definition(f"<domain><devices><interface type='{kind}'>{inside}</interface></devices></domain>")
    assert networks_file.read_networks(definition) == {"0": read}


@pytest.mark.parametrize(
    ("entry", "kind", "source"),
    [
        ({"type": "network", "source": "lan"}, "network", {"network": "lan"}),
        ({"type": "bridged", "source": "br0"}, "bridge", {"bridge": "br0"}),
        ({"type": "bridged", "source": "eth0"}, "direct", {"dev": "eth0", "mode": "bridge"}),
        ({"type": "user"}, "user", None),
    ],
)
def test_nics_of_all_types_are_written_and_read_back(entry, kind, source):
    element = networks_file.nic_element(entry, lambda interface: interface.startswith("br"))
    assert element.get("type") == kind
    assert (element.find("source").attrib if source else element.find("source")) == source
    definition = Definition("<domain><devices/></domain>")
    definition.devices.append(element)
    assert networks_file.read_networks(definition)["0"] == {**entry, "model": "virtio"}


def change_nic(**entry):
    return lambda definition: networks_file.set_nic_element(
        definition.interfaces()[0], entry, lambda interface: interface == "br0"
    )


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        ({"source": "lan"}, {f"{CARD}/source[1]@network": ("default", "lan")}),
        ({"mac": "52:54:00:00:00:01"}, {f"{CARD}/mac[1]@address": (MAC, "52:54:00:00:00:01")}),
        ({"model": "e1000e"}, {f"{CARD}/model[1]@type": ("virtio", "e1000e")}),
        (
            {"type": "bridged", "source": "br0"},
            {
                f"{CARD}@type": ("network", "bridge"),
                f"{CARD}/source[1]@network": ("default", None),
                f"{CARD}/source[1]@bridge": (None, "br0"),
            },
        ),
        (
            {"type": "user"},
            {
                f"{CARD}@type": ("network", "user"),
                f"{CARD}/source[1]": ("", None),
                f"{CARD}/source[1]@network": ("default", None),
            },
        ),
        ({}, {}),
    ],
)
def test_nic_changes_only_in_requested_attributes(entry, changes):
    assert edited(machine_xml(), change_nic(**entry)) == changes


@pytest.mark.parametrize("order", [("type", "source"), ("source", "type")])
def test_type_and_source_can_be_set_one_by_one(order):
    requested, definition = {"type": "bridged", "source": "br0"}, Definition(machine_xml())
    for attribute in order:
        change_nic(**{attribute: requested[attribute]})(definition)
    read = networks_file.read_networks(definition)["0"]
    assert (read["type"], read["source"], read["mac"]) == ("bridged", "br0", MAC)
    assert definition.interfaces()[0].get("type") == "bridge"


# Slots ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "name"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba"), (702, "vdaaa")]
)
def test_slot_names_follow_libvirt(place, name):
    assert disks.slot_name(place) == name
    assert disks.bus_of(name) == "virtio"


def with_disks(**entries):
    return Vm("web", id="u", config={"disks": entries})


@pytest.mark.parametrize(
    ("found", "requested", "normalized"),
    [
        ({}, {"sata0": {"size": 512}}, {"sda": {"size": 512, "bus": "sata"}}),
        ({}, {"sata27": {}}, {"sdab": {"bus": "sata"}}),
        ({}, {"sda": {"size": 512}}, {"sda": {"size": 512}}),
        ({"sda": SATA}, {"sata0": None}, {"sda": None}),
        ({"sda": SATA}, {"sda": None}, {"sda": None}),
        ({"sda": SCSI}, {"sata0": None}, {}),
        ({}, {"sata0": None}, {"sda": None}),
    ],
)
def test_sata_slot_becomes_target_with_bus(found, requested, normalized):
    assert disks.normalize_slots(with_disks(**found), requested) == normalized


@pytest.mark.parametrize("slot", ["sata", "sata1x", "sata1000", "1", "vd/../x", "SATA0", "sata\u0661"])
def test_invalid_slot_is_rejected(slot):
    with pytest.raises(Refused, match="is not a valid slot"):
        disks.normalize_slots(with_disks(), {slot: {"size": 512}})


def test_two_names_of_one_target_are_rejected():
    with pytest.raises(Refused, match=r"web: disks: sata0 and sda are the same slot"):
        disks.normalize_slots(with_disks(), {"sda": {}, "sata0": {}})


def test_bus_of_disk_cannot_be_changed():
    planned = plan(with_disks(sda=SCSI), ask(disks=[{"slot": "sata0"}]), TRAITS)
    assert str(planned.refusal).startswith("web: disks.sda.bus is 'scsi' and cannot be changed to 'sata'.")
    assert "Use another slot" in str(planned.refusal)
