# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optical drives of a definition, and their slots."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import cdroms
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition, target_of

from unit.module_utils._drivers.virsh.answers import FakeVirsh, machine_xml, with_devices

SEED = "/var/lib/libvirt/images/vm1-seed.iso"
OWN = frozenset({SEED})
VM = Vm("web", id="u", mark={"files": [SEED]})
EMPTY = "<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>"
USB = "<disk type='file' device='cdrom'><source file='/u.iso'/><target dev='sdab' bus='usb'/><readonly/></disk>"
HOST = "<disk type='block' device='cdrom'><source dev='/dev/sr0'/><target dev='sdb' bus='sata'/></disk>"


@pytest.mark.parametrize(
    ("cloud_init", "machine", "place"),
    [
        ({"answer_file": "<unattend/>"}, "pc-q35-7.2", ("sdb", "sata")),
        ({"answer_file": "<unattend/>"}, "pc-i440fx-7.2", ("sdb", "sata")),
        ({"user": "ann"}, "pc-q35-7.2", ("sdb", "scsi")),
    ],
)
def test_medium_with_answers_is_on_a_bus_that_windows_setup_sees(cloud_init, machine, place):
    definition = with_drives(EMPTY.replace("sdb", "sda"))
    definition.root.find("os/type").set("machine", machine)
    cdroms.add_seeds(definition, [SEED], {"cloud_init": cloud_init})
    target = definition.drives("cdrom")[-1].find("target")
    assert (target.get("dev"), target.get("bus")) == place


class Driver:
    def __init__(self):
        self.virsh = FakeVirsh()


def with_drives(*drives):
    return Definition(machine_xml(with_devices(*drives)))


def changed(function, definition, change, running=None):
    driver = Driver()
    function(driver, VM, definition, running, change, [])
    return [words for words in driver.virsh.done if words[0] != "domjobinfo"]


@pytest.mark.parametrize(
    ("slot", "place"),
    [("sata0", ("sda", "sata")), ("sata27", ("sdab", "sata")), ("usb1", ("sdb", "usb")), ("sdc", ("sdc", "scsi")),
     ("hda", ("hda", "ide")), ("vda", None), ("sata", None), ("SATA0", None), ("sata0\n", None)],
)  # fmt: skip
def test_slots(slot, place):
    assert cdroms.target_and_bus(slot) == place
    if place:
        drive = Definition(f"<domain><devices><disk device='cdrom'><target dev='{place[0]}' bus='{place[1]}'/></disk>"
                           "</devices></domain>").drives("cdrom")[0]  # fmt: skip
        assert cdroms.slot_of(drive) == slot


def test_drive_of_seed_is_none_of_them():
    definition = with_drives(USB, EMPTY)
    assert cdroms.read_cdroms(definition, OWN) == {"sata1": {"source": ""}, "usb27": {"source": "/u.iso"}}
    assert cdroms.iso_drive(definition, OWN).find("target").get("dev") == "sdb"
    assert cdroms.reserved_targets(definition, OWN) == {"sda"}
    assert cdroms.read_cdroms(Definition(machine_xml()), OWN) == {}


def test_seed_is_never_removed_and_other_drives_are():
    definition = with_drives(USB, EMPTY)
    for slot in ("sata0", "sda", "usb27"):
        changed(cdroms.remove_drive, definition, Change("cdroms", {}, None, key=slot))
    assert [target_of(one) for one in definition.drives("cdrom")] == ["sda", "sdb"]


def test_drive_with_host_device_becomes_drive_with_file():
    definition = with_drives(HOST)
    changed(cdroms.set_drive, definition, Change("cdroms", "/dev/sr0", "/a.iso", key="sata1", attribute="source"))
    drive = definition.drives("cdrom")[1]
    assert (drive.get("type"), drive.find("source").attrib) == ("file", {"file": "/a.iso"})


def test_drive_of_iso_is_added_where_neither_seed_nor_new_disk_is():
    definition = Definition(machine_xml())
    changed(cdroms.set_iso, definition, Change("iso", None, "/a.iso", beside={"disks": {"sdb": {"size": 1}}}))
    vm = VM.having(config={"disks": {"sdb": {}}}, reserved=cdroms.reserved_targets(Definition(machine_xml()), OWN))
    assert cdroms.drive_slot(vm, vm.config) == "sata2"
    assert cdroms.read_cdroms(definition, OWN) == {"sata2": {"source": "/a.iso"}}


def test_running_vm_gets_the_image_in_the_same_drive_as_the_definition():
    """The first drive of the definition may be one that the running VM does not have yet."""
    running, stored = with_drives(USB), with_drives(USB, EMPTY)
    assert changed(cdroms.set_iso, stored, Change("iso", "", "/a.iso"), running) == []
    change = Change("cdroms", "/u.iso", "", key="usb27", attribute="source")
    assert changed(cdroms.set_drive, stored, change, running) == [("change-media", "u", "sdab", "--eject", "--live")]
    assert cdroms.read_cdroms(stored, OWN) == {"sata1": {"source": "/a.iso"}, "usb27": {"source": ""}}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"vdb": {}}, "'vdb' is not a valid slot of an optical drive"),
        ({"sata1": {}, "sata01": {}}, "sata01 and sata1 are the same slot, sdb"),
        ({"usb0": {"source": "/b.iso"}, "sda": {}}, "sda and usb0 are the same slot, sda"),
        ({"usb1": {}}, "usb1 and sata1 are the same slot, sdb"),
    ],
)
def test_one_target_has_one_drive(wanted, message):
    vm = Vm("web", config={"cdroms": {"sata1": {}}})
    with pytest.raises(Refused, match=message):
        cdroms.CDROMS["cdroms"].normalize(vm, wanted)


@pytest.mark.parametrize(
    ("present", "wanted", "is_possible"),
    [
        ({}, {"source": "/a.iso"}, True),
        ({}, {}, False),
        ({}, {"source": ""}, False),
        ({"usb2": {"source": "/a.iso"}}, {"source": ""}, False),
        ({"usb2": {"source": "/a.iso"}}, {}, True),
        ({"usb2": {"source": "/a.iso"}}, None, True),
        ({"usb2": {"source": ""}}, {"source": ""}, True),  # Such a VM exists, and does not start.
    ],
)
def test_usb_drive_is_not_empty(present, wanted, is_possible):
    """With libvirt 9.0, QEMU does not start it and ejects nothing; libvirt 11.3 rejects it."""
    vm = Vm("web", config={"cdroms": present})
    if is_possible:
        assert cdroms.CDROMS["cdroms"].normalize(vm, {"usb2": wanted}) == {"usb2": wanted}
        return
    with pytest.raises(Refused, match=r"web: cdroms\.usb2: a USB drive cannot be empty\."):
        cdroms.CDROMS["cdroms"].normalize(vm, {"usb2": wanted})


def test_drive_on_another_bus_is_not_removed():
    vm = Vm("web", config={"cdroms": {"sata1": {}}})
    assert cdroms.CDROMS["cdroms"].normalize(vm, {"usb1": None, "sata01": None}) == {"sata1": None}
