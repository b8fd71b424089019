# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optical drives of a definition, and their slots."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import cdroms
from ansible_collections.polyvirt.core.plugins.module_utils._media.store import FolderStore, Stored
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition, source_of, target_of

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

    def without_prompt(self, iso):
        return f"/store/{iso[1:-4]}.no-prompt-1.qcow2"


def with_drives(*drives):
    return Definition(machine_xml(with_devices(*drives)))


def inserted(slot, old, new, attribute="source", **beside):
    return Change("cdroms", old, new, key=slot, attribute=attribute, beside={attribute: new, **beside})


def added(slot, **entry):
    return Change("cdroms", None, entry, key=slot)


def changed(function, definition, change, running=None):
    driver = Driver()
    function(driver, VM, definition, running, change, [])
    return [words for words in driver.virsh.done if words[0] != "domjobinfo"]


def live(function, definition, change, running):
    """[(words, input)] of the calls for a running VM."""
    driver, sent = Driver(), []
    driver.virsh.run = lambda *words, stdin=None: sent.append((words, stdin))
    function(driver, VM, definition, running, change, [])
    return sent


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
    seed, usb, first = definition.drives("cdrom")
    definition.set_mark({"files": [SEED]})
    assert [cdroms.option_of(definition, one) for one in (seed, usb, first)] == ["cloud_init", "cdroms.usb27", "iso"]
    assert cdroms.reserved_targets(definition, OWN) == {"sda"}
    assert cdroms.read_cdroms(Definition(machine_xml()), OWN) == {}


def test_seed_is_never_removed_and_other_drives_are():
    definition = with_drives(USB, EMPTY)
    for slot in ("sata0", "sda", "usb27"):
        changed(cdroms.remove_drive, definition, Change("cdroms", {}, None, key=slot))
    assert [target_of(one) for one in definition.drives("cdrom")] == ["sda", "sdb"]


def test_drive_with_host_device_becomes_drive_with_file():
    definition = with_drives(HOST)
    changed(cdroms.set_drive, definition, inserted("sata1", "/dev/sr0", "/a.iso"))
    drive = definition.drives("cdrom")[1]
    assert (drive.get("type"), drive.find("source").attrib) == ("file", {"file": "/a.iso"})


def test_drive_of_iso_is_added_where_neither_seed_nor_new_disk_is():
    definition = Definition(machine_xml())
    changed(cdroms.add_drive, definition, added("sata2", source="/a.iso"))
    vm = VM.having(config={"disks": {"sdb": {}}}, reserved=cdroms.reserved_targets(Definition(machine_xml()), OWN))
    assert cdroms.drive_slot(vm, vm.config) == "sata2"
    assert cdroms.read_cdroms(definition, OWN) == {"sata2": {"source": "/a.iso"}}


def test_running_vm_gets_the_image_in_the_same_drive_as_the_definition():
    """The drive may be one that the running VM does not have yet."""
    running, stored = with_drives(USB), with_drives(USB, EMPTY)
    assert changed(cdroms.set_drive, stored, inserted("sata1", "", "/a.iso"), running) == []
    assert changed(cdroms.set_drive, stored, inserted("usb27", "/u.iso", ""), running) == [
        ("change-media", "u", "sdab", "--eject", "--live")
    ]
    assert cdroms.read_cdroms(stored, OWN) == {"sata1": {"source": "/a.iso"}, "usb27": {"source": ""}}


#: A layer on any file of the host, with the signature of an ISO image at its place.
HOSTILE = "/iso/.no-prompt-/Win11.no-prompt-mine.iso"


def formats(definition):
    found = [(source_of(one), one.find("driver").get("type")) for one in definition.drives("cdrom")]
    return [one for one in found if one[0] != SEED]


@pytest.mark.parametrize("source", ["", "<source file='/old.iso'/>"])
def test_name_of_an_image_never_makes_it_a_layer(source):
    """QEMU would let the guest read each file that a layer names."""
    empty = EMPTY.replace("<target", f"<driver name='qemu' type='qcow2'/>{source}<target")
    stored, running = with_drives(empty), with_drives(empty)
    ((words, text),) = live(cdroms.set_drive, stored, inserted("sata1", "", HOSTILE), running)
    assert formats(stored) == [(HOSTILE, "raw")]
    assert words[0] == "update-device" and 'type="raw"' in text and "qcow2" not in text
    new = Definition(machine_xml())
    changed(cdroms.add_drive, new, added("sata6", source=HOSTILE))
    cdroms.insert_drives(Driver(), new, {"sata7": {"source": HOSTILE}})
    assert formats(new) == [(HOSTILE, "raw")] * 2


FILLED = EMPTY.replace("<target", "<source file='/w.iso'/><target")
PREPARED = FILLED.replace("/w.iso", "/store/w.no-prompt-1.qcow2").replace("<source", "<driver type='qcow2'/><source")


@pytest.mark.parametrize(
    ("drives", "function", "change"),
    [
        ([EMPTY], cdroms.set_drive, inserted("sata1", "", "/w.iso", skip_boot_prompt=True)),
        ([EMPTY], cdroms.set_drive, inserted("sata1", None, True, "skip_boot_prompt", source="/w.iso")),
        ([FILLED], cdroms.set_drive, inserted("sata1", None, True, "skip_boot_prompt")),
        ([], cdroms.add_drive, added("sata1", source="/w.iso", skip_boot_prompt=True)),
    ],
)
def test_image_that_this_task_prepared_is_a_layer(drives, function, change):
    definition = with_drives(*drives)
    changed(function, definition, change)
    assert formats(definition) == [("/store/w.no-prompt-1.qcow2", "qcow2")]


def test_image_of_the_vendor_comes_back(monkeypatch):
    monkeypatch.setattr(cdroms, "medium_of", {"/store/w.no-prompt-1.qcow2": "/w.iso"}.get)
    definition = with_drives(PREPARED)
    changed(cdroms.set_drive, definition, inserted("sata1", True, None, "skip_boot_prompt"))
    assert formats(definition) == [("/w.iso", "raw")]


def test_running_vm_gets_one_image_for_both_changes_of_a_drive():
    stored, running = with_drives(EMPTY), with_drives(EMPTY)
    source = inserted("sata1", "", "/w.iso", skip_boot_prompt=True)
    prompt = inserted("sata1", None, True, "skip_boot_prompt", source="/w.iso")
    assert [len(live(cdroms.set_drive, stored, change, running)) for change in (source, prompt)] == [1, 0]


def test_check_mode_does_not_prepare_an_image():
    definition = with_drives(EMPTY.replace("<target", "<driver type='qcow2'/><target"))
    cdroms.set_drive(None, VM, definition, None, inserted("sata1", "", "/w.iso", skip_boot_prompt=True), [])
    assert formats(definition) == [("/w.iso", "raw")]


@pytest.mark.parametrize(("beside", "cost"), [({}, "next_boot"), ({"source": "/w.iso"}, "next_boot"),
                                               ({"source": "/x.iso"}, "live")])  # fmt: skip
def test_running_vm_gets_another_image_but_not_the_same_one_in_another_file(beside, cost):
    vm = VM.having(power="running", config={"cdroms": {"sata1": {"source": "/w.iso"}}})
    change = inserted("sata1", None, True, "skip_boot_prompt", **beside)
    assert cdroms.CDROMS["cdroms.skip_boot_prompt"].cost_of(vm, change) == cost


def test_image_that_is_no_layer_is_what_its_path_says(tmp_path):
    """Whatever the record next to it says."""
    iso, path = tmp_path / "w.iso", tmp_path / "w.no-prompt-1.qcow2"
    iso.write_bytes(b"iso")
    path.write_bytes(b"layer")
    FolderStore(str(tmp_path)).add(str(path.rename(tmp_path / "new")), _stored(str(path), str(iso)))
    for image_format, expected, prompt in (("raw", path, {}), ("qcow2", iso, {"skip_boot_prompt": True})):
        drive = EMPTY.replace("<target", f"<driver type='{image_format}'/><source file='{path}'/><target")
        definition = with_drives(drive)
        assert cdroms.read_cdroms(definition, OWN) == {"sata1": {"source": str(expected), **prompt}}


def _stored(path, iso):
    version = files.version(iso)
    return Stored(path, iso, "", "w.iso", "qcow2", iso, "2026-01-01", "none", 5, made_from=version)


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
