# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The id of a VM of vmd is its name, so its record counts only for the very VM for which it was written."""

from __future__ import annotations

import json
import shutil

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target

from unit.module_utils._drivers.vmm.in_process import DISKS, FOREIGN, driver_of, foreign, info, rejected, task, well

MAIL = {"name": ["mail"]}
_MARK = "# polyvirt "


def _vm(host, name="web"):
    """The VM as the driver observes it."""
    driver, _params = driver_of(host)
    (found,) = driver.observe([Target(name)], frozenset({"power", "config", "files", "unfinished"})).vms
    return found


def _mark(host, name="web"):
    marks = [json.loads(line[len(_MARK) :]) for line in host.text().splitlines() if line.startswith(_MARK)]
    return next((mark for mark in marks if mark["id"] == name), None)


def test_birth_of_a_created_vm_is_that_of_its_record(host):
    well(host, **DISKS)
    first = _vm(host)
    assert (first.birth, first.created, first.is_proven) == (_mark(host)["birth"], True, True)
    well(host, memory="256M", tags=["a"], disks=[{}, {"size": "16M"}])
    assert _vm(host).birth == first.birth
    well(host, state="absent")
    well(host, **DISKS)
    assert _vm(host).birth != first.birth


@pytest.mark.parametrize("place", ["before", "included"])
def test_vm_defined_by_hand_with_the_name_of_a_created_one_is_a_stranger(host, place):
    """The record of the old VM is still in vm.conf, with a lease and its files."""
    well(host, fleet="web", tags=["old"], description="the old one", **DISKS)
    record = next(line for line in host.text().splitlines() if line.startswith(_MARK))
    inside = f"# BEGIN polyvirt.core\n{record}\n# END polyvirt.core\n"
    block = FOREIGN.format(disk=host.disk("precious.qcow2"), more="\tdisable\n").replace("mail", "web")
    if place == "included":
        host.write("/etc/more.conf", block)
        block = f'include "{host.file("/etc/more.conf")}"\n'
    host.write("/etc/vm.conf", block + inside)
    host.well("vmctl", "reload")
    vm = _vm(host)
    assert (vm.owned, vm.created, vm.config["fleet"], vm.config["description"]) == (False, False, "", "")
    for given in ({"state": "absent"}, {"state": "absent", "delete_disks": "all"}):
        rejected(host, "allow_foreign_edit", **given)
    assert task(host, **DISKS, image={"source": host.disk("image.qcow2")}, allow_foreign_edit=True).failed
    well(host, state="absent", allow_foreign_edit=True)
    assert "precious.qcow2" in host.files()


def test_interrupted_creation_does_not_claim_a_vm_that_was_defined_by_hand_meanwhile(host):
    disk = host.disk("precious.qcow2")
    mark = {"v": 2, "id": "web", "disks": [], "files": [], "tags": [], "inputs": {}, "unfinished": True}
    mark["making"] = [disk]
    block = FOREIGN.format(disk=disk, more="\tdisable\n").replace("mail", "web")
    host.write("/etc/vm.conf", f"{block}# BEGIN polyvirt.core\n{_MARK}{json.dumps(mark)}\n# END polyvirt.core\n")
    host.well("vmctl", "reload")
    assert (_vm(host).created, info(host, "web")["vms"][0]["reason"]) == (False, "")
    outcome = task(host, **DISKS)
    assert not outcome.changed, outcome.msg
    well(host, state="absent", allow_foreign_edit=True)
    assert host.files() == ["precious.qcow2"]


def test_settings_of_a_foreign_vm_are_recorded_for_this_one(host):
    foreign(host, more="\tdisable\n")
    well(host, **MAIL, fleet="web", tags=["a"], owner="anna", expires="2099-01-01")
    vm = _vm(host, "mail")
    assert (vm.owned, vm.created, vm.is_proven, vm.config["fleet"]) == (True, False, True, "web")
    assert not well(host, **MAIL, fleet="web", tags=["a"], owner="anna", expires="2099-01-01").changed


@pytest.mark.parametrize("change", ["block", "disk"])
def test_another_vm_under_the_name_of_a_foreign_one_has_no_lease(host, change):
    text = foreign(host, more="\tdisable\n")
    well(host, **MAIL, fleet="web", expires="2099-01-01")
    if change == "block":
        host.write("/etc/vm.conf", host.text().replace(text, text.replace("64M", "96M")))
    else:
        shutil.copy(host.disk(), f"{host.disk()}.new")
        shutil.move(f"{host.disk()}.new", host.disk())
    vm = _vm(host, "mail")
    assert (vm.owned, vm.is_proven, vm.config["fleet"], vm.config["expires"]) == (False, False, "", "")


def test_own_change_of_a_foreign_block_keeps_its_record(host):
    foreign(host, more="\tdisable\n")
    well(host, **MAIL, fleet="web", tags=["a"])
    for given in ({"memory": "96M"}, {"autostart": True}, {"disks": [{"size": "32M"}]}, {"description": "x"}):
        well(host, **MAIL, **given, allow_foreign_edit=True)
        vm = _vm(host, "mail")
        assert (vm.owned, vm.is_proven, vm.config["fleet"]) == (True, True, "web"), given


def test_records_of_the_version_before_count(host):
    """Those of foreign VMs did not say that nobody here has created them."""
    well(host, **DISKS)
    foreign_text = FOREIGN.format(disk=host.disk(), more="\tdisable\n")
    old = {"v": 1, "id": "mail", "disks": [], "files": [], "tags": ["a"], "inputs": {}}
    text = host.text()
    record = {key: value for key, value in {**_mark(host), "v": 1}.items() if key not in ("birth", "created")}
    line = next(line for line in text.splitlines() if line.startswith(_MARK))
    text = text.replace(line, f"{_MARK}{json.dumps(record)}").replace("# END", f"{_MARK}{json.dumps(old)}\n# END")
    host.write("/etc/vm.conf", foreign_text + text)
    host.well("vmctl", "reload")
    assert [(_vm(host, name).created, _vm(host, name).is_proven) for name in ("web", "mail")] == [
        (True, False),
        (False, False),
    ]
    assert _vm(host, "mail").config["tags"] == ("a",)
    well(host, tags=["b"])
    assert (_vm(host).created, _vm(host).is_proven, _mark(host)["v"]) == (True, True, 2)


def test_adopting_needs_the_permission_for_foreign_blocks_too(host):
    foreign(host, more="\tdisable\n")
    given = {**MAIL, "image": {"source": host.disk("image.qcow2")}, "memory": "96M"}
    assert "adopt: true" in task(host, **given).msg
    rejected(host, "allow_foreign_edit", adopt=True, **given)
    assert well(host, **given, adopt=True, allow_foreign_edit=True).changed
    assert not _vm(host, "mail").created
