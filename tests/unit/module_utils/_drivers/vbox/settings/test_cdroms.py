# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optical drives: each in its slot, those of a running VM too, and never in that of a disk or a seed."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, observed, rejected, task


def _drives(vbox):
    return {slot: drive["source"] for slot, drive in observed(vbox).config["cdroms"].items()}


def test_drives_are_added_filled_emptied_and_removed(vbox):
    first, second = vbox.iso(), vbox.iso("b.iso")
    task(vbox, config={**SMALL, "cdroms": {"SATA 3": {"source": first}, "IDE 1:1": {}}}).succeeded()
    assert _drives(vbox) == {"IDE 1:1": "", "SATA 3": first}
    task(vbox, config={"cdroms": {"IDE 0:0": {"source": second}, "SATA 3": {"source": ""}}}).succeeded()
    assert _drives(vbox) == {"IDE 0": second, "IDE 1:1": "", "SATA 3": ""}
    task(vbox, config={"iso": "", "cdroms": {"SATA 3": None}}).succeeded()
    assert _drives(vbox) == {"IDE 0": "", "IDE 1:1": ""}
    task(vbox, config={"cdroms": {}}, purge=frozenset({"cdroms"})).succeeded()
    assert _drives(vbox) == {}


def test_filled_drive_is_added_to_a_running_vm_empty_first(vbox):
    iso = vbox.iso()
    task(vbox, state="started", config=SMALL).succeeded()
    done = task(vbox, state="started", config={"cdroms": {"SATA 3": {"source": iso}}}).succeeded()
    attach = "storageattach --storagectl SATA --port 3 --device 0 --type dvddrive --medium"
    assert done.writes == [f"{attach} emptydrive", f"{attach} {iso}"]
    assert _drives(vbox) == {"IDE 0": "", "SATA 3": iso}


def test_drive_of_another_controller_waits_until_the_vm_is_off(vbox):
    task(vbox, state="started", config=SMALL).succeeded()
    for slot in ("IDE 1", "VirtIO 0"):
        task(vbox, state="started", config={"cdroms": {slot: {}}}).refused("allow_restart: true")
    task(vbox, state="started", config={"cdroms": {"IDE 0": None}}).refused("allow_restart: true")
    done = task(vbox, state="stopped", config={"cdroms": {"IDE 1": {}, "VirtIO 0": {}}}).succeeded()
    assert (_drives(vbox), done.changed) == ({"IDE 0": "", "IDE 1": "", "VirtIO 0": ""}, True)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"cdroms": {"NVMe 0": {}}}, "cdroms: 'NVMe 0' is not a valid slot of an optical drive"),
        ({"cdroms": {"sata1": {}}}, "cdroms: 'sata1' is not a valid slot"),
        ({"cdroms": {"SATA 5:1": {}}}, "cdroms.SATA 5:1: controller 'SATA' has one device at each port"),
        ({"cdroms": {"SATA 0": {}}}, "cdroms.SATA 0: the slot is used by a disk"),
        ({"cdroms": {"AHCI 1": {}}}, "Use slot SATA 1."),
        ({"cdroms": {"IDE 1": {}, "IDE 1:0": {}}}, "slot IDE 1 is listed twice"),
        ({"disks": {"IDE 0": {"size": MIB}}}, "disks.IDE 0: the slot is used by an optical drive"),
        ({"iso": "", "cdroms": {"IDE 0": {}}}, "cdroms.IDE 0: iso sets the first optical drive"),
    ],
)
def test_drive_that_a_vm_cannot_have_is_rejected(vbox, config, words):
    task(vbox, config=SMALL).succeeded()
    rejected(vbox, words, config=config)


def test_disk_takes_the_slot_of_a_drive_that_is_removed_in_the_same_task(vbox):
    task(vbox, config={**SMALL, "cdroms": {"IDE 0": {}, "IDE 1": {}}}).succeeded()
    task(vbox, config={"cdroms": {"IDE 0": None}, "disks": {"IDE 0": {"size": MIB}}}).succeeded()
    assert (_drives(vbox), sorted(observed(vbox).config["disks"])) == ({"IDE 1": ""}, ["IDE 0", "SATA 0"])


@pytest.mark.parametrize("slot", ["IDE 0", "IDE 0:0"])
def test_iso_does_not_replace_a_new_disk(vbox, slot):
    iso = vbox.iso()
    disks = {"SATA 0": {"size": 2 * MIB}, slot: {"size": MIB}}
    task(vbox, config={**SMALL, "disks": disks, "iso": iso}).succeeded()
    assert (sorted(observed(vbox).config["disks"]), _drives(vbox)) == (["IDE 0", "SATA 0"], {"IDE 0:1": iso})


@pytest.mark.parametrize("image", ["iso", "cloud_init"])
@pytest.mark.parametrize("check", [True, False])
def test_new_vm_without_a_free_slot_for_a_drive_is_rejected(vbox, image, check):
    slots = ["IDE 0", "IDE 0:1", "IDE 1", "IDE 1:1"]
    if image == "iso":
        more, creation = {"iso": vbox.iso(), "disks": {slot: {"size": MIB} for slot in slots}}, {}
    else:
        more, creation = {"cdroms": {slot: {} for slot in slots}}, {"cloud_init": {"user": "admin"}}
    result = task(vbox, config={**SMALL, **more}, check=check, **creation)
    result.refused(f"web: {image}: no slot is free for an optical drive on the IDE controller")


def test_drive_of_a_seed_is_reserved(vbox):
    task(vbox, config=SMALL, cloud_init={"user": "admin"}).succeeded()
    assert (_drives(vbox), observed(vbox).reserved) == ({"IDE 0": ""}, {"IDE 1:1"})
    task(vbox, config={"cdroms": {"IDE 1:1": {}}}).refused("cdroms.IDE 1:1: the slot is used by a drive that no option")
    rejected(vbox, "disks.IDE 1:1: the slot is used by an optical drive", config={"disks": {"IDE 1:1": {"size": MIB}}})
    task(vbox, config={"cdroms": {}}, purge=frozenset({"cdroms"})).succeeded()
    assert observed(vbox).reserved == {"IDE 1:1"}


def test_clone_gets_no_drive_in_the_slot_of_its_seed(vbox):
    task(vbox, "source", config=SMALL).succeeded()
    wanted = {"cloud_init": {"user": "admin"}, "clone": {"source": "source", "linked": False}}
    words = "cdroms.IDE 1:1: the slot is used by the drive of the cloud-init seed"
    rejected(vbox, words, config={"cdroms": {"IDE 1:1": {}}}, **wanted)
    task(vbox, config={"cdroms": {"IDE 1": {}}}, **wanted).succeeded()
    assert _drives(vbox) == {"IDE 0": "", "IDE 1": ""}


def test_all_drives_of_a_vm_are_described(vbox):
    task(vbox, config={**SMALL, "cdroms": {"IDE 0": {}, "SATA 3": {"source": vbox.iso()}}}).succeeded()
    vm = observed(vbox, "native")
    assert [key for key in vm.not_modelled() if "Storage" in key or "drive" in key] == []


def test_file_of_the_second_drive_is_missing(vbox):
    iso = vbox.iso()
    task(vbox, config={**SMALL, "cdroms": {"IDE 0": {}, "IDE 1": {"source": iso}}}).succeeded()
    (vbox.folder / "a.iso").unlink()
    words = (f"web: cdroms.IDE 1: {iso} does not exist", "set cdroms.IDE 1.source: ''")
    task(vbox, state="started", config={}).refused(*words)
    task(vbox, state="started", config={"cdroms": {"IDE 1": {"source": ""}}}).succeeded()
